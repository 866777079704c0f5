"""The ladder of one flow, drawn from hand-made packets."""

from __future__ import annotations

import pytest

from dpiprobe.flow.flows import Flows
from dpiprobe.flow.settle import settle
from dpiprobe.report import ladder
from dpiprobe.wire.packets import ACK, OPT_MSS, PSH, RST, SYN, TCP, from_rows
from tests.report.fixtures import flow

CLIENT, SERVER = 0, 1
HELLO = bytes.fromhex("16030100310100002d0303") + bytes(32) + bytes.fromhex("00000213010100000100")  # the smallest ClientHello, no name


def packet(number: int, ms: float, source: int, flags: int, seq: int, ack: int, payload: int = 0, offset: int = 0, **more: int) -> dict[str, int]:
    return {
        "number": number, "time": int(ms * 1e6), "version": 4, "protocol": TCP, "source": source, "destination": 1 - source,
        "source_port": 443 if source else 40000, "destination_port": 40000 if source else 443, "ttl": 57 if source else 64, "ip_id": number,
        "df": 1, "tos": 0, "ip_length": 40 + payload, "ip_options": 0, "flags": flags, "seq": seq, "ack": ack, "window": 64240, "urgent": 0,
        "options": OPT_MSS if flags & SYN else 0, "tcp_header_length": 20, "payload_length": payload, "payload_offset": offset, "payload_captured": payload,
    } | more


@pytest.fixture
def flows() -> Flows:
    rows = [
        packet(60, 0, CLIENT, SYN, 1000, 0),
        packet(61, 50, SERVER, SYN | ACK, 9000, 1001),
        packet(62, 50.1, CLIENT, ACK, 1001, 9001),
        packet(63, 51, CLIENT, PSH | ACK, 1001, 9001, len(HELLO), 0),
        packet(64, 71.6, SERVER, RST | ACK, 9001, 1001 + len(HELLO), ttl=40, window=0),
        packet(65, 71.6, SERVER, RST | ACK, 9001, 1001 + len(HELLO), ttl=41, window=0),
    ]
    return settle(from_rows(rows, [bytes([192, 0, 2, 1]), bytes([198, 51, 100, 7])], HELLO))


RECORD = flow(1, signature="box", matches=[{"signature": "box", "clauses": {
    "resets": {"state": "held", "packets": [64, 65]}, "wound": {"state": "failed", "packets": [61]}, "seen": {"state": "not_visible", "packets": []}}}],
    observations=[{"kind": "reset", "packets": [64]}])


def test_evidence_is_marked_with_its_clause_and_observation(flows: Flows) -> None:
    lines = ladder.draw(flows, 0, RECORD)
    assert [line.split()[1] for line in lines if line.startswith("* ") and "<==" in line] == ["64", "65"]
    assert any(line.endswith("<== box: resets; reset") for line in lines)
    assert "* box, resets: packets 64-65" in lines and "+ reset: packet 64" in lines
    assert not any("wound" in line for line in lines)  # a clause that failed is no evidence
    assert "  box: not visible in this capture: seen" in lines


def test_numbers_are_wireshark_s(flows: Flows) -> None:
    syn, syn_ack, _, hello, reset, _ = ladder.rungs(flows, 0, RECORD)
    assert "seq 0 " in syn.detail and "opts mss" in syn.detail
    assert "seq 0 ack 1 " in syn_ack.detail
    assert "seq 1 ack 1 " in hello.detail
    assert f"seq 1 ack {1 + len(HELLO)} win 0 ttl 40 id 0x0040 df no-opts" in reset.detail


def test_time_counts_from_the_hello(flows: Flows) -> None:
    assert [r.since for r in ladder.rungs(flows, 0, RECORD)][3] == 0
    assert any("-51.0 ms" in line for line in ladder.draw(flows, 0, RECORD))


def test_arrows_point_the_way_the_packet_went(flows: Flows) -> None:
    lines = {line.split()[0 if line[0] == " " else 1]: line for line in ladder.draw(flows, 0, RECORD) if "|" in line}
    assert "|-- SYN -" in lines["60"] and ">|" in lines["60"]
    assert "|<-" in lines["61"] and "- SYN ACK --|" in lines["61"]


def test_the_round_trip_is_noted(flows: Flows) -> None:
    assert any(line.startswith("smallest round trip 50.0 ms") for line in ladder.draw(flows, 0, RECORD))


def test_a_long_flow_keeps_its_ends_and_its_evidence() -> None:
    rows = [packet(i + 1, i, i % 2, ACK, 1, 1) for i in range(200)]
    flows = settle(from_rows(rows, [bytes([192, 0, 2, 1]), bytes([198, 51, 100, 7])], b""))
    record = flow(1, matches=[], observations=[{"kind": "close", "packets": [100]}])
    short = ladder.draw(flows, 0, record)
    assert any(line.startswith("+ ") and " 100 " in line for line in short)
    assert sum("packets left out" in line for line in short) == 2
    assert len(ladder.draw(flows, 0, record, everything=True)) > 200


def test_names_from_the_network_are_made_printable(flows: Flows) -> None:
    assert not any("\x1b" in line for line in ladder.draw(flows, 0, RECORD | {"server_name": "\x1b[31mred", "reasons": ["\x1b]0;x"]}))


def test_on_a_narrow_screen_what_does_not_fit_stands_beneath_its_arrow(flows: Flows) -> None:
    record = RECORD | {"reasons": ["the reset came well before the server could have answered, and the same in three trials of three"]}
    lines = ladder.draw(flows, 0, record, room=80)
    assert all(len(line) <= 80 for line in lines)
    (at,) = [index for index, line in enumerate(lines) if line.split()[:2] == ["*", "64"]]
    assert "| " not in lines[at] and lines[at].endswith("|")
    assert lines[at + 1].split()[:2] == ["seq", "1"] and "<== box: resets; reset" in lines[at + 2]
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(ladder.draw(flows, 0, record)).split()).replace("   <==", " <==")


def test_clauses_that_no_packet_of_the_flow_holds_are_named_too(flows: Flows) -> None:
    held = {"few": {"state": "held", "packets": []}, "punished": {"state": "held", "packets": [999]}}
    drawn = ladder.draw(flows, 0, flow(1, matches=[{"signature": "box", "clauses": held}], observations=[]))
    assert "  box: held by the flow as a whole or by other flows: few, punished" in drawn


def test_what_the_marks_mean_is_said_where_there_are_any(flows: Flows) -> None:
    assert "* holds a clause of a signature, + is an observation:" in ladder.draw(flows, 0, RECORD)
    assert ladder.draw(flows, 0, flow(1, matches=[], observations=[]))[-1] == "no packet of this flow is evidence of anything"
