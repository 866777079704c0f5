"""Packets from fields: IPv4, IPv6, TCP, UDP, ICMP and Ethernet, with every header field free.

Rules of this file:
- Plain functions and struct, no objects: the raw prober, the lab's boxes and the tests' builders all send what these give.
- A field that is not given is the right one (length, checksum); a field that is given is sent as it is, be it wrong.
- Addresses are packed bytes, 4 or 16 of them; `address` makes them from text.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from struct import Struct, pack

from dpiprobe.wire.checksum import internet_checksum, transport_checksum
from dpiprobe.wire.packets import ACK, ICMP, ICMPV6, TCP, UDP

_IPV4 = Struct(">BBHHHBBH4s4s")
_IPV6 = Struct(">IHBB16s16s")
_TCP = Struct(">HHIIHHHH")
_FIELD = Struct(">H")


@lru_cache(maxsize=65536)
def address(text: str) -> bytes:
    """`192.0.2.1` or `2001:db8::1` as 4 or 16 bytes. Raises ValueError for anything else."""
    return ip_address(text).packed


def ipv4(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    ip_id: int = 0,
    df: bool = True,
    mf: bool = False,
    reserved: bool = False,
    fragment_offset: int = 0,
    tos: int = 0,
    options: bytes = b"",
    version: int = 4,
    header_length: int | None = None,
    total_length: int | None = None,
    checksum: int | None = None,
) -> bytes:
    """An IPv4 datagram (RFC 791). `fragment_offset` in units of 8 bytes; `options` are padded with zeros to whole words; `header_length` in words."""
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if header_length is None else header_length
    total = 20 + len(options) + len(payload) if total_length is None else total_length
    place = (reserved << 15) | (df << 14) | (mf << 13) | fragment_offset
    head = _IPV4.pack((version << 4) | words, tos, total, ip_id, place, ttl, protocol, checksum or 0, source, destination) + options
    if checksum is None:
        head = head[:10] + _FIELD.pack(internet_checksum(head)) + head[12:]
    return head + payload


def ipv6(
    source: bytes,
    destination: bytes,
    next_header: int,
    payload: bytes,
    *,
    hop_limit: int = 64,
    traffic_class: int = 0,
    flow_label: int = 0,
    extensions: tuple[tuple[int, bytes], ...] = (),
    version: int = 6,
    payload_length: int | None = None,
) -> bytes:
    """An IPv6 datagram (RFC 8200). `extensions` are (type, bytes after the next-header byte), in order, before `next_header`."""
    kinds = [kind for kind, _ in extensions] + [next_header]
    chain = b"".join(bytes((kinds[i + 1],)) + body for i, (_, body) in enumerate(extensions))
    length = len(chain) + len(payload) if payload_length is None else payload_length
    return _IPV6.pack((version << 28) | (traffic_class << 20) | flow_label, length, kinds[0], hop_limit, source, destination) + chain + payload


def ipv6_fragment(offset: int, more: bool, identification: int) -> tuple[int, bytes]:
    """A fragment header (RFC 8200 section 4.5) as one of `extensions`; `offset` in units of 8 bytes."""
    return 44, b"\0" + pack(">HI", (offset << 3) | more, identification)


def tcp(
    source: bytes,
    destination: bytes,
    source_port: int,
    destination_port: int,
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = ACK,
    window: int = 65535,
    urgent: int = 0,
    options: bytes = b"",
    payload: bytes = b"",
    header_length: int | None = None,
    checksum: int | None = None,
) -> bytes:
    """A TCP segment (RFC 9293). `flags` are all twelve bits; `options` are padded with zeros to whole words; `header_length` in words."""
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if header_length is None else header_length
    place = ((words & 15) << 12) | flags
    segment = _TCP.pack(source_port, destination_port, seq, ack, place, window, checksum or 0, urgent) + options + payload
    if checksum is None:
        return segment[:16] + _FIELD.pack(transport_checksum(source, destination, TCP, segment)) + segment[18:]
    return segment


def tcp_options(
    *,
    mss: int | None = None,
    window_scale: int | None = None,
    sack_ok: bool = False,
    timestamps: tuple[int, int] | None = None,
    sack: tuple[tuple[int, int], ...] = (),
    fast_open: bytes | None = None,
) -> bytes:
    """TCP options in the order and with the padding that Linux uses (net/ipv4/tcp_output.c, tcp_options_write)."""
    parts = []
    if mss is not None:
        parts.append(pack(">BBH", 2, 4, mss))
    if timestamps is not None:
        parts.append((b"\x04\x02" if sack_ok else b"\x01\x01") + pack(">BBII", 8, 10, *timestamps))
    elif sack_ok:
        parts.append(b"\x01\x01\x04\x02")
    if window_scale is not None:
        parts.append(pack(">BBBB", 1, 3, 3, window_scale))
    if sack:
        parts.append(b"\x01\x01" + bytes((5, 2 + 8 * len(sack))) + b"".join(pack(">II", *block) for block in sack))
    if fast_open is not None:
        parts.append(bytes((34, 2 + len(fast_open))) + fast_open + b"\x01" * (-(2 + len(fast_open)) % 4))
    return b"".join(parts)


def udp(
    source: bytes,
    destination: bytes,
    source_port: int,
    destination_port: int,
    payload: bytes = b"",
    *,
    length: int | None = None,
    checksum: int | None = None,
) -> bytes:
    """A UDP datagram (RFC 768)."""
    head = pack(">HHHH", source_port, destination_port, 8 + len(payload) if length is None else length, checksum or 0)
    if checksum is None:
        return head[:6] + _FIELD.pack(transport_checksum(source, destination, UDP, head + payload) or 0xFFFF) + payload
    return head + payload


def icmp(kind: int, code: int, rest: int = 0, payload: bytes = b"", *, checksum: int | None = None) -> bytes:
    """An ICMP message (RFC 792). `rest` are the second four bytes; `payload` is what is quoted, or echoed."""
    message = pack(">BBHI", kind, code, checksum or 0, rest) + payload
    return message if checksum is not None else message[:2] + _FIELD.pack(internet_checksum(message)) + message[4:]


def icmpv6(source: bytes, destination: bytes, kind: int, code: int, rest: int = 0, payload: bytes = b"", *, checksum: int | None = None) -> bytes:
    """An ICMPv6 message (RFC 4443); its checksum covers the addresses."""
    message = pack(">BBHI", kind, code, checksum or 0, rest) + payload
    if checksum is not None:
        return message
    return message[:2] + _FIELD.pack(transport_checksum(source, destination, ICMPV6, message)) + message[4:]


def ip(source: bytes, destination: bytes, protocol: int, payload: bytes, *, ttl: int = 64, ip_id: int = 0, df: bool = True, tos: int = 0) -> bytes:
    """An IPv4 or IPv6 datagram, as the addresses are; `ip_id` and `df` mean nothing in IPv6."""
    if len(source) == 4:
        return ipv4(source, destination, protocol, payload, ttl=ttl, ip_id=ip_id, df=df, tos=tos)
    return ipv6(source, destination, protocol, payload, hop_limit=ttl, traffic_class=tos)


def tcp_packet(
    source: bytes,
    destination: bytes,
    source_port: int,
    destination_port: int,
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = ACK,
    window: int = 65535,
    urgent: int = 0,
    options: bytes = b"",
    payload: bytes = b"",
    ttl: int = 64,
    ip_id: int = 0,
    df: bool = True,
    tos: int = 0,
) -> bytes:
    """A whole TCP packet over IPv4 or IPv6, as the addresses are."""
    segment = tcp(
        source, destination, source_port, destination_port, seq=seq, ack=ack, flags=flags, window=window, urgent=urgent, options=options, payload=payload
    )
    return ip(source, destination, TCP, segment, ttl=ttl, ip_id=ip_id, df=df, tos=tos)


def icmp_error(
    source: bytes, destination: bytes, kind: int, code: int, quoted: bytes, *, rest: int = 0, ttl: int = 64, ip_id: int = 0, quote_length: int = 28
) -> bytes:
    """A whole ICMP or ICMPv6 error that quotes the first `quote_length` bytes of a packet (RFC 792: header and 8 bytes)."""
    quote = quoted[:quote_length]
    if len(source) == 4:
        return ipv4(source, destination, ICMP, icmp(kind, code, rest, quote), ttl=ttl, ip_id=ip_id, df=False)
    return ipv6(source, destination, ICMPV6, icmpv6(source, destination, kind, code, rest, quote), hop_limit=ttl)


def ethernet(
    payload: bytes,
    *,
    source: bytes = b"\x02\0\0\0\0\x01",
    destination: bytes = b"\x02\0\0\0\0\x02",
    ethertype: int | None = None,
    vlans: tuple[tuple[int, int], ...] = (),
    pad: bool = False,
) -> bytes:
    """An Ethernet II frame. `ethertype` follows the IP version where not given; `vlans` are (tag protocol, tag control), outermost first;
    `pad` fills up to the 60 bytes of the shortest frame (IEEE 802.3)."""
    if ethertype is None:
        ethertype = 0x86DD if payload[:1] and payload[0] >> 4 == 6 else 0x0800
    frame = destination + source + b"".join(pack(">HH", *tag) for tag in vlans) + _FIELD.pack(ethertype) + payload
    return frame + bytes(60 - len(frame)) if pad and len(frame) < 60 else frame


def fragments(datagram: bytes, size: int) -> list[bytes]:
    """An IPv4 datagram without options cut into fragments of `size` payload bytes (a multiple of 8) each."""
    head, body = datagram[:20], datagram[20:]
    fields = _IPV4.unpack(head)
    return [
        ipv4(
            fields[8], fields[9], fields[6], body[at : at + size], ttl=fields[5], ip_id=fields[3], df=False, mf=at + size < len(body),
            fragment_offset=at // 8, tos=fields[1],
        )
        for at in range(0, len(body), size)
    ]  # fmt: skip
