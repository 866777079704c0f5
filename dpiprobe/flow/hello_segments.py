"""How the ClientHello of a captured flow was sent: in which segments, when, and by whom to whom.

Alone responsible for a hello's segmentation and spacing as the capture shows them, for extracting and sending it again.

Rules of this file:
- A segment counts at its first transmission; what was sent again adds nothing, copies that the capture made are not looked at.
- Offsets count from the first byte of the hello's stream (records before it included). A segment that overlaps earlier bytes counts from
  its first new byte on. Segments that left out of order are given in the order of their offsets, `in_order` says that they were not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import pairwise

from dpiprobe.flow.flows import CLIENT, Flows
from dpiprobe.flow.hello_streams import hello_streams

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SentSegment:
    """packet: its number in the capture · offset, length: in the hello's stream · time: ns since 1970"""

    packet: int
    offset: int
    length: int
    time: int


@dataclass(frozen=True, slots=True)
class SentHello:
    """flow: its number, from 1 · packet: where the hello begins · client, server: endpoints as text · stream: the client's bytes from the hello's first
    record on, as far as they are in the capture; of QUIC the handshake message · before: bytes that the client sent before it (CONNECT, STARTTLS)
    segments: of QUIC the datagrams (offset 0, length of the payload)"""

    flow: int
    packet: int
    client: str
    server: str
    stream: bytes
    quic: bool
    before: int
    segments: tuple[SentSegment, ...]
    in_order: bool

    def cuts(self, length: int) -> tuple[int, ...]:
        """Where to cut the first `length` bytes of the stream so that they leave as they did."""
        return tuple(s.offset for s in self.segments if 0 < s.offset < length)

    def delays(self, length: int) -> tuple[float, ...]:
        """Seconds before each of these pieces but the first; 0 where a later piece left earlier."""
        times = [s.time for s in self.segments if s.offset < length]
        return tuple(max(0, b - a) / _NS for a, b in pairwise(times))


def sent_hellos(flows: Flows) -> Iterator[SentHello]:
    """The hellos of settled flows, in their order."""
    for one in hello_streams(flows):
        f = one.flow - 1
        start = max(int(flows.hello_start[f]), 0)
        segments, in_order = _datagrams(flows, f) if one.quic else _segments(flows, f, start, len(one.stream))
        yield SentHello(
            flows.label(f), one.packet, _endpoint(flows, int(flows.client[f]), int(flows.client_port[f])),
            _endpoint(flows, int(flows.server[f]), int(flows.server_port[f])), one.stream, one.quic, 0 if one.quic else start, segments, in_order,
        )  # fmt: skip


def _segments(flows: Flows, f: int, start: int, length: int) -> tuple[tuple[SentSegment, ...], bool]:
    covered: list[tuple[int, int]] = []
    found: list[SentSegment] = []
    for slot in flows.slots(f):
        if int(flows.origin[slot]) != CLIENT or int(flows.duplicate[slot]):
            continue
        first, last = max(int(flows.offset[slot]) - start, 0), min(int(flows.end[slot]) - start, length)
        for a, b in covered:  # only from its first new byte on
            if a <= first < b:
                first = b
        if first >= last:
            continue
        covered = sorted([*covered, (first, last)])
        found.append(SentSegment(flows.number(slot), first, last - first, flows.time(slot)))
    in_order = found == sorted(found, key=lambda s: s.offset)
    return tuple(sorted(found, key=lambda s: s.offset)), in_order


def _datagrams(flows: Flows, f: int) -> tuple[tuple[SentSegment, ...], bool]:
    """The client's datagrams up to the server's first answer."""
    found: list[SentSegment] = []
    for slot in flows.slots(f):
        if int(flows.origin[slot]) != CLIENT:
            break
        found.append(SentSegment(flows.number(slot), 0, int(flows.packets.payload_length[flows.row[slot]]), flows.time(slot)))
    return tuple(found), True


def _endpoint(flows: Flows, address: int, port: int) -> str:
    parsed = ip_address(flows.packets.addresses[address])
    return f"[{parsed}]:{port}" if parsed.version == 6 else f"{parsed}:{port}"
