"""A hello as a capture: the TCP conversation around its segments, so that any dissector can be asked what it reads.

Alone responsible for that conversation: handshake, the segments in their order and at their times, the server's acknowledgements.

Rules of this file:
- Addresses are of the documentation blocks (RFC 5737), times start at a fixed moment: the same sending gives the same file.
- Segments longer than 1460 bytes go in several packets, as a kernel would send them; the others as they are. A decoy has a TTL of 3.
"""

from __future__ import annotations

from typing import BinaryIO

from dpiprobe.capture.write import PcapWriter
from dpiprobe.tls.sending import Sending
from dpiprobe.wire.build import address, ethernet, ipv4, tcp, tcp_options
from dpiprobe.wire.packets import ACK, PSH, SYN, TCP, URG

START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z in ns
CLIENT, SERVER = "192.0.2.10", "198.51.100.20"
CLIENT_PORT, SERVER_PORT = 40_000, 443
MSS = 1460
_CLIENT_MAC, _SERVER_MAC = bytes.fromhex("00005e005301"), bytes.fromhex("00005e005302")  # RFC 7042 section 2.1.1
_CLIENT_ISN, _SERVER_ISN = 1_000_000, 5_000_000
_TTL, _DECOY_TTL = 64, 3
_ETHERNET = 1
_TRIP, _STEP = 20_000_000, 20_000  # ns: round trip, between two packets of one side


class _Talk:
    """The packets so far; `now` in ns."""

    def __init__(self, file: BinaryIO, port: int) -> None:
        self.now = START
        self.port = port
        self._writer = PcapWriter(file, _ETHERNET)
        self._ids = 1

    def client(self, seq: int, flags: int, payload: bytes = b"", *, options: bytes = b"", ttl: int = _TTL, urgent: int = 0, ack: int = 1) -> None:
        self._packet(CLIENT, SERVER, self.port, SERVER_PORT, _CLIENT_ISN + seq, _SERVER_ISN + ack, flags, payload, options, ttl, urgent)

    def server(self, flags: int, ack: int, *, options: bytes = b"", seq: int = 1) -> None:
        self._packet(SERVER, CLIENT, SERVER_PORT, self.port, _SERVER_ISN + seq, _CLIENT_ISN + ack, flags, b"", options, _TTL, 0)

    def _packet(
        self, source: str, target: str, sport: int, dport: int, seq: int, ack: int, flags: int, payload: bytes, options: bytes, ttl: int, urgent: int
    ) -> None:
        a, b = address(source), address(target)
        segment = tcp(
            a, b, sport, dport, seq=seq & 0xFFFFFFFF, ack=ack if flags & ACK else 0, flags=flags, window=64240, options=options, payload=payload,
            urgent=urgent,
        )  # fmt: skip
        here, there = (_CLIENT_MAC, _SERVER_MAC) if source == CLIENT else (_SERVER_MAC, _CLIENT_MAC)
        self._writer.packet(self.now, ethernet(ipv4(a, b, TCP, segment, ttl=ttl, ip_id=self._ids & 0xFFFF), source=here, destination=there))
        self._ids += 1
        self.now += _STEP


def write_hello_capture(file: BinaryIO, sendings: list[Sending]) -> None:
    """One connection a sending, one after the other."""
    talk: _Talk | None = None
    for n, sending in enumerate(sendings):
        if talk is None:
            talk = _Talk(file, CLIENT_PORT)
        else:
            talk.now, talk.port = talk.now + _TRIP, CLIENT_PORT + n
        _one(talk, sending)


def _one(talk: _Talk, sending: Sending) -> None:
    options = tcp_options(mss=MSS, sack_ok=True, window_scale=7)
    talk.client(0, SYN, options=options)
    talk.now += _TRIP
    talk.server(SYN | ACK, 1, options=options, seq=0)
    talk.client(1, ACK)
    for segment in sending.segments:
        talk.now += round(segment.delay * 1_000_000_000)
        if segment.await_ack:
            talk.now += _TRIP
            talk.server(ACK, 1 + segment.offset)
        for at in range(0, max(len(segment.data), 1), MSS):
            piece = segment.data[at : at + MSS]
            last = at + MSS >= len(segment.data)
            flags = ACK | (PSH if last else 0) | (URG if segment.urgent and last else 0)
            talk.client(
                1 + segment.offset + at, flags, piece, ttl=_DECOY_TTL if segment.decoy else _TTL, urgent=len(piece) if segment.urgent and last else 0
            )
    talk.now += _TRIP
    talk.server(ACK, 1 + max((s.offset + len(s.data) for s in sending.segments if not s.decoy), default=0))
