"""ICMP and ICMPv6 errors that quote a packet, for cases that are built.

Rules of this file: types and codes are the caller's (RFC 792, RFC 4443); scapy does the checksums.
"""

from __future__ import annotations

from typing import Any

QUOTED = 548
"""Bytes quoted at most: what leaves an IPv4 error within 576 bytes (RFC 1812 section 4.3.2.3)."""


def error(kind: int, code: int, *, source: str, target: str, quoted: bytes, ttl: int) -> Any:
    """The scapy packet of an error from `source` to `target` about the IP packet `quoted`."""
    from scapy.packet import Raw

    if ":" in target:
        from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6

        layers = {1: ICMPv6DestUnreach, 2: ICMPv6PacketTooBig, 3: ICMPv6TimeExceeded}
        return IPv6(src=source, dst=target, hlim=ttl) / layers[kind](code=code) / Raw(quoted)
    from scapy.layers.inet import ICMP, IP

    return IP(src=source, dst=target, ttl=ttl, id=0, flags=0) / ICMP(type=kind, code=code) / Raw(quoted)
