"""One IPv4/TCP packet as the box sees it: taken apart, put together, with every header field free to choose.

Rules of this file:
- Bytes in, bytes out, nothing remembered. What is not a whole, unfragmented IPv4/TCP packet is None; the box forwards that untouched.
- Taken apart here, since a box must keep what the columns of `wire` do not (raw options, reserved bits); put together by `wire.build`.

Layouts: RFC 791 (IPv4), RFC 9293 section 3.1 (TCP).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dpiprobe.wire.build import icmp, ipv4, tcp_packet
from dpiprobe.wire.checksum import internet_checksum

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


@dataclass(slots=True)
class Segment:
    """Addresses are four bytes each; `flags` holds the nine flag bits, `reserved` the three above them; `options` are raw, padded to four."""

    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    window: int = 0
    payload: bytes = b""
    options: bytes = b""
    ttl: int = 64
    ipid: int = 0
    df: bool = True
    tos: int = 0
    reserved: int = 0

    @property
    def length(self) -> int:
        """Sequence space: payload, and one each for SYN and FIN."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def end(self) -> int:
        """The sequence number after this segment."""
        return (self.seq + self.length) & 0xFFFFFFFF


def parse(packet: bytes) -> Segment | None:
    """Take an IPv4/TCP packet apart; None where it is none, or cut, or a fragment."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    start = (packet[0] & 15) * 4
    total, ipid, fragment = struct.unpack_from("!HHH", packet, 2)
    if fragment & 0x3FFF or total > len(packet) or total < start + 20:
        return None
    sport, dport, seq, ack, word, window = struct.unpack_from("!HHIIHH", packet, start)
    header = (word >> 12) * 4
    if header < 20 or start + header > total:
        return None
    return Segment(
        packet[12:16], packet[16:20], sport, dport, seq, ack, word & 0x1FF, window, packet[start + header : total],
        packet[start + 20 : start + header], packet[8], ipid, bool(fragment & 0x4000), packet[1], word >> 9 & 7,
    )


def build(segment: Segment) -> bytes:
    """The packet's bytes, checksums right; numbers are taken modulo the width of their field."""
    return tcp_packet(
        segment.source, segment.destination, segment.source_port, segment.destination_port,
        seq=segment.seq & 0xFFFFFFFF, ack=segment.ack & 0xFFFFFFFF, flags=(segment.reserved & 7) << 9 | segment.flags & 0x1FF,
        window=segment.window & 0xFFFF, options=segment.options, payload=segment.payload,
        ttl=segment.ttl & 0xFF, ip_id=segment.ipid & 0xFFFF, df=segment.df, tos=segment.tos & 0xFF,
    )  # fmt: skip


def decrement_ttl(packet: bytes) -> bytes | None:
    """The packet one hop further, or None where its TTL ends here."""
    if packet[8] <= 1:
        return None
    start = (packet[0] & 15) * 4
    head = packet[:8] + bytes([packet[8] - 1]) + packet[9:10] + b"\0\0" + packet[12:start]
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + packet[start:]


def time_exceeded(packet: bytes, router: bytes) -> bytes:
    """ICMP time exceeded in transit (11/0) from `router` to whoever sent the packet."""
    return icmp_error(router, packet[12:16], 11, 0, packet)


def icmp_error(
    source: bytes, destination: bytes, kind: int, code: int, quoted: bytes, *, ttl: int = 64, ip_id: int = 0, df: bool = False, tos: int = 0
) -> bytes:
    """A whole ICMP error that quotes the IP header and 28 bytes after it, the TCP header of most packets (RFC 1812 section 4.3.2.3: as much as fits)."""
    message = icmp(kind, code, 0, quoted[: (quoted[0] & 15) * 4 + 28])
    return ipv4(source, destination, 1, message, ttl=ttl, ip_id=ip_id, df=df, tos=tos)


def after(one: int, two: int) -> int:
    """How far sequence number `one` lies after `two`, -2**31 .. 2**31-1 (RFC 9293 section 3.4)."""
    return (one - two + 0x80000000 & 0xFFFFFFFF) - 0x80000000
