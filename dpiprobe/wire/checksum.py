"""The internet checksum (RFC 1071) and the pseudo headers that TCP, UDP and ICMPv6 add to it.

Rules of this file:
- Sums are taken as one long number modulo 65,535, which is what adding 16-bit words with end-around carry comes to.
- A checksum is what goes into the field; verifying is summing with the field in place and getting 0.
"""

from __future__ import annotations

from struct import pack


def internet_checksum(data: bytes) -> int:
    """The 16-bit ones' complement of the ones' complement sum of `data`, an odd last byte padded with zero (RFC 1071)."""
    number = int.from_bytes(data) << 8 if len(data) & 1 else int.from_bytes(data)
    if not number:
        return 0xFFFF
    return 0xFFFF - (number % 0xFFFF or 0xFFFF)


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """RFC 9293 section 3.1 for 4-byte addresses, RFC 8200 section 8.1 for 16-byte ones; `length` of the transport header and data."""
    if len(source) == 4:
        return source + destination + pack(">BBH", 0, protocol, length & 0xFFFF)
    return source + destination + pack(">II", length, protocol)


def transport_checksum(source: bytes, destination: bytes, protocol: int, segment: bytes) -> int:
    """The checksum of a TCP, UDP or ICMPv6 segment whose checksum field is zero; 0 when the field already holds the right one."""
    return internet_checksum(pseudo_header(source, destination, protocol, len(segment)) + segment)
