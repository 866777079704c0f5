"""What is written is what is read."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.capture.read import read_capture
from dpiprobe.capture.write import PcapngWriter, PcapWriter
from dpiprobe.errors import UsageError
from tests.capture.files import FRAME

times = st.integers(0, (1 << 63) - 1)


@given(st.lists(st.integers(0, 4_294_967_295_999_999_999), max_size=5))
def test_pcap_keeps_nanoseconds(moments: list[int]) -> None:
    file = io.BytesIO()
    writer = PcapWriter(file, 1)
    for time in moments:
        writer.packet(time, FRAME)
    capture = read_capture("x", data=file.getvalue())
    assert (capture.packets.time.tolist(), capture.damage) == (moments, [])


@given(st.lists(st.tuples(times, st.integers(0, 1), st.text(max_size=20), st.sampled_from([None, "inbound", "outbound"])), max_size=5), st.text(max_size=50))
def test_pcapng_keeps_everything(packets: list[tuple[int, int, str, object]], comment: str) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file, comment)
    writer.interface(1, "eth0")
    writer.interface(101, description="the other side")
    for time, interface, note, direction in packets:
        writer.packet(time, FRAME if interface == 0 else FRAME[14:], interface, comment=note, direction=direction)  # type: ignore[arg-type]
    writer.statistics(5, received=10, dropped=3)
    capture = read_capture("x", data=file.getvalue())
    assert capture.packets.time.tolist() == [time for time, *_ in packets]
    assert all(capture.packets.payload(i) == b"hello" for i in range(len(packets)))
    assert (capture.drops, capture.damage) == (3, [])
    assert capture.comments == ([comment.rstrip("\0")] if comment else [])


def test_the_length_on_the_wire_is_kept() -> None:
    for pcapng in (False, True):
        file = io.BytesIO()
        writer: PcapWriter | PcapngWriter = PcapngWriter(file) if pcapng else PcapWriter(file, 1)
        if isinstance(writer, PcapngWriter):
            writer.interface(1)
        writer.packet(0, FRAME[:56], wire_length=len(FRAME))
        packets = read_capture("x", data=file.getvalue()).packets
        assert (packets.payload_length[0], packets.payload_captured[0]) == (5, 2)


def test_what_was_flushed_is_there_when_the_run_is_killed(tmp_path: Path) -> None:
    with (tmp_path / "run.pcapng").open("wb") as file:
        writer = PcapngWriter(file)
        writer.interface(1)
        for i in range(3):
            writer.packet(i, FRAME)
            writer.flush()
            assert read_capture(tmp_path / "run.pcapng").frames == i + 1


def test_a_comment_longer_than_the_format_allows_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 65,535 bytes"):
        PcapngWriter(io.BytesIO(), "x" * 65536)


def test_tshark_reads_comments_directions_and_nanoseconds(tshark: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with path.open("wb") as file:
        writer = PcapngWriter(file, "the plan")
        writer.interface(1, "eth0")
        writer.packet(1_700_000_000_123_456_789, FRAME, comment="the evidence", direction="inbound")
        writer.statistics(1_700_000_001_000_000_000, received=1, dropped=0)
    fields = ["frame.time_epoch", "frame.comment", "frame.packet_flags_direction", "frame.interface_name"]
    run = subprocess.run([tshark, "-r", str(path), "-T", "fields", *(f for name in fields for f in ("-e", name))], capture_output=True, text=True, check=True)
    assert run.stdout.rstrip("\n").split("\t") == ["1700000000.123456789", "the evidence", "0x00000001", "eth0"]
