"""Single packets without a capture around them: what the raw prober, the lab's boxes and tests read.

Rules of this file:
- The decode loop reads them; there is no second parser.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from dpiprobe.wire import loop
from dpiprobe.wire.decode import LOOP_COLUMNS, Decoder, Records
from dpiprobe.wire.packets import Packets


@dataclass(slots=True)
class Packet:
    """One TCP, UDP or ICMP packet; the fields of `wire.packets.Packets`, with addresses, payload and the quoted packet as bytes."""

    version: int
    protocol: int
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    ttl: int
    ip_id: int
    df: int
    tos: int
    ip_length: int
    ip_options: int
    flags: int
    seq: int
    ack: int
    window: int
    urgent: int
    options: int
    ts_value: int
    ts_echo: int
    mss: int
    window_scale: int
    tcp_header_length: int
    payload_length: int
    payload: bytes
    icmp_type: int
    icmp_code: int
    quote: bytes


_packet = cast(Callable[..., Packet], Packet)


def parse_packet(frame: bytes, link: int = loop.RAW) -> Packet | None:
    """One frame (by default an IP datagram); None where it is no whole TCP, UDP or ICMP packet (fragments neither)."""
    out, status = array("q", (-1,)) * loop.WIDTH, array("q", (0,))
    loop.decode_frames(frame, (0,), (len(frame),), (link,), 1, out, status)
    if status[0] != loop.ROW:
        return None
    row = out.tolist()
    size = 4 if row[loop.VERSION] == 4 else 16
    source, destination, at, quote = row[loop.SOURCE], row[loop.DESTINATION], row[loop.PAYLOAD_OFFSET], row[loop.QUOTE]
    stop = at + row[loop.PAYLOAD_CAPTURED]
    fields = row[loop.SOURCE_PORT : loop.PAYLOAD_OFFSET]
    return _packet(
        row[loop.VERSION], row[loop.PROTOCOL], frame[source : source + size], frame[destination : destination + size],
        *fields, frame[at:stop], row[loop.ICMP_TYPE], row[loop.ICMP_CODE], frame[quote:stop] if quote >= 0 else b"",
    )  # fmt: skip


def parse_packets(frames: Sequence[bytes], times: Sequence[int] | None = None, link: int = loop.RAW) -> Packets:
    """Frames (by default IP datagrams) as columns, numbered from 1; without `times` they are 1 ms apart from 0."""
    buf = b"".join(frames)
    ends: list[int] = []
    at = 0
    for frame in frames:
        at += len(frame)
        ends.append(at)
    decoder = Decoder()
    when = [i * 1_000_000 for i in range(len(frames))] if times is None else list(times)
    decoder.append(Records(buf, [0, *ends[:-1]] if ends else [], ends, [link] * len(frames), when))
    return decoder.finish()


PACKET_FIELDS = tuple("payload" if name == "payload_offset" else name for name in LOOP_COLUMNS if name != "payload_captured")
"""The fields of `Packet`, from the columns it is made of (a test holds both equal)."""
