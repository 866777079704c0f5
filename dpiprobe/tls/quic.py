"""QUIC long headers, read without keys.

Alone responsible for recognising a QUIC packet from its invariants (RFC 8999) and the version-specific long header of v1 (RFC 9000
section 17.2), v2 (RFC 9369 section 3.2: other type numbers) and the IETF drafts. Decryption of Initials is in quic_initial.py.

Rules of this file: never raises; None means "this is not a QUIC long-header packet as far as can be seen".
"""

from __future__ import annotations

from dataclasses import dataclass

from dpiprobe.errors import UsageError

V1, V2 = 0x00000001, 0x6B3343CF  # RFC 9000 section 15, RFC 9369 section 3.1
NEGOTIATION = 0  # RFC 8999 section 6

INITIAL, ZERO_RTT, HANDSHAKE, RETRY, VERSION_NEGOTIATION, UNKNOWN = (
    "initial",
    "0rtt",
    "handshake",
    "retry",
    "version_negotiation",
    "unknown",
)

_TYPES_V1 = (INITIAL, ZERO_RTT, HANDSHAKE, RETRY)  # RFC 9000 table 5
_TYPES_V2 = (RETRY, INITIAL, ZERO_RTT, HANDSHAKE)  # RFC 9369 section 3.2
MAX_CONNECTION_ID = 20  # RFC 9000 section 17.2, v1 and v2; version negotiation may quote longer ones


@dataclass(frozen=True, slots=True)
class LongHeader:
    """One long-header packet in a datagram.

    start, end: its bytes in the datagram (end is the datagram's where the length is unknown or overruns) · cut: it declares more than is there
    token, packet_number_offset: of Initials (None else) · versions: what a Version Negotiation packet offers
    """

    type: str
    version: int
    dcid: bytes
    scid: bytes
    start: int
    end: int
    cut: bool = False
    token: bytes | None = None
    packet_number_offset: int | None = None
    versions: tuple[int, ...] = ()


def read_packets(datagram: bytes) -> tuple[LongHeader, ...]:
    """The coalesced long-header packets of a datagram (RFC 9000 section 12.2), up to the first thing that is none."""
    found: list[LongHeader] = []
    offset = 0
    while offset < len(datagram):
        header = read_long_header(datagram, offset)
        if header is None:
            break
        found.append(header)
        offset = header.end
    return tuple(found)


def read_long_header(datagram: bytes, offset: int = 0) -> LongHeader | None:
    """The long header at `offset`, or None."""
    size = len(datagram)
    if size < offset + 7 or not datagram[offset] & 0x80:
        return None
    first, version = datagram[offset], int.from_bytes(datagram[offset + 1 : offset + 5], "big")
    known = _types(version)
    if (version != NEGOTIATION and not first & 0x40) or (known is None and version != NEGOTIATION and not _is_grease(version)):
        return None  # the fixed bit (RFC 9000 section 17.2); a version nobody has heard of
    at = offset + 6 + datagram[offset + 5]
    dcid = datagram[offset + 6 : at]
    if at >= size:
        return None
    scid_end = at + 1 + datagram[at]
    scid = datagram[at + 1 : scid_end]
    if scid_end > size or (known is not None and (len(dcid) > MAX_CONNECTION_ID or len(scid) > MAX_CONNECTION_ID)):
        return None
    if version == NEGOTIATION:
        rest = datagram[scid_end:]
        versions = tuple([int.from_bytes(rest[i : i + 4], "big") for i in range(0, len(rest) - 3, 4)])
        return LongHeader(VERSION_NEGOTIATION, version, dcid, scid, offset, size, versions=versions) if versions else None
    kind = UNKNOWN if known is None else known[first >> 4 & 3]
    if kind in (UNKNOWN, RETRY):
        return LongHeader(kind, version, dcid, scid, offset, size)
    token: bytes | None = None
    at = scid_end
    if kind == INITIAL:
        length = read_varint(datagram, at)
        if length is None or length[1] + length[0] > size:
            return LongHeader(kind, version, dcid, scid, offset, size, cut=True)
        token, at = datagram[length[1] : length[1] + length[0]], length[1] + length[0]
    remaining = read_varint(datagram, at)
    if remaining is None:
        return LongHeader(kind, version, dcid, scid, offset, size, cut=True, token=token)
    end = remaining[1] + remaining[0]
    return LongHeader(kind, version, dcid, scid, offset, min(end, size), end > size, token, remaining[1])


def read_varint(data: bytes, offset: int) -> tuple[int, int] | None:
    """A variable-length integer (RFC 9000 section 16) and the offset behind it; None where it is cut."""
    if offset >= len(data):
        return None
    end = offset + (1 << (data[offset] >> 6))
    if end > len(data):
        return None
    return int.from_bytes(data[offset:end], "big") & (1 << (8 * (end - offset) - 2)) - 1, end


def write_varint(value: int, width: int = 1) -> bytes:
    """The shortest variable-length integer of at least `width` bytes (RFC 9000 section 16: it need not be the shortest)."""
    for bits, size in ((6, 1), (14, 2), (30, 4), (62, 8)):
        if 0 <= value < 1 << bits and size >= width:
            return (value | (size.bit_length() - 1) << (8 * size - 2)).to_bytes(size, "big")
    raise UsageError(f"{value} does not fit into a QUIC integer; use at most 2^62 - 1")


def initial_type_bits(version: int) -> int:
    """The two type bits of an Initial in this version."""
    return (_types(version) or _TYPES_V1).index(INITIAL)


def _types(version: int) -> tuple[str, ...] | None:
    if version == V2:
        return _TYPES_V2
    return _TYPES_V1 if version == V1 or version >> 8 == 0xFF0000 else None  # 0xff0000NN: draft NN


def _is_grease(version: int) -> bool:
    return version & 0x0F0F0F0F == 0x0A0A0A0A  # RFC 9000 section 15
