"""Conversations for the tests of this folder: quick to build, every field free, judged through `explain`.

    scene = Scene()
    scene.works("fine.example", at=0)
    talk = scene.talk("odd.example", at=1000)
    talk.handshake().hello().acknowledge().them("RA")
    assert talk.verdict == "down"

Rules of this file:
- The capture point is `point` of the way from the client (0: at the client, 1: at the server). Times are ms from the capture's start.
- The true server keeps books as Linux does: SYN/ACK with ID 0, one IP ID counter a connection, timestamps on everything but bare resets.
- Nothing is random; whoever wants variety passes it in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from hashlib import shake_256
from itertools import pairwise
from typing import Any, Self

from dpiprobe.capture.model import Capture
from dpiprobe.explain import Explanation, explain
from dpiprobe.plan.plan import Plan
from dpiprobe.signature.database import Database, load
from dpiprobe.tls.craft import client_hello
from dpiprobe.verdict.model import Judgement
from dpiprobe.wire.build import address, icmp_error, ip, tcp_options, tcp_packet, udp
from dpiprobe.wire.parse import parse_packets

BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}
CLIENT, SERVER, ROUTER = "192.0.2.10", "198.51.100.20", "203.0.113.1"
CLIENT6, SERVER6, ROUTER6 = "2001:db8::10", "2001:db8:1::20", "2001:db8:2::1"
MSS = 1448
START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z in ns


@cache
def database() -> Database:
    """The signatures that come with the program."""
    return load()


@cache
def hello_bytes(name: str | None, long: bool = False, length: int | None = None) -> bytes:
    """A ClientHello; `long`: one with a post-quantum share, longer than a segment."""
    return client_hello(name, b"tests", post_quantum=long, length=length)


def record(size: int, seed: str = "record") -> bytes:
    """One encrypted record of `size` bytes, header included."""
    return b"\x17\x03\x03" + (size - 5).to_bytes(2, "big") + shake_256(seed.encode()).digest(size - 5)


def server_hello(seed: str = "server", retry: bool = False) -> bytes:
    """A TLS 1.3 ServerHello, or a HelloRetryRequest (RFC 8446 section 4.1.4)."""
    noise = (
        bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c") if retry else shake_256(seed.encode()).digest(32)
    )
    extensions = bytes.fromhex("002b00020304") + (bytes.fromhex("003300020017") if retry else bytes.fromhex("00330024001d0020") + noise)
    body = b"\x03\x03" + noise + b"\x00" + bytes.fromhex("130100") + len(extensions).to_bytes(2, "big") + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message + bytes.fromhex("140303000101")


def flight(size: int, seed: str = "server") -> bytes:
    """ServerHello and encrypted records, `size` bytes in all."""
    head = server_hello(seed)
    return head + record(max(size - len(head), 64), seed)


def alert(description: int) -> bytes:
    """A plaintext fatal alert."""
    return bytes((0x15, 3, 3, 0, 2, 2, description))


PAGE = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><title>Blocked</title></html>"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: http://notice.example/\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Side:
    """Books of one endpoint."""

    address: str
    port: int
    ttl: int
    next: int
    ipid: int
    clock: int
    echo: int = 0
    counts: bool = True


@dataclass
class Scene:
    """All packets of one capture. v6: addresses of version 6 · point: where on the way the capture was made · quoted: what `explain` is given."""

    v6: bool = False
    point: float = 0.0
    frames: list[tuple[int, int, bytes]] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)

    def talk(self, name: str | None = "odd.example", at: float = 0, **settings: Any) -> Talk:
        """A new connection whose SYN leaves at `at` ms."""
        settings.setdefault("port", 40000 + 7 * len(self.talks))
        talk = Talk(self, name, at, **settings)
        self.talks.append(talk)
        return talk

    def works(self, name: str = "fine.example", at: float = 0, size: int = 3000, **settings: Any) -> Talk:
        """A connection that works from handshake to close."""
        return self.talk(name, at, **settings).handshake().hello().acknowledge().answer(size).request().response().close()

    def add(self, when: float, packet: bytes) -> None:
        """One IP packet seen at `when` ms."""
        self.frames.append((START + int(when * 1_000_000), len(self.frames), packet))

    def ordered(self) -> list[tuple[int, bytes]]:
        """(ns, packet) in capture order."""
        return [(t, packet) for t, _, packet in sorted(self.frames, key=lambda f: f[:2])]

    def capture(self) -> Capture:
        """The capture of everything said so far."""
        return captured(self.ordered())

    def explain(self, *, controls: Collection[str] = (), plan: Plan | None = None) -> Explanation:
        """Judge it."""
        return explain(self.capture(), database=database(), controls=controls, plan=plan)

    def verdicts(self, **options: Any) -> list[str]:
        """The verdict of every flow."""
        return [j.verdict for j in self.explain(**options).judgements]

    def accusations(self, **options: Any) -> list[str]:
        """What was said of flows that are held to be interfered with: empty for innocents."""
        return [
            f"flow {j.flow + 1} {j.verdict} {j.technique} ({j.outcome}): {'; '.join(j.reasons)}"
            for j in self.explain(**options).judgements
            if j.verdict in ("blocked", "contested")
        ]


def captured(frames: Iterable[tuple[int, bytes]]) -> Capture:
    """A capture of (ns, packet) in the given order."""
    rows = list(frames)
    return Capture(name="scene.pcap", sha256="0" * 64, packets=parse_packets([p for _, p in rows], [t for t, _ in rows]), frames=len(rows))


class Talk:
    """One connection. Steps return it, so that they can be chained; `now` is the time at the client, in ms."""

    def __init__(
        self, scene: Scene, name: str | None, at: float, *, port: int = 40000, server_port: int = 443, rtt: float = 50.0, hops: int = 12,
        timestamps: bool = True, long: bool = False, segments: int | None = None, server: str | None = None, client: str | None = None,
        length: int | None = None, ipids: bool = True, jitter: float = 0.0,
    ) -> None:  # fmt: skip
        self.scene, self.name, self.now, self.rtt, self.timestamps = scene, name, at, rtt, timestamps
        self.hello_data = hello_bytes(name, long, length)
        self.pieces = segments if segments is not None else (2 if long else 1)
        seed = shake_256(f"{port}".encode()).digest(16)
        self.us = Side(client or (CLIENT6 if scene.v6 else CLIENT), port, 64, int.from_bytes(seed[:4], "big"), seed[12] << 6, 100_000)
        self.server = Side(
            server or (SERVER6 if scene.v6 else SERVER),
            server_port,
            64 - hops,
            int.from_bytes(seed[4:8], "big"),
            seed[13] << 6,
            777_000,
            counts=ipids,
        )
        self.gone = False
        self.jitter = jitter
        self.hello_seq = 0
        self.isn: int | None = None
        self.hello_packets: list[bytes] = []

    # -- judged

    @property
    def judged(self) -> Judgement:
        """What `explain` says of this connection (no designated controls)."""
        return self.judgement(self.scene.explain())

    def judgement(self, explanation: Explanation) -> Judgement:
        """What an explanation says of this connection's first flow."""
        flows = explanation.flows
        for f in range(len(flows)):
            if int(flows.client_port[f]) == self.us.port:
                return explanation.judgements[f]
        raise AssertionError("no such flow")

    @property
    def verdict(self) -> str:
        """The verdict alone."""
        return self.judged.verdict

    # -- packets

    def wait(self, ms: float) -> Self:
        """Time passes."""
        self.now += ms
        return self

    def stamp(self, side: Side) -> tuple[int, int]:
        return (side.clock + int(self.now)) & 0xFFFFFFFF, side.echo

    def options(self, side: Side, flags: str) -> bytes:
        if "S" in flags:
            return tcp_options(mss=1460, sack_ok=True, timestamps=self.stamp(side) if self.timestamps else None, window_scale=7)
        return tcp_options(timestamps=self.stamp(side)) if self.timestamps else b""

    def send(
        self, side: Side, flags: str, payload: bytes = b"", *, seq: int | None = None, ack: int | None = None, window: int = 502,
        options: bytes | None = None, ttl: int | None = None, ipid: int | None = None, df: bool = True, lost: bool = False, source: str | None = None,
        bits: int = 0, urgent: int = 0,
    ) -> bytes:  # fmt: skip
        """A packet of one of the true endpoints, seen now."""
        other = self.server if side is self.us else self.us
        fresh = seq is None
        number = side.next if seq is None else seq
        if ipid is None:
            if side.counts and flags != "SA":
                side.ipid = (side.ipid + 1) & 0xFFFF
            ipid = side.ipid if side.counts and flags != "SA" else 0
        packet = tcp_packet(
            address(source or side.address), address(other.address), side.port, other.port, seq=number & 0xFFFFFFFF,
            ack=(other.next if ack is None else ack) & 0xFFFFFFFF if "A" in flags else (ack or 0),
            flags=sum(BITS[c] for c in flags) | bits, window=window, payload=payload, ttl=side.ttl if ttl is None else ttl, ip_id=ipid, df=df,
            options=self.options(side, flags) if options is None else options, urgent=urgent,
        )  # fmt: skip
        if not lost:
            shift = self.rtt / 2 * self.scene.point
            self.scene.add(self.now + shift if side is self.us else self.now - shift, packet)
        other.echo = self.stamp(side)[0]
        if fresh and "R" not in flags:
            side.next = (side.next + len(payload) + ("S" in flags) + ("F" in flags)) & 0xFFFFFFFF
        return packet

    def own(self, flags: str, payload: bytes = b"", **fields: Any) -> Self:
        """The client sends."""
        self.send(self.us, flags, payload, **fields)
        return self

    def them(self, flags: str, payload: bytes = b"", **fields: Any) -> Self:
        """The true server sends; its packet is seen now (use `wait` for the way)."""
        self.send(self.server, flags, payload, **fields)
        if self.gone and "R" not in flags:
            self.dead()
        return self

    def dead(self, **fields: Any) -> Self:
        """The client's kernel answers what it no longer knows: a bare reset."""
        return self.own("R", seq=self.us.next, options=b"", window=0, ipid=0, **fields)

    def forged(
        self, flags: str, payload: bytes = b"", *, ttl: int = 58, ipid: int = 0x4242, window: int = 0, df: bool = False, options: bytes = b"",
        seq: int | None = None, ack: int | None = None, copies: int = 1, gap: float = 0.05, source: str | None = None, believed: bool = True,
        step: int = 0, bits: int = 0,
    ) -> Self:  # fmt: skip
        """Somebody else sends in the server's name; the server's books do not move."""
        for copy in range(copies):
            self.wait(gap if copy else 0)
            number = (self.server.next if seq is None else seq) + copy * step
            acked = self.us.next if ack is None and "A" in flags else ack or 0
            packet = tcp_packet(
                address(source or self.server.address), address(self.us.address), self.server.port, self.us.port, seq=number & 0xFFFFFFFF,
                ack=acked, flags=sum(BITS[c] for c in flags) | bits, window=window, payload=payload, ttl=ttl, ip_id=ipid, df=df, options=options,
            )  # fmt: skip
            self.scene.add(self.now - self.rtt / 2 * self.scene.point, packet)
        self.gone = self.gone or (believed and "R" in flags)
        return self

    def icmp(self, kind: int, code: int, quoted: bytes, *, source: str | None = None) -> Self:
        """A router (or whoever) tells the client of an error."""
        v6 = self.scene.v6
        sender = address(source or (ROUTER6 if v6 else ROUTER))
        self.scene.add(self.now, icmp_error(sender, address(self.us.address), kind, code, quoted, ttl=60, quote_length=64 if v6 else 48))
        return self

    # -- steps of what works

    def syn(self) -> Self:
        """The SYN; a second call sends it again."""
        if self.isn is None:
            self.isn = self.us.next
        self.us.next = self.isn
        return self.own("S", ack=0, window=64240)

    def syn_ack(self, again: bool = False) -> Self:
        """The SYN/ACK, now."""
        if again:
            return self.them("SA", seq=(self.server.next - 1) & 0xFFFFFFFF, window=65160)
        return self.them("SA", window=65160)

    def handshake(self) -> Self:
        """SYN, SYN/ACK, ACK."""
        return self.syn().wait(self.rtt).syn_ack().wait(0.04).own("A")

    def hello(self, **fields: Any) -> Self:
        """The ClientHello, in as many segments as this connection wants."""
        self.wait(0.3)
        self.hello_seq = self.us.next
        self.hello_packets = [self.send(self.us, "PA" if last else "A", part, **fields) for part, last in self.parts()]
        return self

    def parts(self) -> list[tuple[bytes, bool]]:
        """The hello's segments, and whether each is the last."""
        data, count = self.hello_data, self.pieces
        if count == 1:
            return [(data, True)]
        cut = min(MSS, len(data) // count)
        edges = [*range(0, cut * count, cut), len(data)] if cut < MSS else [*range(0, len(data), MSS), len(data)]
        edges = sorted(set(edges[:count]) | {len(data)})
        return [(data[a:b], b == len(data)) for a, b in pairwise(edges)]

    def again(self, *after: float, part: int | None = None, **fields: Any) -> Self:
        """The hello (or one segment of it) retransmitted, each copy so many ms after the one before it."""
        for ms in after:
            self.wait(ms)
            at = self.hello_seq
            for i, (piece, last) in enumerate(self.parts()):
                if part is None or i == part:
                    self.send(self.us, "PA" if last else "A", piece, seq=at, **fields)
                at += len(piece)
        return self

    def acknowledge(self, upto: int | None = None) -> Self:
        """One round trip later the server acknowledges what the client sent (or `upto` bytes of the hello)."""
        return self.wait(self.rtt + self.jitter).them("A", ack=None if upto is None else self.hello_seq + upto)

    def answer(self, size: int = 3000, after: float = 1.0, data: bytes | None = None) -> Self:
        """ServerHello and records, acknowledged by the client."""
        self.wait(after)
        return self.deliver(flight(size, self.name or "") if data is None else data)

    def deliver(self, data: bytes, gap: float = 0.02, burst: int = 0) -> Self:
        """Bytes of the server, in full segments; after `burst` segments it waits a round trip."""
        for i, at in enumerate(range(0, len(data), MSS)):
            if burst and i and not i % burst:
                self.own("A") if not self.gone else None
                self.wait(self.rtt)
            self.them("PA" if at + MSS >= len(data) else "A", data[at : at + MSS])
            self.wait(gap)
        return self if self.gone else self.own("A")

    def request(self, size: int = 320) -> Self:
        """Encrypted application data of the client."""
        return self.wait(2).own("PA", record(size, "request"))

    def response(self, size: int = 1200) -> Self:
        """Encrypted data of the server one round trip later."""
        return self.wait(self.rtt).deliver(record(size, "response"))

    def close(self) -> Self:
        """The client closes, the server as well."""
        return self.wait(1).own("FA").wait(self.rtt).them("FA").wait(0.04).own("A")

    def rtt_later(self, flags: str, payload: bytes = b"", **fields: Any) -> Self:
        """The server's packet, a round trip from now."""
        return self.wait(self.rtt).them(flags, payload, **fields)


def datagram(source: str, destination: str, sport: int, dport: int, payload: bytes) -> bytes:
    """A UDP packet."""
    a, b = address(source), address(destination)
    return ip(a, b, 17, udp(a, b, sport, dport, payload))
