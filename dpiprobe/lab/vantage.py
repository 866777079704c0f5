"""What happens to packets between hosts and captures: hops, address translation, TTLs made alike, merged segments. Pure.

Rules of this file:
- Bytes in, bytes out, checksums right. What is no whole TCP packet passes unchanged where a function is for TCP.
- IPv4 and IPv6 alike; translation is of IPv4 alone.
"""

from __future__ import annotations

from dataclasses import replace
from struct import Struct

from dpiprobe.lab import segment
from dpiprobe.lab.segment import ACK, FIN, PSH, RST, SYN, Segment
from dpiprobe.wire.packets import ICMP, ICMPV6

Frames = list[tuple[int, bytes]]  # (time in ns, IP packet), in order of time

_SUM = Struct("!H")
_GRO_GAP = 200_000  # ns between segments that a card puts together: one interrupt's worth (the lab's own number)
_GRO_MOST = 65_000  # bytes of a merged packet, below IP's 65,535


def forward(packet: bytes, hops: int) -> bytes | None:
    """The packet `hops` routers further, None where its TTL ends before (RFC 1624 keeps the checksum right)."""
    if packet[0] >> 4 == 6:
        return segment.decrement_ttl(packet, hops)
    if packet[8] <= hops:
        return None
    total = _SUM.unpack_from(packet, 10)[0] + (hops << 8)
    return packet[:8] + bytes((packet[8] - hops, packet[9])) + _SUM.pack((total & 0xFFFF) + (total >> 16)) + packet[12:]


def with_ttl(packet: bytes, ttl: int) -> bytes:
    """The packet with this TTL or hop limit."""
    if packet[0] >> 4 == 6:
        return segment.with_ttl(packet, ttl)
    total = _SUM.unpack_from(packet, 10)[0] + (packet[8] - ttl << 8)
    return packet[:8] + bytes((ttl, packet[9])) + _SUM.pack((total & 0xFFFF) + (total >> 16)) + packet[12:]


def clamp_mss(packet: bytes, mss: int) -> bytes:
    """A SYN with its MSS option written down to `mss`, as routers in front of tunnels do."""
    seen = segment.parse(packet) if packet[33 if packet[0] >> 4 == 4 else 53] & SYN else None
    if seen is None or not seen.flags & SYN or seen.options[:2] != b"\x02\x04" or int.from_bytes(seen.options[2:4], "big") <= mss:
        return packet
    return segment.build(replace(seen, options=seen.options[:2] + _SUM.pack(mss) + seen.options[4:]))


class Translator:
    """Source address and port of the client, as seen behind a NAT (RFC 3022)."""

    def __init__(self, inside: bytes, outside: bytes) -> None:
        self.inside, self.outside = inside, outside
        self.ports: dict[int, int] = {}
        self.back: dict[int, int] = {}

    def out(self, packet: bytes) -> bytes:
        """On the way to the server."""
        seen = segment.parse(packet)
        if seen is None or seen.source != self.inside:
            return packet
        port = self.ports.setdefault(seen.source_port, 20_000 + len(self.ports))
        self.back[port] = seen.source_port
        return segment.build(replace(seen, source=self.outside, source_port=port))

    def home(self, packet: bytes) -> bytes | None:
        """On the way to the client; None for what nobody asked for."""
        seen = segment.parse(packet)
        if seen is None or seen.destination != self.outside or seen.destination_port not in self.back:
            return None
        return segment.build(replace(seen, destination=self.inside, destination_port=self.back[seen.destination_port]))


def merge(frames: Frames) -> Frames:
    """A capture in which in-order data segments of one direction that follow each other at once are one (Linux: GRO on the way in, GSO on the way out)."""
    out: list[tuple[int, bytes | Segment]] = []
    last: dict[tuple[bytes, int, bytes, int], int] = {}
    for at, packet in frames:
        seen = segment.parse(packet)
        if seen is None:
            out.append((at, packet))
            continue
        key = (seen.source, seen.source_port, seen.destination, seen.destination_port)
        held = last.get(key)
        if seen.payload and not seen.flags & (SYN | FIN | RST) and held is not None:
            before, one = out[held]
            assert isinstance(one, Segment)
            fits = one.end == seen.seq and one.ack == seen.ack and one.ttl == seen.ttl and one.options[:2] == seen.options[:2]
            if fits and at - before < _GRO_GAP and len(one.payload) + len(seen.payload) < _GRO_MOST:
                one.payload += seen.payload
                one.flags |= seen.flags & PSH
                continue
        last.pop(key, None)
        if seen.payload and not seen.flags & (SYN | FIN | RST):
            last[key] = len(out)
        out.append((at, seen))
    return [(at, item if isinstance(item, bytes) else segment.build(item)) for at, item in out]


def unreachable_from(packet: bytes) -> int | None:
    """The source port of the segment that an ICMP destination unreachable quotes (RFC 792, RFC 4443 section 3.1); None for any other packet."""
    six = packet[0] >> 4 == 6
    start = 40 if six else (packet[0] & 15) * 4
    protocol, kind = (packet[6], 1) if six else (packet[9], 3)
    at = start + 8 + (40 if six else 20)
    if protocol != (ICMPV6 if six else ICMP) or len(packet) < at + 4 or packet[start] != kind:
        return None
    return int.from_bytes(packet[at : at + 2], "big")


def no_socket_reset(seen: Segment, ttl: int = 64) -> bytes | None:
    """What a Linux kernel answers to a segment that no socket waits for (RFC 9293 section 3.10.7.1); None to a reset."""
    if seen.flags & RST:
        return None
    flags, seq, ack = (RST, seen.ack, 0) if seen.flags & ACK else (RST | ACK, 0, seen.end)
    return segment.build(Segment(seen.destination, seen.source, seen.destination_port, seen.source_port, seq, ack, flags, 0, ttl=ttl))
