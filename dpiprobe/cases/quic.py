"""QUIC conversations for cases that are built: Initials with a name, sent again as RFC 9002 has it, answered or not.

Rules of this file: times are ms after the capture's start; keys, numbers and ports follow from the tape's seed, so the same steps give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from dpiprobe.cases.build import MS, Tape
from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.quic_initial import build_initial, crypto_frame, initial_keys

PROBES = (0.0, 1000.0, 3000.0, 7000.0)
"""When an unanswered Initial is sent: at once, then after probe timeouts that double (RFC 9002 section 6.2, initial round trip of 333 ms)."""
_PING_AND_ACK = b"\x02\0\0\0\0"  # an ACK frame of packet 0 (RFC 9000 section 19.3): enough for an answer that nobody can read without keys


def conversation(
    tape: Tape, name: str, begin: float, port: int, *, copies: Sequence[float] = PROBES, answered_after: float | None = None,
    client: str = "192.0.2.10", server: str = "198.51.100.20",
) -> None:  # fmt: skip
    """The Initials of one conversation. copies: when, ms after `begin` · answered_after: ms from the last of them to the server's answer"""
    dcid = hashlib.sha256(f"{tape.seed}/{port}".encode()).digest()[:8]
    message = client_hello(name, f"{tape.seed}/{port}".encode())[5:]
    for number, after in enumerate(copies):
        _add(tape, begin + after, (client, port, 64), (server, 443), build_initial(crypto_frame(0, message), dcid, number=number), outgoing=True)
    if answered_after is not None:
        reply = build_initial(_PING_AND_ACK, b"", scid=dcid[::-1], keys=initial_keys(dcid, 1, "server"))
        _add(tape, begin + copies[-1] + answered_after, (server, 443, 52), (client, port), reply, outgoing=False)


def _add(tape: Tape, at: float, source: tuple[str, int, int], target: tuple[str, int], payload: bytes, *, outgoing: bool) -> None:
    from scapy.layers.inet import IP, UDP
    from scapy.packet import Raw

    packet: Any = IP(src=source[0], dst=target[0], ttl=source[2], id=0, flags="DF") / UDP(sport=source[1], dport=target[1]) / Raw(payload)
    tape.add(int(at * MS), packet, outgoing)
