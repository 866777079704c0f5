"""Conditions in namespaces: what a path is like shows in the captures of real kernels."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from dpiprobe.errors import UsageError
from dpiprobe.lab.conditions import CONDITIONS, condition
from dpiprobe.lab.plain import from_plain, to_plain
from dpiprobe.lab.session import Lab
from dpiprobe.lab.stretches import lanes
from tests.lab.scene import Seen, packets, pressure, visit

HERE = pytest.mark.usefixtures("lab_here")
LARGE = {"name": "allowed.example", "path": "/bytes/200000", "timeout": 60}


def seen_under(name: str, folder: Path, *orders: dict[str, object], **options: object) -> tuple[list[dict[str, object]], list[Seen], list[Seen]]:
    lab = Lab(options.pop("box", "none"), conditions=name, seed=11, signatures={}, **options)  # type: ignore[arg-type]
    with lab, lab.capture(folder) as capture:
        told = visit(lab, *(orders or (LARGE,)))
    client, server = (packets(capture.files[node]) for node in ("client", "server"))
    return told, client, server


def test_a_condition_survives_the_control_socket() -> None:
    for entry in CONDITIONS:
        assert from_plain(to_plain(entry)) == entry


def test_losses_are_shared_out_between_the_stretches() -> None:
    four = lanes(condition("loss-5"), random.Random(1))
    through = (1 - four["client", "in"].weather.loss) * (1 - four["server", "out"].weather.loss)
    assert through == pytest.approx(0.95)
    given = lanes(condition("plain"), random.Random(1), (0.3, 0.0))
    assert (given["client", "in"].weather.loss, given["server", "in"].weather.loss) == (0.3, 0.0)


@HERE
def test_loss_loses_and_duplicates_come_twice(tmp_path: Path) -> None:
    told, client, server = seen_under("loss-5", tmp_path / "loss")
    assert told[0]["error"] is None
    assert len([p for p in server if p.to_client]) > len([p for p in client if p.to_client])
    _, client, server = seen_under("duplicate", tmp_path / "duplicate")
    copies = Counter((p.seq, p.ipid, p.payload) for p in client if p.to_client and p.payload)
    assert max(copies.values()) > max(Counter((p.seq, p.ipid, p.payload) for p in server if p.to_client and p.payload).values())


@HERE
def test_reordering_overtakes_and_jitter_does_not(tmp_path: Path) -> None:
    for name, overtakes in (("reorder", True), ("jitter", False)):
        _, client, server = seen_under(name, tmp_path / name)
        sent = [p.ipid for p in server if p.to_client and p.payload]
        came = [p.ipid for p in client if p.to_client and p.payload]
        assert (came != sent) == overtakes, name


@HERE
def test_a_cloud_makes_all_ttls_one_and_more_routers_cost_more(tmp_path: Path) -> None:
    _, client, _ = seen_under("cloud", tmp_path / "cloud", {"name": "blocked.example"}, box={"hello": "drop", "send": [{"flags": "R", "ttl": 200}]})
    assert {p.ttl for p in client if p.to_client} == {64}
    _, client, _ = seen_under("box-near-client", tmp_path / "near", {"name": "allowed.example"})
    assert {p.ttl for p in client if p.to_client} == {64 - 1 - 1 - 7}


@HERE
def test_each_direction_has_its_delay(tmp_path: Path) -> None:
    _, client, server = seen_under("asymmetric-delay", tmp_path, {"name": "allowed.example"})
    there = server[0].time - client[0].time
    back = next(p for p in client if p.to_client).time - next(p for p in server if p.to_client).time
    assert 0.035 <= there < 0.035 + 0.003 * pressure()
    assert 0.008 <= back < 0.008 + 0.003 * pressure()


@HERE
def test_a_tunnel_keeps_packets_small_and_a_black_hole_swallows_large_ones(tmp_path: Path) -> None:
    told, client, _ = seen_under("mtu-1400", tmp_path / "tunnel")
    assert told[0]["error"] is None
    assert max(len(p.payload) for p in client) <= 1360 - 12
    told, client, _ = seen_under("black-hole", tmp_path / "hole", {**LARGE, "timeout": 3})
    assert told[0]["error"] == "TimeoutError"


@HERE
def test_a_translated_client_has_another_address_at_the_server(tmp_path: Path) -> None:
    told, client, server = seen_under("nat", tmp_path, {"name": "allowed.example"})
    assert told[0]["error"] is None
    assert {p.source for p in client if not p.to_client} == {"198.18.1.2"}
    assert {p.source for p in server} == {"198.18.3.77", "198.18.4.2"}


@HERE
def test_a_box_on_one_way_only_never_sees_an_answer(tmp_path: Path) -> None:
    block = {"then": {"to_client": "drop"}}
    told, _, _ = seen_under("asymmetric-route", tmp_path / "one", {"name": "blocked.example"}, box=block)
    assert told[0]["error"] is None
    told, _, _ = seen_under("plain", tmp_path / "two", {"name": "blocked.example", "timeout": 2}, box=block)
    assert told[0]["error"] == "TimeoutError"


@HERE
def test_ipv6_carries_names_and_forged_packets(tmp_path: Path) -> None:
    with Lab("in-path-reset", conditions="ipv6", seed=1) as lab:
        assert lab.server == "2001:2::4:2"
        with lab.capture(tmp_path) as capture:
            told = visit(lab, {"name": "allowed.example"}, {"name": "blocked.example"})
        assert [one["error"] for one in told] == [None, "ConnectionResetError"]
        assert lab.run_in("client", ["sh", "-c", "getent hosts blocked.example"], capture_output=True).stdout.split()[0] == "2001:2::4:2"
    assert capture.counts is not None
    assert min(count["frames"] for count in capture.counts.values()) > 10


def test_a_condition_that_real_kernels_cannot_have_says_so() -> None:
    with pytest.raises(UsageError, match="virtual clock"):
        Lab("none", conditions="queue-full")
    with pytest.raises(UsageError, match="there is no condition"):
        Lab("none", conditions="sunny")


@HERE
def test_merged_segments_and_cookies_are_the_kernels_own(tmp_path: Path) -> None:
    _, client, server = seen_under("merged", tmp_path)
    assert max(len(p.payload) for p in server if p.to_client) > 1460, "the server's kernel hands its card more than a segment"
    assert max(len(p.payload) for p in client if not p.to_client) <= 1460
    with Lab("none", conditions="syn-cookies") as lab:
        done = lab.run_in("server", ["cat", "/proc/sys/net/ipv4/tcp_syncookies"], capture_output=True)
        assert done.stdout == "2\n"
