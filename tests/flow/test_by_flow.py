"""The loops that are compiled for large captures say of flows what the columns of `stream.py` and `landmarks.py` say."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.capture.read import read_capture
from dpiprobe.flow import landmark_loop, stream_loop
from dpiprobe.flow.by_flow import ByFlow
from dpiprobe.flow.flows import Flows
from dpiprobe.flow.group import Grouped
from dpiprobe.flow.settle import settle, settle_grouped
from dpiprobe.wire.packets import ICMP, PACKET_COLUMNS, TCP, UDP, Packets, from_rows
from tests.conftest import ROOT

CASES = sorted(ROOT.glob("pcaps/*/*/*.pcap*"))


@pytest.fixture
def either(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Both forms of the same work, the loops as they stand."""

    def both(work: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("dpiprobe.flow.settle.by_flow", lambda *_: None)
            columns = work()
        with monkeypatch.context() as patch:
            patch.setattr("dpiprobe.flow.settle.by_flow", lambda *given: ByFlow(stream_loop, landmark_loop, *given))
            loops = work()
        assert_same(columns, loops)

    return both


def assert_same(columns: Flows, loops: Flows) -> None:
    for name in Flows.__slots__:
        one, other = getattr(columns, name), getattr(loops, name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other, name)
        elif name == "triggers":
            assert one == other


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_cases(path: Path, either: Any) -> None:
    packets = read_capture(path, "x").packets
    either(lambda: settle(packets))


FLAGS = [0x02, 0x02, 0x12, 0x12, 0x10, 0x10, 0x18, 0x18, 0x04, 0x14, 0x11, 0x01, 0x00, 0x06, 0x16]
BODIES = [
    b"\x16\x03\x01\x00\x02\x01\x00",
    b"\x17\x03\x03\x00\x02ab",
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"x" * 12,
    b"\x17\x03\x03\x00\x02ac",
]

slots = st.tuples(
    st.integers(0, 3), st.sampled_from((0,) * 12 + (2, 3)), st.booleans(), st.sampled_from(FLAGS), st.sampled_from((0, 1, 1, 1, 8, 13, 38, 90, 0xFFFFFFFF)),
    st.sampled_from((0, 1, 1, 8, 8, 13, 38, 90)), st.sampled_from((-1, -1, -1, 0, 1, 2, 3, 4)), st.sampled_from((-1, 0, 5, 6)),
    st.sampled_from((-1, 0, 5, 6)), st.sampled_from((-2_000_000, 0, 1000, 900_000, 6_000_000)),
)  # fmt: skip


exchanges = st.tuples(
    st.just(0), st.just(0), st.booleans(), st.sampled_from((0x10, 0x18, 0x18, 0x02, 0x12)), st.sampled_from((1, 1, 8, 15, 22)), st.sampled_from((1, 8, 15, 22)),
    st.sampled_from((-1, 0, 1, 5)), st.sampled_from((-1, 5, 6)), st.sampled_from((-1, 5, 6)), st.sampled_from((0, 1000, 900_000)),
)  # fmt: skip
"""Segments of seven bytes and their acknowledgements, as between two stacks that send again what was lost."""


@given(st.lists(slots, max_size=60) | st.lists(exchanges, min_size=8, max_size=30), st.integers(0, 15), st.integers(0, 3))
@settings(max_examples=400, deadline=None)
def test_any_slots_at_all(rows: list[tuple[Any, ...]], low: int, quic: int) -> None:
    packets, grouped = batch(rows, quic)
    client_low = np.array([bool(low >> f & 1) for f in range(grouped.flow_count)], bool)
    by = np.zeros(grouped.flow_count, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dpiprobe.flow.settle.by_flow", lambda *_: None)
        columns = settle_grouped(packets, grouped, client_low, by)
        patch.setattr("dpiprobe.flow.settle.by_flow", lambda *given: ByFlow(stream_loop, landmark_loop, *given))
        assert_same(columns, settle_grouped(packets, grouped, client_low, by))


def batch(rows: list[tuple[Any, ...]], quic: int) -> tuple[Packets, Grouped]:
    """Packets in capture order, and their grouping; flow `quic` is a conversation of datagrams."""
    table: list[dict[str, int]] = []
    arena, now = b"", 10_000_000
    for flow, joined, lower, flags, seq, ack, body, stamp, echo, wait in rows:
        now += wait
        word = BODIES[body] if body >= 0 else b""
        row = {
            "number": len(table) + 1, "time": now, "payload_offset": len(arena), "payload_length": len(word), "payload_captured": len(word), "tos": 0,
            "ip_id": flow, "source_port": int(lower), "destination_port": 443, "window": 1, "version": 4, "ttl": 64, "ip_length": 40 + len(word),
        }  # fmt: skip
        if joined == 3:
            row |= {"protocol": ICMP, "icmp_type": 3, "icmp_code": 1}
        elif flow == quic and joined == 0:
            row |= {"protocol": UDP}
        else:
            row |= {"protocol": TCP, "flags": flags, "seq": seq, "ack": ack, "options": 0, "ts_value": stamp, "ts_echo": echo, "urgent": 0}
        arena += word
        table.append(row)
    present = sorted({row[0] for row in rows})
    flow_of = np.array([present.index(row[0]) for row in rows], np.int64)
    order = np.argsort(flow_of, kind="stable").astype(np.int64)
    count = len(present)
    keys = np.arange(count, dtype=np.int64)
    transport = np.array([UDP if f == quic else TCP for f in present], np.int64)
    lower, joined = (np.array([int(row[k]) for row in rows], np.int64)[order] for k in (2, 1))
    return from_rows(table, [b"\0\0\0\1", b"\0\0\0\2"], arena), Grouped(
        order, flow_of[order], lower, joined, count, keys << 16, (keys + 9) << 16, transport
    )


@pytest.mark.parametrize("step", [1, 1448, 65536])
def test_a_long_upload_takes_time_that_grows_with_it_alone(step: int) -> None:
    """A bound ten times above what was measured: places of a table that many segments share would cost far more."""
    size = 20_000
    number = np.arange(size)
    up, sent = number % 2 == 0, number // 2 * step
    columns: dict[str, Any] = {name: np.full(size, -1, np.int64) for name in PACKET_COLUMNS}
    columns |= {
        "number": number + 1, "time": number * 1000, "protocol": np.full(size, TCP), "flags": np.where(up, 0x18, 0x10), "ip_id": number & 0xFFFF,
        "seq": np.where(up, 1 + sent, 1), "ack": np.where(up, 1, 1 + sent + step), "payload_length": np.where(up, step, 0), "payload_captured": number * 0,
    }  # fmt: skip
    one = np.zeros(size, np.int64)
    grouped = Grouped(number, one, up.astype(np.int64), one, 1, np.array([1 << 16]), np.array([(9 << 16) + 443]), np.array([TCP]))
    begin = perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dpiprobe.flow.settle.by_flow", lambda *given: ByFlow(stream_loop, landmark_loop, *given))
        flows = settle_grouped(Packets(**columns), grouped, np.array([True]), np.zeros(1, np.int64))
    assert perf_counter() - begin < 5
    assert flows.rtt_samples.tolist() == [size // 2]
