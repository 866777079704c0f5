"""Each box of the catalogue, seen in real packets: real kernels at both ends, a capture at each."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from dpiprobe.lab.session import Lab
from tests.lab.scene import Seen, of_port, packets, pressure, visit

pytestmark = pytest.mark.usefixtures("lab_here")
BLOCKED, ALLOWED = {"name": "blocked.example"}, {"name": "allowed.example"}


def scene(box: str, folder: Path, *orders: dict[str, object], **options: object) -> tuple[list[dict[str, object]], list[list[Seen]], list[list[Seen]]]:
    """Visits, and of each its packets at the client and at the server."""
    with Lab(box, signatures={}, seed=7, **options) as lab:  # type: ignore[arg-type]
        with lab.capture(folder) as capture:
            told = visit(lab, *orders)
        assert capture.counts is not None
        assert all(counts["dropped"] == 0 for counts in capture.counts.values())
    ends = [packets(capture.files[node]) for node in ("client", "server")]
    client, server = ([of_port(end, visit_["port"]) if "port" in visit_ else [] for visit_ in told] for end in ends)
    return told, client, server


def hello(flow: list[Seen]) -> Seen:
    return next(p for p in flow if not p.to_client and p.payload[:1] == b"\x16")


def test_free_path_delivers_both_names_with_the_delay_asked_for(tmp_path: Path) -> None:
    told, client, _ = scene("none", tmp_path, *[ALLOWED, BLOCKED] * 5)
    assert all(visit_["error"] is None and visit_["bytes"] > 1000 for visit_ in told)
    trips = [next(p for p in flow if "S" in p.flags and p.to_client).time - flow[0].time for flow in client]
    assert 0.050 <= min(trips) < 0.052
    assert statistics.median(trips) - 0.050 < 0.002 * pressure()  # design: jitter below 1 ms each way


def test_free_path_has_the_ttls_of_three_routers(tmp_path: Path) -> None:
    _, client, server = scene("none", tmp_path, ALLOWED)
    assert {p.ttl for p in client[0] if p.to_client} == {61}
    assert {p.ttl for p in server[0] if not p.to_client} == {61}


def test_free_path_loses_and_reorders_nothing(tmp_path: Path) -> None:
    _, client, server = scene("none", tmp_path, {"name": "allowed.example", "path": "/bytes/300000"})
    sent = [(p.seq, p.payload) for p in server[0] if p.to_client]
    assert [(p.seq, p.payload) for p in client[0] if p.to_client] == sent
    assert max(len(p.payload) for p in client[0]) <= 1460  # no offload: what the capture shows could be on a wire


def test_in_path_reset_swallows_the_hello_and_resets_as_netfilter_does(tmp_path: Path) -> None:
    told, client, server = scene("in-path-reset", tmp_path, ALLOWED, BLOCKED, ALLOWED, BLOCKED, BLOCKED)
    assert [visit_["error"] for visit_ in told] == [None, "ConnectionResetError", None, "ConnectionResetError", "ConnectionResetError"]
    (reset,) = [p for p in client[1] if "R" in p.flags and p.to_client]
    trigger = hello(client[1])
    assert (reset.flags, reset.ttl, reset.ipid, reset.df, reset.window, reset.options, reset.ack) == ("R", 63, 0, True, 0, b"", 0)
    assert reset.seq == trigger.ack
    reactions = [next(p for p in flow if "R" in p.flags and p.to_client).time - hello(flow).time for flow in (client[1], client[3], client[4])]
    assert 0.010 <= min(reactions) < 0.012
    assert not [p for p in server[1] if p.payload]


def test_on_path_resets_race_an_answer_that_still_comes(tmp_path: Path) -> None:
    told, client, server = scene("on-path-resets", tmp_path, ALLOWED, BLOCKED)
    assert [visit_["error"] for visit_ in told] == [None, "ConnectionResetError"]
    trigger = hello(client[1])
    resets = [p for p in client[1] if p.flags == "RA" and p.to_client]
    assert len(resets) == 3
    assert len({(p.seq, p.ack, p.ipid, p.window) for p in resets}) == 1
    assert resets[0].seq == trigger.ack
    assert resets[0].ack == trigger.seq + len(trigger.payload)
    genuine = [p for p in client[1] if p.to_client and p.ttl == 61 and p.time > resets[-1].time]
    assert genuine, "the server's own answer to the hello reaches the client"
    assert hello(server[1]).payload == trigger.payload
    assert [p.flags for p in server[1] if not p.to_client and p.ttl == 63] == ["R"], "the box resets the server as well, from one hop nearer"


def test_drop_hello_lets_no_byte_of_it_through(tmp_path: Path) -> None:
    told, client, server = scene("drop-hello", tmp_path, ALLOWED, {**BLOCKED, "timeout": 2})
    assert [visit_["error"] for visit_ in told] == [None, "TimeoutError"]
    copies = [p for p in client[1] if not p.to_client and p.payload]
    assert len(copies) >= 3
    assert len({p.seq for p in copies}) == 1
    assert not [p for p in server[1] if p.payload]
    assert not [p for p in client[1] if p.to_client and "S" not in p.flags]


def test_proxy_splits_round_trips_and_closes_the_blocked_name(tmp_path: Path) -> None:
    told, client, server = scene("proxy-close", tmp_path, ALLOWED, BLOCKED)
    assert told[0]["error"] is None
    assert told[1]["error"] is not None
    for flow in client:
        answer = next(p for p in flow if "S" in p.flags and p.to_client)
        assert answer.ttl == 63
        assert 0.010 <= answer.time - flow[0].time < 0.012 * pressure()
    first_data = next(p for p in client[0] if p.to_client and p.payload)
    assert first_data.time - hello(client[0]).time > 0.085, "the box asks the server only when it has read the name"
    assert any("F" in p.flags and p.to_client for p in client[1])
    assert server[1] == []


def test_proxy_relays_a_large_answer_whole_over_a_lossy_path(tmp_path: Path) -> None:
    told, _, _ = scene("proxy-close", tmp_path, {"name": "allowed.example", "path": "/bytes/200000", "timeout": 30}, loss=0.01)
    assert told[0]["error"] is None
    assert told[0]["bytes"] > 200_000


@pytest.mark.parametrize(("box", "rate"), [("throttle-shape", 8000), ("throttle-police", 16_000)])
def test_throttle_slows_the_blocked_name_only(box: str, rate: int, tmp_path: Path) -> None:
    told, client, server = scene(box, tmp_path, {**ALLOWED, "path": "/bytes/20000"}, {**BLOCKED, "path": "/bytes/20000", "timeout": 20})
    assert told[0]["error"] is None
    assert told[0]["seconds"] < pressure()  # type: ignore[operator]
    goodput = told[1]["bytes"] / told[1]["seconds"]  # type: ignore[operator]
    assert goodput < rate * 1.3
    lost = len([p for p in server[1] if p.to_client]) - len([p for p in client[1] if p.to_client])
    assert (lost > 0) == (box == "throttle-police"), "a policer drops, a shaper queues"


def test_residual_punishes_later_connections_for_its_time_and_then_forgets(tmp_path: Path) -> None:
    block = {"hello": "drop", "residual": {"what": "drop", "for": "2 s", "same": ["client", "server", "port"]}}
    orders = [ALLOWED, {**BLOCKED, "timeout": 0.5}, {**ALLOWED, "timeout": 0.5}, {**ALLOWED, "timeout": 6}]
    told, _, _ = scene(block, tmp_path, *orders)  # type: ignore[arg-type]
    assert told[0]["error"] is None
    assert told[1]["error"] == "TimeoutError"
    assert told[2]["error"] == "TimeoutError"
    assert told[3]["error"] is None
    assert told[3]["seconds"] > 0.5, "its first SYN was still swallowed"


def test_stall_after_a_number_of_bytes(tmp_path: Path) -> None:
    block = {"then": {"to_client": "drop", "after": {"bytes": 15000}}}
    told, client, _ = scene(block, tmp_path, {**BLOCKED, "path": "/bytes/60000", "timeout": 2})  # type: ignore[arg-type]
    assert told[0]["error"] == "TimeoutError"
    assert 15_000 <= sum(len(p.payload) for p in client[0] if p.to_client) < 15_000 + 1461


def test_forged_page_with_every_field_chosen(tmp_path: Path) -> None:
    block = {"hello": "drop", "send": [
        {"to": "client", "flags": "FPA", "payload": "HTTP/1.1 403 Forbidden\r\n\r\n", "ipid": 4660, "df": "clear", "tos": 40, "ttl": 99, "window": 512},
    ]}  # fmt: skip
    _, client, _ = scene(block, tmp_path, BLOCKED)  # type: ignore[arg-type]
    page = next(p for p in client[0] if p.to_client and p.payload)
    assert (page.flags, page.ipid, page.df, page.tos, page.ttl, page.window) == ("FPA", 4660, False, 40, 98, 512)
    assert page.payload == b"HTTP/1.1 403 Forbidden\r\n\r\n"


@pytest.mark.parametrize(("what", "error"), [("reset", "ConnectionResetError"), ("hang", "TimeoutError"), ("alert", "SSLError"), ("slow", None)])
def test_a_server_may_misbehave_by_itself_and_it_shows_its_own_marks(what: str, error: str | None, tmp_path: Path) -> None:
    told, client, server = scene("none", tmp_path, ALLOWED, {**BLOCKED, "timeout": 2, "path": "/bytes/2000"}, behaviours={"blocked.example": what})
    assert [visit_["error"] for visit_ in told] == [None, error]
    assert {p.ttl for p in client[1] if p.to_client} == {61}
    assert hello(server[1]).payload == hello(client[1]).payload
