"""Captures to measure with: any number of flows, made by numpy in seconds, the same bytes for the same arguments.

    python -m tests.bench.generate --flows 200000 --interfered 0.25 -o big.pcap

A capture holds TLS connections of many clients to servers that serve eight names each: handshake, a ClientHello of one or two segments,
the server's records, a close; about 13 packets and 6 kB a flow, a fifth of the flows in IPv6. Blocked names meet one of KINDS. Clients ask
their servers for several names, so that flows have controls. Checksums are left zero, as segmentation offload leaves them.

Rules of this file: no clock, and randomness from the seed alone. Flows are made and written in chunks, each with a span of time of its own.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from dpiprobe.tls.craft import BROWSER_ALPN, client_hello

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

KINDS = ("on-path triple", "in-path reset", "drop", "on-path bare reset", "alert")
"""What meets the flows of blocked names: three equal reset+acks beside the genuine answer, a reset instead of the hello, silence, one bare reset
that races the answer, a forged fatal alert."""
SERVED = 8
"""Names of one server address."""
PER_CLIENT = 20
"""Flows of one client, about."""
START = 1_780_000_000_000_000_000
CHUNK = 20_000
"""Flows made at once, in SPAN ns of capture time."""
SPAN = 60_000_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS = 1448
NOTHING, HELLO, ANSWER, DATA, ALERT = range(5)


class Steps:
    """Packets in the making, a column at a time."""

    def __init__(self) -> None:
        self.parts: dict[str, list[npt.NDArray[np.int64]]] = {}

    def add(self, flows: Ints, **columns: Ints | int) -> None:
        """One packet for each of these flows."""
        for name, value in {"flow": flows, **columns}.items():
            self.parts.setdefault(name, []).append(np.broadcast_to(np.asarray(value, np.int64), flows.shape))

    def columns(self) -> dict[str, Ints]:
        """All packets, by time."""
        whole = {name: np.concatenate(parts) for name, parts in self.parts.items()}
        order = np.argsort(whole["time"], kind="stable")
        return {name: column[order] for name, column in whole.items()}


class Maker:
    """Makes the chunks of one capture."""

    def __init__(self, flows: int, interfered: float, seed: int) -> None:
        self.flows = flows
        self.share = interfered
        self.random = np.random.default_rng(seed)
        self.servers = max(4, flows // 400)
        self.clients = max(2, flows // PER_CLIENT)
        self.hellos = [self._hellos(post_quantum) for post_quantum in (False, True)]

    def _hellos(self, post_quantum: bool) -> npt.NDArray[np.uint8]:
        made = [
            client_hello(f"{'blocked' if n >= SERVED // 2 else 'allowed'}-{n}.s{s:06d}.example", b"%d" % s, alpn=BROWSER_ALPN, post_quantum=post_quantum)
            for s in range(self.servers)
            for n in range(SERVED)
        ]
        return np.frombuffer(b"".join(made), np.uint8).reshape(len(made), -1)

    def chunk(self, first: int, count: int, begin: int) -> bytes:
        """Records of flows first .. first + count, from `begin` ns on."""
        random = self.random
        f = np.arange(count)
        client = random.integers(0, self.clients, count)
        server = (client * 7 + random.integers(0, 3, count) * 13) % self.servers
        blocked = random.random(count) < self.share
        name = np.where(blocked, SERVED // 2 + server % (SERVED // 2), random.integers(0, SERVED // 2, count))
        flow = {
            "client": client, "server": server, "port": 10000 + (first + f) * 7919 % 50000, "six": client % 5 == 0, "big": client % 2,
            "hello": server * SERVED + name, "kind": np.where(blocked, name % len(KINDS), -1), "ttl": 44 + server % 20,
            "cseq": random.integers(0, 1 << 32, count), "sseq": random.integers(0, 1 << 32, count), "id": random.integers(1, 1 << 16, count),
            "rtt": random.integers(8_000_000, 90_000_000, count),
        }  # fmt: skip
        flow["start"] = begin + random.integers(0, SPAN - 20_000_000_000, count)
        columns = self._packets(flow, flow["start"])
        return self._records(flow, columns)

    def _packets(self, flow: dict[str, npt.NDArray[np.int64]], start: Ints) -> dict[str, Ints]:
        random, steps = self.random, Steps()
        count = len(start)
        every = np.arange(count)
        kind, rtt = flow["kind"], flow["rtt"]
        size = np.where(flow["big"] == 1, self.hellos[1].shape[1], self.hellos[0].shape[1])
        ids = np.zeros(count, np.int64)

        def client(f: Ints, when: Ints, flags: int, **more: Ints | int) -> None:
            steps.add(f, **{"time": when, "up": 1, "flags": flags, "seq": 0, "ack": 0, "what": NOTHING, "from": 0, "size": 0, "ttl": 64,
                            "id": (flow["id"][f] + ids[f]) & 0xFFFF, "window": 502, "bare": 0, **more})  # fmt: skip
            ids[f] += 1

        def server(f: Ints, when: Ints, flags: int, **more: Ints | int) -> None:
            steps.add(f, **{"time": when, "up": 0, "flags": flags, "seq": 0, "ack": 0, "what": NOTHING, "from": 0, "size": 0, "ttl": flow["ttl"][f],
                            "id": (flow["id"][f] * 3 + ids[f]) & 0xFFFF, "window": 501, "bare": 0, **more})  # fmt: skip

        def hello(f: Ints, when: Ints) -> None:
            client(f, when, PSH | ACK, what=HELLO, size=np.minimum(size[f], MSS))
            two = f[size[f] > MSS]
            client(two, when[size[f] > MSS] + 20_000, PSH | ACK, what=HELLO, size=size[two] - MSS, seq=MSS, **{"from": MSS})

        client(every, start, SYN, seq=-1)
        server(every, start + rtt, SYN | ACK, seq=-1)
        client(every, start + rtt + 30_000, ACK)
        asked = start + rtt + 200_000
        hello(every, asked)
        # what meets the hello
        early = asked + rtt // 4
        for name, copies in (("on-path triple", 3), ("on-path bare reset", 1), ("in-path reset", 1)):
            f = np.flatnonzero(kind == KINDS.index(name))
            window, number = random.integers(1, 1 << 16, len(f)), random.integers(1, 1 << 16, len(f))
            for copy in range(copies):
                bare = name == "on-path bare reset"
                server(f, early[f] + copy * 100_000, RST if bare else RST | ACK, ack=0 if bare else size[f], bare=1 + bare, ttl=flow["ttl"][f] + 9,
                       id=number, window=window)  # fmt: skip
        f = np.flatnonzero(kind == KINDS.index("alert"))
        server(f, early[f], PSH | ACK, ack=size[f], bare=1, ttl=flow["ttl"][f] + 9, id=random.integers(1, 1 << 16, len(f)), what=ALERT, size=7)
        f = np.flatnonzero(kind == KINDS.index("drop"))
        for wait in (300_000_000, 900_000_000, 2_100_000_000, 4_500_000_000):
            hello(f, asked[f] + wait)
        client(f, asked[f] + 9_000_000_000, FIN | ACK, seq=size[f])
        # the genuine answer, where the hello came through
        through = np.flatnonzero((kind == -1) | (kind == 0) | (kind == 3) | (kind == 4))
        heard = asked[through] + rtt[through] + 50_000
        server(through, heard, ACK, ack=size[through])
        segments = random.integers(2, 5, len(through))
        for i in range(4):
            more = i < segments
            f = through[more]
            server(f, heard[more] + 300_000 + i * 20_000, ACK, ack=size[f], seq=i * MSS, size=MSS, what=DATA if i else ANSWER, **{"from": segments[more]})
        # who was let alone goes on
        free = kind[through] == -1
        f, heard, got = through[free], heard[free], segments[free] * MSS
        client(f, heard + 450_000, ACK, seq=size[f], ack=got)
        client(f, heard + 900_000, PSH | ACK, seq=size[f], ack=got, size=64, what=DATA)
        client(f, heard + 950_000, PSH | ACK, seq=size[f] + 64, ack=got, size=120, what=DATA)
        server(f, heard + rtt[f] + 1_500_000, PSH | ACK, seq=got, ack=size[f] + 184, size=600, what=DATA)
        client(f, heard + rtt[f] + 1_600_000, FIN | ACK, seq=size[f] + 184, ack=got + 600)
        server(f, heard + 2 * rtt[f] + 1_700_000, FIN | ACK, seq=got + 600, ack=size[f] + 185)
        client(f, heard + 2 * rtt[f] + 1_750_000, ACK, seq=size[f] + 185, ack=got + 601)
        return steps.columns()

    def _records(self, flow: dict[str, npt.NDArray[np.int64]], p: dict[str, Ints]) -> bytes:
        """Packets as pcap records (nanoseconds), one shape of frame at a time."""
        f, up = p["flow"], p["up"] == 1
        six, syn, plain = flow["six"][f] == 1, (p["flags"] & SYN) != 0, p["bare"] > 0
        options = np.where(plain, 0, np.where(syn, 20, 12))
        header = np.where(six, 40, 20)
        length = 14 + header + 20 + options + p["size"]
        places = np.cumsum(length + 16) - length - 16
        out = np.zeros(int((length + 16).sum()), np.uint8)
        shape = ((p["size"] * 5 + p["what"]) * 2 + six) * 64 + options
        order = np.argsort(shape, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(shape[order])) + 1):
            for part in np.array_split(rows, len(rows) // 4096 + 1):
                self._fill(out, places[part], flow, p, part, int(length[rows[0]]), bool(six[rows[0]]), int(options[rows[0]]), up[part])
        return out.tobytes()

    def _fill(
        self, out: npt.NDArray[np.uint8], places: Ints, flow: dict[str, npt.NDArray[np.int64]], p: dict[str, Ints], rows: Ints, length: int,
        six: bool, options: int, up: Bools,
    ) -> None:  # fmt: skip
        if not len(rows):
            return
        f = p["flow"][rows]
        b = np.zeros((len(rows), 16 + length), np.uint8)

        def number(at: int, size: int, value: Ints | int) -> None:
            value = np.asarray(value, np.int64)
            for i in range(size):
                b[:, at + i] = (value >> (8 * (size - 1 - i))) & 0xFF

        seconds, fraction = np.divmod(p["time"][rows], 1_000_000_000)
        b[:, :16] = np.stack((seconds, fraction, np.full_like(seconds, length), np.full_like(seconds, length)), 1).astype("<u4").view(np.uint8).reshape(-1, 16)
        b[:, 16:28] = np.frombuffer(b"\x02\0\0\0\0\2\x02\0\0\0\0\1", np.uint8)
        ends = {"client": flow["client"][f], "server": flow["server"][f]}
        at = 30 + (40 if six else 20)
        size = length - 14 - (40 if six else 20)
        if six:
            number(28, 2, 0x86DD)
            number(30, 4, 0x60000000)
            number(34, 2, size)
            b[:, 36] = 6
            b[:, 37] = p["ttl"][rows]
            for place, mine in ((38, up), (54, ~up)):
                b[:, place : place + 4] = np.frombuffer(b"\x20\x01\x0d\xb8", np.uint8)
                b[:, place + 4] = ~mine
                number(place + 12, 4, np.where(mine, ends["client"], ends["server"]) + 1)
        else:
            number(28, 2, 0x0800)
            b[:, 30] = 0x45
            number(32, 2, size + 20)
            number(34, 2, p["id"][rows])
            b[:, 36] = np.where(p["bare"][rows] == 2, 0, 0x40)
            b[:, 38] = p["ttl"][rows]
            b[:, 39] = 6
            for place, mine in ((42, up), (46, ~up)):
                number(place, 4, np.where(mine, 0x0A000001 + ends["client"], 0xC6120001 + ends["server"]))
        number(at, 2, np.where(up, flow["port"][f], 443))
        number(at + 2, 2, np.where(up, 443, flow["port"][f]))
        number(at + 4, 4, p["seq"][rows] + np.where(up, flow["cseq"][f], flow["sseq"][f]))
        flags = p["flags"][rows]
        acked = p["ack"][rows] + np.where(up, flow["sseq"][f], flow["cseq"][f])
        number(at + 8, 4, np.where((flags & ACK) != 0, acked, 0))
        b[:, at + 12] = (20 + options) << 2
        b[:, at + 13] = flags
        number(at + 14, 2, p["window"][rows])
        place = at + 20
        if options == 20:
            b[:, place : place + 20] = np.frombuffer(b"\2\4\5\xb4\4\2\x08\x0a\0\0\0\0\0\0\0\0\1\3\3\7", np.uint8)
            place += 8
        elif options == 12:
            b[:, place : place + 4] = np.frombuffer(b"\1\1\x08\x0a", np.uint8)
            place += 4
        if options:
            number(place, 4, p["time"][rows] // 1_000_000 + np.where(up, 0, 1_000_000))
            heard = (flow["start"][f] + flow["rtt"][f]) // 1_000_000 + 1_000_000  # the SYN/ACK's, and the hello's or the SYN's
            told = (flow["start"][f] + np.where((flags & SYN) != 0, 0, flow["rtt"][f] + 200_000)) // 1_000_000
            number(place + 4, 4, np.where((flags & ACK) != 0, np.where(up, heard, told), 0))
        self._payload(b, at + 20 + options, flow, p, rows)
        out[places[:, None] + np.arange(16 + length)] = b

    def _payload(self, b: npt.NDArray[np.uint8], at: int, flow: dict[str, npt.NDArray[np.int64]], p: dict[str, Ints], rows: Ints) -> None:
        what, size = int(p["what"][rows[0]]), int(p["size"][rows[0]])
        f = p["flow"][rows]
        if what == HELLO:
            for big in (0, 1):
                mine = np.flatnonzero(flow["big"][f] == big)
                if len(mine):
                    begin = p["from"][rows[mine[0]]]
                    b[mine, at:] = self.hellos[big][flow["hello"][f[mine]], begin : begin + size]
                    if not begin:  # random and session id differ from flow to flow
                        for i in range(32):
                            b[mine, at + 11 + i] = (flow["cseq"][f[mine]] >> (i % 4 * 8)) + i
                            b[mine, at + 44 + i] = (flow["sseq"][f[mine]] >> (i % 4 * 8)) + i
        elif what == ALERT:
            b[:, at:] = np.frombuffer(b"\x15\3\3\0\2\2\x28", np.uint8)
        elif what in (ANSWER, DATA):
            b[:, at:] = self.random.integers(0, 256, size, np.uint8)
            if what == ANSWER:
                b[:, at : at + 5] = np.frombuffer(b"\x16\3\3\0\x7a", np.uint8)
                b[:, at + 5 : at + 11] = np.frombuffer(b"\2\0\0\x76\3\3", np.uint8)
                b[:, at + 43 : at + 127] = np.frombuffer(
                    b"\x20" + bytes(32) + b"\x13\1\0\0\x2e\0\x2b\0\2\3\4\0\x33\0\x24\0\x1d\0\x20" + bytes(32), np.uint8
                )[:84]
                b[:, at + 127 : at + 130] = np.frombuffer(b"\x17\3\3", np.uint8)  # one record over all segments
                b[:, at + 130] = (p["from"][rows] * MSS - 132) >> 8
                b[:, at + 131] = (p["from"][rows] * MSS - 132) & 0xFF
            elif size < MSS:
                b[:, at : at + 5] = np.frombuffer(b"\x17\3\3" + struct.pack(">H", size - 5), np.uint8)


def generate(out: BinaryIO, flows: int, interfered: float = 0.25, seed: int = 1) -> None:
    """Write a capture of so many flows to `out`, of which the share `interfered` asks for blocked names."""
    out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
    maker = Maker(flows, interfered, seed)
    for number, first in enumerate(range(0, flows, CHUNK)):
        out.write(maker.chunk(first, min(CHUNK, flows - first), START + number * SPAN))


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(description="Make a capture to measure with.")
    parser.add_argument("--flows", type=int, default=200_000)
    parser.add_argument("--interfered", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    with given.out.open("wb") as out:
        generate(out, given.flows, given.interfered, given.seed)


if __name__ == "__main__":
    main()
