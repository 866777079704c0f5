"""The flow table of a capture that is read piece by piece: which flow each packet belongs to, and what is known of each flow at the end.

Rules of this file:
- It gives what `group`, `orient` and `join` give of the whole capture, in memory that grows with flows and addresses, not with packets.
- The work is in `table_loop`, plain or compiled; here are its arrays, and what can only be said at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow import skim_loop, table_loop
from dpiprobe.flow.flows import BY_HELLO, BY_PORT, BY_SYN
from dpiprobe.flow.group import PORTS
from dpiprobe.flow.join import Conversations, homes_of, quoting
from dpiprobe.flow.skimmed import Hellos
from dpiprobe.wire.packets import TCP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

IN_THE_MAKING = 1024
"""Hellos of several segments that are put together at a time; who comes in between is read later. Policy."""
FLOWS = 1 << 20
"""Flows that the table has room for from the start. Memory that nobody has written to costs nothing; to grow costs the table's size once more."""
CONVERSATIONS = 1 << 14
"""Conversations whose packets find their flow by one look, as long as no other takes their place: 400 kB, which a core's cache holds."""
STRINGS = 64 << 20
"""Bytes of distinct names and essences from which on hellos are read later, so that nobody fills memory with them. Policy."""


@dataclass(slots=True)
class Directory:
    """All flows of a capture, by the number that the table gave them (order of first packet, strays and datagrams that are no QUIC among them).

    flow: the flow that this one's packets belong to (itself, the home of a stray, -1: to none) · number: its place among the capture's flows, -1
    client_low, oriented_by: as `orient` says · bucket: where all of its client's packets are evaluated; `laid`: where they were laid while reading
    """

    conversations: Conversations
    flow: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]
    count: int
    client_low: Bools
    oriented_by: npt.NDArray[np.int8]
    bucket: npt.NDArray[np.int16]
    laid: npt.NDArray[np.int16]
    hellos: Hellos

    def errors(self, packets: Packets) -> tuple[Ints, Ints, Ints]:
        """Rows of ICMP errors that quote a flow, that flow, and 1 where its lower endpoint sent the quoted packet."""
        return quoting(packets, self.conversations, self.flow == np.arange(len(self.flow)))

    def slim(self) -> None:
        """Let go of what only joining asked, and with it of the table itself; keys and transport stay."""
        known, none = self.conversations, np.empty(0, np.int64)
        self.conversations = Conversations(known.transport, known.low_key, known.high_key, none, none, none, none, none, none)


@dataclass(slots=True)
class Entered:
    """flow_of, kept, laid: of each frame, see `table_loop.track` · edges, sizes: where the rows of each bucket begin, and what is kept of their payload"""

    flow_of: Ints
    kept: Ints
    laid: Ints
    edges: Ints
    sizes: Ints


class FlowTable:
    """Takes decoded chunks in order, each by `locate` and then by `enter`; the one may be a few chunks ahead of the other, in a thread of its own.

    loops: `table_loop`, plain or compiled · buckets: among how many clients are divided
    """

    def __init__(self, loops: Any, buckets: int) -> None:
        self._loops = loops
        self._skim = loops.skim
        self._buckets = buckets
        self._words = np.zeros(1 << 14, np.int64)
        self._places = np.full(1 << 13, -1, np.int32)  # half as long as int64: a cache holds more of it
        self._known = 0  # addresses; they are `locate`'s alone, as all else is `enter`'s
        self._flows = np.zeros(FLOWS * table_loop.COLUMNS, np.int64)
        self._index = np.full(1 << 13, -1, np.int32)
        self.totals = np.array([0, 0, -(1 << 62), *[0] * (skim_loop.TOTALS - 3)], np.int64)
        self._strings = np.zeros(1 << 16, np.uint8)
        self._spans = np.zeros(1 << 12, np.int64)
        self._lookup = np.full(1 << 12, -1, np.int64)
        self._parts: npt.NDArray[Any] = np.zeros(IN_THE_MAKING * table_loop.PART, np.uint8)
        self._whole = self._parts.view()
        self._whole.flags.writeable = False  # as the chunks are: the loops that read hellos are compiled for one kind of buffer
        self._recent = np.full(CONVERSATIONS * table_loop.RECENT, -1, np.int64)
        self._owners = np.full(IN_THE_MAKING, -1, np.int64)
        self._scratch = np.zeros(1 << 13, np.uint8)

    @property
    def count(self) -> int:
        """Flows so far, strays among them."""
        return int(self.totals[1])

    def locate(self, buf: Any, table: Ints, status: Ints) -> None:
        """Addresses in a chunk's rows become numbers."""
        self._grow_addresses(2 * len(status))
        self._known = int(self._loops.locate(buf, table, status, len(status), self._words, self._places, self._known))

    def enter(self, buf: Any, table: Ints, status: Ints, times: Ints, number: int, limit: int) -> Entered:
        """Enter a chunk's rows, whose addresses are numbers already; see `table_loop.track`."""
        count = len(status)
        self._grow(count)
        learn = int(self.totals[skim_loop.USED]) < STRINGS
        if learn:
            self._grow_strings(count, len(buf))
        flow_of, kept, laid = (np.empty(count, np.int64) for _ in range(3))
        edges, sizes = np.zeros(self._buckets + 1, np.int64), np.zeros(self._buckets + 1, np.int64)
        self._loops.track(
            buf, table, status, times, count, number, self._words, self._flows, self._index, self.totals, flow_of, kept,
            self._buckets, limit, self._strings, self._spans, self._lookup, self._parts, self._whole, self._owners, self._scratch,
            int(learn), laid, edges, sizes, self._recent,
        )  # fmt: skip
        return Entered(flow_of, kept, laid, np.cumsum(edges), np.cumsum(sizes))

    def quiet(self, flows: Ints, now: int, closed: int, idle: int) -> npt.NDArray[np.bool_]:
        """Which of these flows have settled at `now`: closed or reset and without a packet for `closed` ns, or without one for `idle` ns."""
        base = flows * table_loop.COLUMNS
        since = now - self._flows[base + table_loop.END]
        return np.asarray((since >= idle) | (((self._flows[base + table_loop.SIDES] & table_loop.ENDED) != 0) & (since >= closed)), np.bool_)

    def numbers(self, flows: Ints) -> Ints:
        """The place of these flows among the capture's flows, from 0, as far as it can be said now."""
        table = self._flows[: int(self.totals[1]) * table_loop.COLUMNS].reshape(-1, table_loop.COLUMNS)
        counted = ((table[:, table_loop.PORTS] >> 32) == TCP) | ((table[:, table_loop.SIDES] & table_loop.QUIC) != 0)
        return np.asarray((np.cumsum(counted) - 1)[flows], np.int64)

    def address(self, octets: bytes) -> int:
        """The number of an address that a quote names."""
        self._grow_addresses(1)
        data = np.frombuffer(octets, np.uint8)
        number = int(self._loops.address(data, 0, 4 if len(octets) == 4 else 6, self._words, self._places, self._known))
        self._known = max(self._known, number + 1)
        return number

    def addresses(self) -> list[bytes]:
        """All addresses by number."""
        words = self._words[: self._known * table_loop.WORDS].reshape(-1, table_loop.WORDS)
        octets = words[:, 1:].astype(">u4").tobytes()
        return [octets[16 * i : 16 * i + (4 if version == 4 else 16)] for i, version in enumerate(words[:, 0].tolist())]

    def _grow(self, more: int) -> None:
        """Room for `more` packets of new flows, the hash table at most half full."""
        flows = int(self.totals[1])
        if (flows + more) * table_loop.COLUMNS > len(self._flows):
            self._flows = _longer(self._flows, (flows + more) * table_loop.COLUMNS)
        if 2 * (flows + more) > len(self._index):
            self._index = np.full(_power(4 * (flows + more)), -1, np.int32)
            self._loops.reindex(self._flows, flows, table_loop.COLUMNS, self._index)

    def _grow_addresses(self, more: int) -> None:
        """Room for `more` new addresses, likewise."""
        if (self._known + more) * table_loop.WORDS > len(self._words):
            self._words = _longer(self._words, (self._known + more) * table_loop.WORDS)
        if 2 * (self._known + more) > len(self._places):
            self._places = np.full(_power(4 * (self._known + more)), -1, np.int32)
            self._loops.reindex(self._words, self._known, table_loop.WORDS, self._places)

    def _grow_strings(self, hellos: int, size: int) -> None:
        count, used = int(self.totals[skim_loop.STRINGS]), int(self.totals[skim_loop.USED])
        if used + size + len(self._parts) > len(self._strings):
            self._strings = _longer(self._strings, used + size + len(self._parts))
        if 2 * (count + 2 * hellos) > len(self._spans):
            self._spans = _longer(self._spans, 2 * (count + 2 * hellos))
        if 2 * (count + 2 * hellos) > len(self._lookup):
            self._lookup = np.full(_power(4 * (count + 2 * hellos)), -1, np.int64)
            self._skim.reindex_strings(self._strings, self._spans, count, self._lookup)

    def finish(self) -> Directory:
        """What can be said once all packets were seen. The table takes no more."""
        self._index = self._places = np.empty(0, np.int32)
        self._lookup = self._parts = self._whole = self._recent = np.empty(0, np.int64)
        count = int(self.totals[1])
        flows = self._flows[: count * table_loop.COLUMNS].reshape(-1, table_loop.COLUMNS)
        ends, ports, sides = flows[:, table_loop.ENDS], flows[:, table_loop.PORTS], flows[:, table_loop.SIDES]
        transport: Any = (ports >> 32).astype(np.int8)
        counts = flows[:, table_loop.COUNTS]
        known = Conversations(
            transport=transport, low_key=(ends >> 31) * PORTS + ((ports >> 16) & 0xFFFF), high_key=(ends & 0x7FFFFFFF) * PORTS + (ports & 0xFFFF),
            first=flows[:, table_loop.FIRST], begin=flows[:, table_loop.BEGIN], end=flows[:, table_loop.END],
            packets=(counts >> 31).astype(np.int32), resets=flows[:, table_loop.RESETS], from_low=(counts & table_loop.HALF).astype(np.int32),
        )  # fmt: skip
        alive = (transport == TCP) | ((sides & table_loop.QUIC) != 0)
        client_low, basis = _orient(known, sides)
        flow = np.where(alive, np.arange(count, dtype=np.int32), np.int32(-1))
        for stray, home in homes_of(known, client_low).items():
            flow[stray] = home
        own = flow == np.arange(count, dtype=np.int32)
        number = np.where(own, np.cumsum(own, dtype=np.int32) - np.int32(1), np.int32(-1))
        bucket = self._bucket_of(known, client_low)
        bucket = np.where(flow >= 0, bucket[np.maximum(flow, 0)], np.int16(-1))
        told = (flows[:, table_loop.HELLO] > 0) & (client_low == ((sides & table_loop.CLIENT_LOW) != 0)) & (basis == BY_SYN)
        strings = [self._strings[a : a + n].tobytes() for a, n in self._spans[: 2 * int(self.totals[skim_loop.STRINGS])].reshape(-1, 2).tolist()]
        hellos = Hellos(
            strings, np.where(told, flows[:, table_loop.HELLO] - 1, -1).astype(np.int32), flows[:, table_loop.NAME].astype(np.int32),
            (flows[:, table_loop.SIZES] & 0xFFFF).astype(np.int32),
        )  # fmt: skip
        laid = (sides >> table_loop.BUCKET).astype(np.int16)
        self._flows = np.empty(0, np.int64)
        return Directory(
            known, flow, number, int(own.sum()), client_low, basis, bucket, laid, hellos,
        )  # fmt: skip

    def _bucket_of(self, known: Conversations, client_low: Bools) -> npt.NDArray[np.int16]:
        words = self._words[: self._known * table_loop.WORDS].reshape(-1, table_loop.WORDS)
        first, second = (np.asarray(_scatter(words[:, a], words[:, b])) for a, b in ((1, 2), (3, 4)))
        client = np.where(client_low, known.low_key, known.high_key)
        client //= PORTS
        return np.asarray((_scatter(first, second) % self._buckets).astype(np.int16)[client], np.int16)


def _scatter(a: Ints, b: Ints) -> Ints:
    """`table_loop.scatter` over arrays."""
    value = (((a & table_loop.MASK) * table_loop.MIX) ^ (b & table_loop.MASK) ^ (a >> 20)) & table_loop.MASK
    value = (value * table_loop.MIX) ^ (b >> 17)
    return np.asarray((value ^ (value >> 13)) & table_loop.MASK, np.int64)


def _orient(known: Conversations, sides: Ints) -> tuple[Bools, npt.NDArray[np.int8]]:
    """As `orient.orient`."""
    basis = np.full(len(sides), BY_PORT, np.int8)
    low_port, high_port = (known.low_key % PORTS).astype(np.uint16), (known.high_key % PORTS).astype(np.uint16)
    client_low = np.where(low_port == high_port, (sides & table_loop.FIRST_LOW) != 0, low_port > high_port)
    for has, which, inverse, word in (
        (table_loop.HAS_SPEECH, table_loop.SPEECH_IS_LOW, False, BY_HELLO),
        (table_loop.HAS_SYN_ACK, table_loop.SYN_ACK_IS_LOW, True, BY_SYN),
        (table_loop.HAS_SYN, table_loop.SYN_IS_LOW, False, BY_SYN),
    ):
        told = (sides & has) != 0
        client_low = np.where(told, ((sides & which) != 0) != inverse, client_low)
        basis[told] = word
    return np.asarray(client_low, np.bool_), basis


def _longer(array: npt.NDArray[Any], least: int) -> npt.NDArray[Any]:
    out = np.zeros(max(least, len(array) * 2), array.dtype)
    out[: len(array)] = array
    return out


def _power(least: int) -> int:
    return 1 << (least - 1).bit_length()
