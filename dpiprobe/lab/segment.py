"""One TCP packet over IPv4 or IPv6 as the box sees it: taken apart, put together, with every header field free to choose.

Rules of this file:
- Bytes in, bytes out, nothing remembered. What is not a whole, unfragmented TCP packet (in IPv6: right behind the header) is None;
  the box forwards that untouched. In IPv6 `ttl` is the hop limit, `tos` the traffic class; IP ID and DF are 0 and true.
- Taken apart here, since a box must keep what the columns of `wire` do not (raw options, reserved bits); put together by `wire.build`.

Layouts: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 section 3.1 (TCP).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dpiprobe.wire.build import icmp, icmpv6, ipv4, ipv6, tcp_packet
from dpiprobe.wire.checksum import internet_checksum

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


@dataclass(slots=True)
class Segment:
    """Addresses are four or sixteen bytes each; `flags` holds the nine flag bits, `reserved` the three above them; `options` are raw, padded to four."""

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
    """Take a TCP packet apart; None where it is none, or cut, or a fragment."""
    if len(packet) < 40:
        return None
    if packet[0] >> 4 == 4:
        start = (packet[0] & 15) * 4
        total, ipid, fragment = struct.unpack_from("!HHH", packet, 2)
        if packet[9] != 6 or fragment & 0x3FFF:
            return None
        source, destination, ttl, df, tos = packet[12:16], packet[16:20], packet[8], bool(fragment & 0x4000), packet[1]
    else:
        start, total, ipid, df = 40, 40 + int.from_bytes(packet[4:6], "big"), 0, True
        if packet[0] >> 4 != 6 or packet[6] != 6:
            return None
        source, destination, ttl, tos = packet[8:24], packet[24:40], packet[7], int.from_bytes(packet[:2], "big") >> 4 & 0xFF
    if total > len(packet) or total < start + 20:
        return None
    sport, dport, seq, ack, word, window = struct.unpack_from("!HHIIHH", packet, start)
    header = (word >> 12) * 4
    if header < 20 or start + header > total:
        return None
    return Segment(
        source, destination, sport, dport, seq, ack, word & 0x1FF, window, packet[start + header : total],
        packet[start + 20 : start + header], ttl, ipid, df, tos, word >> 9 & 7,
    )  # fmt: skip


def build(segment: Segment) -> bytes:
    """The packet's bytes, checksums right; numbers are taken modulo the width of their field."""
    return tcp_packet(
        segment.source, segment.destination, segment.source_port, segment.destination_port,
        seq=segment.seq & 0xFFFFFFFF, ack=segment.ack & 0xFFFFFFFF, flags=(segment.reserved & 7) << 9 | segment.flags & 0x1FF,
        window=segment.window & 0xFFFF, options=segment.options, payload=segment.payload,
        ttl=segment.ttl & 0xFF, ip_id=segment.ipid & 0xFFFF, df=segment.df, tos=segment.tos & 0xFF,
    )  # fmt: skip


def decrement_ttl(packet: bytes, hops: int = 1) -> bytes | None:
    """The packet `hops` hops further, or None where its TTL ends before."""
    if packet[0] >> 4 == 6:
        return None if packet[7] <= hops else with_ttl(packet, packet[7] - hops)
    return None if packet[8] <= hops else with_ttl(packet, packet[8] - hops)


def with_ttl(packet: bytes, ttl: int) -> bytes:
    """The packet with this TTL or hop limit."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([ttl]) + packet[8:]
    start = (packet[0] & 15) * 4
    head = packet[:8] + bytes([ttl]) + packet[9:10] + b"\0\0" + packet[12:start]
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + packet[start:]


def destination(packet: bytes) -> bytes:
    """Where an IP packet goes, four or sixteen bytes."""
    return packet[16:20] if packet[0] >> 4 == 4 else packet[24:40]


def may_be_answered(packet: bytes) -> bool:
    """Never an error about an error (RFC 1122 section 3.2.2, RFC 4443 section 2.4)."""
    if packet[0] >> 4 == 4:
        return packet[9] != 1 or packet[(packet[0] & 15) * 4] in (0, 8, 13)
    return packet[6] != 58 or packet[40] >= 128


def time_exceeded(packet: bytes, router: bytes) -> bytes:
    """ICMP time exceeded in transit (11/0; ICMPv6 3/0) from `router` to whoever sent the packet."""
    return icmp_error(router, packet[12:16] if packet[0] >> 4 == 4 else packet[8:24], 11, 0, packet)


# What an ICMP error is in ICMPv6 (RFC 4443 sections 3.1 and 3.3; prohibitions of all kinds are 1/1)
_IN_ICMPV6 = {(3, 0): (1, 0), (3, 1): (1, 3), (3, 3): (1, 4), (3, 9): (1, 1), (3, 10): (1, 1), (3, 13): (1, 1), (11, 0): (3, 0)}


def icmp_error(
    source: bytes, destination: bytes, kind: int, code: int, quoted: bytes, *, ttl: int = 64, ip_id: int = 0, df: bool = False, tos: int = 0
) -> bytes:
    """A whole ICMP error that quotes the IP header and 28 bytes after it, the TCP header of most packets (RFC 1812 section 4.3.2.3: as much as fits).

    Between IPv6 addresses it is the ICMPv6 error that means the same, and quotes as much as fits 1280 bytes (RFC 4443 section 2.4).
    """
    if len(source) == 16:
        message = icmpv6(source, destination, *_IN_ICMPV6.get((kind, code), (1, 0)), 0, quoted[:1232])
        return ipv6(source, destination, 58, message, hop_limit=ttl, traffic_class=tos)
    message = icmp(kind, code, 0, quoted[: (quoted[0] & 15) * 4 + 28])
    return ipv4(source, destination, 1, message, ttl=ttl, ip_id=ip_id, df=df, tos=tos)


def after(one: int, two: int) -> int:
    """How far sequence number `one` lies after `two`, -2**31 .. 2**31-1 (RFC 9293 section 3.4)."""
    return (one - two + 0x80000000 & 0xFFFFFFFF) - 0x80000000
