"""A connection written packet by packet, for the tests of flows and observations: offsets in, frames out."""

from __future__ import annotations

from typing import Any

from dpiprobe.flow.flows import Flows
from dpiprobe.flow.settle import settle
from dpiprobe.tls.craft import client_hello
from dpiprobe.wire.build import address, icmp_error, ip, tcp_options, tcp_packet, udp
from dpiprobe.wire.packets import ACK, FIN, PSH, RST, SYN, UDP, Packets
from dpiprobe.wire.parse import parse_packets

BITS = {"S": SYN, "F": FIN, "R": RST, "A": ACK, "P": PSH}
HELLO = client_hello("blocked.example", b"talk")
SERVER_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76" + bytes(118)
MS = 1_000_000


class Talk:
    """Frames of one capture. `c` and `s` send a packet of the client or server: flags as letters, `seq` and `ack` as stream offsets (0 is
    the first byte after the SYN), one millisecond after the packet before unless `at` (ms) says otherwise."""

    def __init__(self, *, client: str = "192.0.2.10", server: str = "198.51.100.20", port: int = 40000, to: int = 443, isn: int = 1000, their_isn: int = 5000,
                 timestamps: bool = False, tape: Talk | None = None) -> None:  # fmt: skip
        self.client, self.server, self.port, self.to = address(client), address(server), port, to
        self.isn, self.their_isn, self.timestamps = isn, their_isn, timestamps
        self.frames: list[tuple[int, bytes]] = tape.frames if tape else []
        self.clock = tape.clock if tape else 0

    def add(self, frame: bytes, at: float | None = None) -> Talk:
        self.clock = int(at * MS) if at is not None else self.clock + MS
        self.frames.append((self.clock, frame))
        return self

    def c(self, flags: str, payload: bytes = b"", seq: int = 0, ack: int = 0, at: float | None = None, **fields: Any) -> Talk:
        return self.add(self.segment(True, flags, payload, seq, ack, **fields), at)

    def s(self, flags: str, payload: bytes = b"", seq: int = 0, ack: int = 0, at: float | None = None, **fields: Any) -> Talk:
        return self.add(self.segment(False, flags, payload, seq, ack, **fields), at)

    def segment(self, ours: bool, flags: str, payload: bytes = b"", seq: int = 0, ack: int = 0, *, stamps: tuple[int, int] | None = None,
                source: str | None = None, **fields: Any) -> bytes:  # fmt: skip
        own, other = (self.isn, self.their_isn) if ours else (self.their_isn, self.isn)
        ends = ((self.client, self.port), (self.server, self.to))
        (a, p), (b, q) = ends if ours else ends[::-1]
        bits = sum(BITS[f] for f in flags)
        fields.setdefault("seq", (own + (0 if bits & SYN else 1) + seq) & 0xFFFFFFFF)
        fields.setdefault("ack", (other + 1 + ack) & 0xFFFFFFFF if bits & ACK else 0)
        if stamps is None and self.timestamps and not bits & RST:
            stamps = (self.clock // MS + 1 + (10_000 if ours else 20_000), 1)
        fields.setdefault("options", tcp_options(timestamps=stamps) if stamps else b"")
        return tcp_packet(address(source) if source else a, b, p, q, flags=bits, payload=payload, **fields)

    def datagram(self, ours: bool, payload: bytes, at: float | None = None) -> Talk:
        ends = ((self.client, self.port), (self.server, self.to))
        (a, p), (b, q) = ends if ours else ends[::-1]
        return self.add(ip(a, b, UDP, udp(a, b, p, q, payload)), at)

    def error(self, kind: int, code: int, quoted: bytes, router: str = "203.0.113.1", at: float | None = None, quote_length: int = 28) -> Talk:
        return self.add(icmp_error(address(router), self.client, kind, code, quoted, quote_length=quote_length), at)

    def shake(self) -> Talk:
        return self.c("S").s("SA", at=self.clock / MS + 50).c("A")

    def hello(self, payload: bytes = HELLO) -> Talk:
        return self.c("PA", payload)

    def packets(self) -> Packets:
        ordered = sorted(self.frames, key=lambda f: f[0])
        return parse_packets([f for _, f in ordered], [t for t, _ in ordered])

    def flows(self) -> Flows:
        return settle(self.packets())


def numbers(flows: Flows, slots: Any) -> list[int]:
    """Packet numbers of slots, -1 kept."""
    return [flows.number(int(s)) if s >= 0 else -1 for s in slots]
