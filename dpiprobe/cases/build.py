"""A conversation on the wire, told step by step, for cases that are built and not recorded.

    tape = Tape()
    talk = tape.connection(name="blocked.example", rtt=50)
    talk.handshake().hello()
    talk.forged("RA", after=3, ipid=0x4242, window=1541, ttl=166)
    talk.acknowledge().answer()
    tape.write("test.pcap")

Rules of this file:
- scapy does the crafting: headers, options, checksums. This file only keeps the books of two TCP endpoints: sequence numbers, clocks,
  IP IDs, timestamps, as a Linux of today keeps them (facts checked on loopback: SYN/ACK with ID 0, DF always, one counter a connection).
- Nothing is left to chance: times are integers from a fixed start, what has to look random comes from the seed. The same steps give the
  same bytes, so a test can hold a case to its script.
- The capture point is the client: what the client sends is seen when it is sent, what the server sends half a round trip after that.
- Times in arguments are milliseconds, because scripts are written by people.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dpiprobe.cases.icmp import QUOTED, error
from dpiprobe.cases.payload import application_data, server_flight
from dpiprobe.errors import EnvironmentError_

__all__ = ["OK_PAGE", "Connection", "Tape", "application_data", "server_flight"]

START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z in ns
CLIENT_MAC, SERVER_MAC = "00:00:5e:00:53:01", "00:00:5e:00:53:02"  # RFC 7042 section 2.1.1, documentation
MSS, WINDOW = 1460, 64240  # Ethernet; Linux's first window with it
MS = 1_000_000
OK_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n<html>hello</html>\r\n"


@dataclass(slots=True)
class Side:
    """The books of one endpoint. next: the sequence number it will send next · clock: its timestamp clock at the start, ms"""

    address: str
    port: int
    ttl: int
    next: int
    ipid: int
    clock: int
    last_echo: int = 0


class Tape:
    """All packets of one capture, in order of time when written."""

    def __init__(self, seed: str = "dpiprobe", start: int = START) -> None:
        try:
            import scapy.layers.inet
            import scapy.layers.inet6
            import scapy.layers.l2  # noqa: F401
        except ImportError:
            raise EnvironmentError_("building a case needs scapy; pip install 'dpiprobe[live]'") from None
        self.seed = seed
        self.start = start
        self.frames: list[tuple[int, int, Any, bool]] = []
        self._connections = 0

    def connection(self, **settings: Any) -> Connection:
        """A new connection of this capture; see `Connection` for the settings."""
        self._connections += 1
        settings.setdefault("client_port", 40000 + 7 * self._connections)
        return Connection(self, seed=f"{self.seed}/{self._connections}", **settings)

    def add(self, time: int, packet: Any, outgoing: bool) -> None:
        """One IP packet, seen at `time` (ns after the start); outgoing: the client's own."""
        self.frames.append((time, len(self.frames), packet, outgoing))

    def ordered(self) -> list[tuple[int, Any, bool]]:
        """(time in ns since 1970, IP packet, outgoing) in the order of the capture."""
        return [(self.start + time, packet, outgoing) for time, _, packet, outgoing in sorted(self.frames, key=lambda f: f[:2])]

    def write(self, path: str | Path, *, copies: int = 1, snap: int = 262144) -> None:
        """A nanosecond pcap with Ethernet headers. copies: how often a careless mirror port shows each packet · snap: bytes kept of each"""
        from scapy.layers.l2 import Ether
        from scapy.utils import RawPcapWriter

        writer: Any = RawPcapWriter(str(path), linktype=1, nano=True, endianness="<", snaplen=snap)
        try:
            writer.write_header(None)
            for time, packet, outgoing in self.ordered():
                ether = Ether(src=CLIENT_MAC if outgoing else SERVER_MAC, dst=SERVER_MAC if outgoing else CLIENT_MAC)
                raw = bytes(ether / packet)
                for copy in range(copies):
                    at = time + copy * 2_000  # 2 us apart, as a switch copies
                    writer.write_packet(raw[:snap], sec=at // 1_000_000_000, usec=at % 1_000_000_000, caplen=min(len(raw), snap), wirelen=len(raw))
        finally:
            writer.close()


@dataclass
class Connection:
    """One TCP connection, seen at the client. Steps return the connection, so that they can be chained.

    name: what the hello asks for · rtt: milliseconds · hops: between server and client · timestamps: whether both use RFC 7323
    begin: when the SYN leaves, ms after the capture's start
    """

    tape: Tape
    seed: str
    name: str = "blocked.example"
    client: str = "192.0.2.10"
    server: str = "198.51.100.20"
    client_port: int = 40000
    server_port: int = 443
    rtt: float = 50.0
    hops: int = 12
    timestamps: bool = True
    begin: float = 0.0
    gone: bool = False  # the client's socket is no more: its kernel answers what still comes with bare resets
    now: int = field(init=False)
    us: Side = field(init=False)
    them: Side = field(init=False)

    def __post_init__(self) -> None:
        def number(what: str) -> int:
            return int.from_bytes(hashlib.sha256(f"{self.seed}/{what}".encode()).digest()[:4], "big")

        self.now = int(self.begin * MS)
        self.us = Side(self.client, self.client_port, 64, number("isn"), number("id") & 0x7FFF, number("clock"))
        self.them = Side(self.server, self.server_port, 64 - self.hops, number("their isn"), number("their id") & 0x7FFF, number("their clock"))

    # -- time

    def wait(self, ms: float) -> Self:
        """Time passes."""
        self.now += int(ms * MS)
        return self

    @property
    def trip(self) -> int:
        """The round trip in ns."""
        return int(self.rtt * MS)

    # -- steps of a connection that works

    def handshake(self) -> Self:
        """SYN, SYN/ACK, ACK."""
        self.syn()
        self.now += self.trip
        self._send(self.them, "SA", ack=self.us.next, options=self._syn_options(self.them), ipid=0)
        self.now += 40_000
        return self._own("A")

    def syn(self) -> Self:
        """The client's SYN alone; a second call sends it again."""
        self.us.next -= 1 if getattr(self, "_syn_sent", False) else 0
        self._syn_sent = True
        self._send(self.us, "S", ack=None, options=self._syn_options(self.us))
        return self

    def hello(self, name: str | None = None, *, nameless: bool = False, extension: tuple[int, bytes] | None = None, segment: int = 0) -> Self:
        """The ClientHello; `name` asks for another name than the connection's, nameless for none. extension: (number, body) of one more, such as
        encrypted SNI · segment: where the first of two segments ends (0: one segment holds it all)"""
        from dpiprobe.tls.craft import client_hello
        from dpiprobe.tls.hello import build, parse, with_extension

        self._hello = client_hello(None if nameless else name or self.name, self.seed.encode())
        if extension is not None:
            parsed = parse(self._hello)
            assert parsed is not None
            self._hello = build(with_extension(parsed, *extension))
        self._hello_seq = self.us.next
        self.wait(0.3)
        if not segment:
            return self._own("PA", self._hello)
        self._first = (self._hello_seq, self._hello[:segment])
        self._own("A", self._hello[:segment]).wait(0.02)
        self._own("PA", self._hello[segment:])
        self._hello_seq, self._hello = self._hello_seq + segment, self._hello[segment:]
        return self

    def hello_again(self, *after: float, first: bool = False) -> Self:
        """The hello (of two segments the second, or the first) retransmitted, each copy so many ms after the one before it."""
        seq, payload = self._first if first else (self._hello_seq, self._hello)
        for ms in after:
            self.wait(ms)
            self._send(self.us, "PA", ack=self.them.next, payload=payload, seq=seq)
        return self

    def acknowledge(self, after: float | None = None, less: int = 0) -> Self:
        """The server's ACK of all that the client sent, or of so many bytes less."""
        self.now += self.trip if after is None else int(after * MS)
        self._send(self.them, "A", ack=self.us.next - less)
        return self

    def answer(self, size: int = 3000, after: float = 1.0) -> Self:
        """ServerHello and encrypted records, `size` bytes in all, acknowledged by the client."""
        self.wait(after)
        data = server_flight(self.seed, size)
        for at in range(0, len(data), MSS - 12):
            self._send(self.them, "PA" if at + MSS - 12 >= len(data) else "A", ack=self.us.next, payload=data[at : at + MSS - 12])
            self.now += 20_000
        return self if self.gone else self._own("A")

    def request(self, size: int = 320) -> Self:
        """Encrypted application data of the client."""
        self.wait(2)
        return self._own("PA", application_data(self.seed + "/request", size))

    def response(self, size: int = 1200) -> Self:
        """Encrypted application data of the server, one round trip later, acknowledged."""
        self.now += self.trip
        self._send(self.them, "PA", ack=self.us.next, payload=application_data(self.seed + "/response", size))
        self.now += 40_000
        return self._own("A")

    def close(self) -> Self:
        """The client closes, the server as well."""
        self.wait(1)
        self._own("FA")
        self.now += self.trip
        self._send(self.them, "FA", ack=self.us.next)
        self.now += 40_000
        return self._own("A")

    def works(self, http: bool = False) -> Self:
        """A whole connection that simply works."""
        if http:
            return self.handshake().http().acknowledge().says(OK_PAGE, after=1.0).close()
        return self.handshake().hello().acknowledge().answer().request().response().close()

    def http(self, path: str = "/") -> Self:
        """A plain HTTP request for the connection's name, instead of a hello."""
        self._hello = f"GET {path} HTTP/1.1\r\nHost: {self.name}\r\nAccept: */*\r\n\r\n".encode()
        self._hello_seq = self.us.next
        self.wait(0.3)
        return self._own("PA", self._hello)

    def says(self, data: bytes, *, after: float | None = None, flags: str = "PA", acknowledged: bool = True) -> Self:
        """Bytes of the true server, one round trip later unless told; `FPA` closes with them."""
        self.now += self.trip if after is None else int(after * MS)
        self._send(self.them, flags, ack=self.us.next, payload=data)
        self.now += 40_000
        return self._own("A") if acknowledged and not self.gone else self

    # -- steps of one that does not

    def client_reset(self, after: float = 0.05) -> Self:
        """The client's kernel answers a late packet with the bare reset of a socket that is gone."""
        self.wait(after)
        self.gone = True
        self._send(self.us, "R", ack=None, seq=self.us.next, options=[], window=0, ipid=0)
        return self

    def server_reset(self, after: float | None = None) -> Self:
        """The server itself aborts: reset+ack with all its marks (timestamps, running IP ID, its own TTL)."""
        self.now += self.trip if after is None else int(after * MS)
        self._send(self.them, "RA", ack=self.us.next)
        self.gone = True
        return self

    def forged(
        self, flags: str, *, after: float, ttl: int, ipid: int, window: int = 0, df: bool = False, count: int = 1, gap: float = 0.05,
        seq: int | None = None, ack: int | None = None, payload: bytes = b"", options: list[Any] | None = None, source: str | None = None,
        believed: bool | None = None, tos: int = 0, reserved: int = 0,
    ) -> Self:
        """Packets that claim to be the server's. after: ms after the last step · gap: ms between copies · seq, ack: as the server's would be
        unless given (raw numbers) · believed: whether the client's socket is gone after it (a reset in sequence is believed unless said
        otherwise) · the books of the true server do not move."""
        self.wait(after)
        for copy in range(count):
            self.now += int(gap * MS) if copy else 0
            ghost = Side(source or self.server, self.server_port, ttl, self.them.next if seq is None else seq, ipid, 0)
            acked = (self.us.next if ack is None else ack) if "A" in flags else ack
            self._emit(ghost, self.us, flags, ghost.next, acked, payload, options or [], window, ipid, df, tos, reserved)
        self.gone = self.gone or (("R" in flags and seq is None) if believed is None else believed)
        return self

    def spoofed(
        self, flags: str, *, after: float, ttl: int, ipid: int, window: int = 0, df: bool = False, count: int = 1, gap: float = 0.05, ack: int | None = None
    ) -> Self:
        """Packets that claim to be the client's, as the server receives them; for captures taken there. Arguments as those of `forged`."""
        self.wait(after)
        for copy in range(count):
            self.now += int(gap * MS) if copy else 0
            ghost = Side(self.client, self.client_port, ttl, self.us.next, ipid, 0)
            self._emit(ghost, self.them, flags, ghost.next, (self.them.next if ack is None else ack) if "A" in flags else ack, b"", [], window, ipid, df)
        return self

    def handshake_at_server(self) -> Self:
        """SYN, SYN/ACK at once, ACK one round trip later: the handshake as a capture at the server has it."""
        self.syn().wait(0.1)
        self._send(self.them, "SA", ack=self.us.next, options=self._syn_options(self.them), ipid=0)
        self.now += self.trip
        return self._own("A")

    def client_fin(self) -> Self:
        """The client closes its side alone."""
        self.wait(0.5)
        return self._own("FA")

    def loses(self, data: bytes) -> Self:
        """Bytes of the true server that never arrive; `fills` sends them again."""
        self._lost = (self.them.next, data)
        self.them.next += len(data)
        return self

    def fills(self, after: float = 200.0) -> Self:
        """The server sends again what was lost (or what was late), and the client acknowledges all of it if it still has its socket."""
        self.wait(after)
        self._send(self.them, "PA", ack=self.us.next, payload=self._lost[1], seq=self._lost[0])
        return self if self.gone else self._own("A")

    def server_fin(self, after: float) -> Self:
        """The server closes, the client too."""
        self.wait(after)
        self._send(self.them, "FA", ack=self.us.next)
        return self if self.gone else self.client_fin()

    def again(self) -> Self:
        """The client's last segment of data once more, byte for byte but for the timestamps' age: a retransmission nobody answers."""
        self.tape.add(self.now, self._last_packet, outgoing=True)
        return self

    def keep_alive(self) -> Self:
        """The client probes an idle connection one byte behind, and the server answers (RFC 9293 section 3.8.4)."""
        self._send(self.us, "A", ack=self.them.next, seq=self.us.next - 1)
        self.now += self.trip
        self._send(self.them, "A", ack=self.us.next)
        return self

    def server_keep_alive(self, garbage: bytes) -> Self:
        """The server probes with garbage one byte behind, and the client answers."""
        self._send(self.them, "A", ack=self.us.next, seq=self.them.next - 1, payload=garbage)
        return self._own("A")

    def icmp(self, kind: int, code: int, *, after: float, source: str, ttl: int = 60, quoted: int = QUOTED) -> Self:
        """An ICMP error (ICMPv6 where the client speaks IPv6) of a router or the host at `source` that quotes the client's last packet."""
        self.wait(after)
        self.tape.add(self.now, error(kind, code, source=source, target=self.client, quoted=self._last[:quoted], ttl=ttl), outgoing=False)
        return self

    # -- packets

    def _own(self, flags: str, payload: bytes = b"") -> Self:
        self._send(self.us, flags, ack=self.them.next, payload=payload)
        return self

    def _syn_options(self, side: Side) -> list[Any]:
        stamps = [("Timestamp", (self._clock(side), side.last_echo))] if self.timestamps else []
        return [("MSS", MSS), ("SAckOK", b""), *stamps, ("NOP", None), ("WScale", 7)]

    def _clock(self, side: Side) -> int:
        return (side.clock + self.now // MS) & 0xFFFFFFFF

    def _send(
        self, side: Side, flags: str, *, ack: int | None, payload: bytes = b"", seq: int | None = None, options: list[Any] | None = None,
        window: int | None = None, ipid: int | None = None,
    ) -> None:
        """A packet of a true endpoint: books kept, marks as its kernel sets them."""
        other = self.them if side is self.us else self.us
        if options is None:
            options = [("NOP", None), ("NOP", None), ("Timestamp", (self._clock(side), side.last_echo))] if self.timestamps else []
        if ipid is None:
            side.ipid = (side.ipid + 1) & 0xFFFF
            ipid = side.ipid
        fresh = seq is None
        at = side.next if seq is None else seq
        self._emit(side, other, flags, at, ack, payload, options, (WINDOW if "S" in flags else 502) if window is None else window, ipid, True)
        other.last_echo = self._clock(side)
        if fresh and "R" not in flags:
            side.next = (side.next + len(payload) + ("S" in flags) + ("F" in flags)) & 0xFFFFFFFF
        if side is self.them and self.gone and "R" not in flags:
            self._emit(self.us, self.them, "R", self.us.next if ack is None else ack, None, b"", [], 0, 0, True)

    def _emit(
        self, source: Side, target: Side, flags: str, seq: int, ack: int | None, payload: bytes, options: list[Any], window: int, ipid: int, df: bool,
        tos: int = 0, reserved: int = 0,
    ) -> None:
        from scapy.layers.inet import IP, TCP
        from scapy.layers.inet6 import IPv6
        from scapy.packet import Raw

        if ":" in source.address:
            header: Any = IPv6(src=source.address, dst=target.address, hlim=source.ttl, tc=tos)
        else:
            header = IP(src=source.address, dst=target.address, ttl=source.ttl, id=ipid, flags="DF" if df else 0, tos=tos)
        segment: Any = header / TCP(
            sport=source.port, dport=target.port, flags=flags, seq=seq & 0xFFFFFFFF, ack=(ack or 0) & 0xFFFFFFFF, window=window, options=options,
            reserved=reserved,
        )
        packet = segment / Raw(payload) if payload else segment
        if source is self.us:
            self._last_packet, self._last = packet, bytes(packet)
        self.tape.add(self.now, packet, outgoing=source is self.us)
