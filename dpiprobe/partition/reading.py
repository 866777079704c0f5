"""The reading pass over a large capture: decode, find flows, lay rows down by client; then `Parts`, from which any bucket can be taken up.

Rules of this file:
- Nothing of a chunk stays but packed rows and the payload that is kept at hand; a plain file is read again where more is asked for.
- What a part is evaluated from does not depend on how the capture was cut into chunks, nor on the number of buckets.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.capture.ahead import Ahead
from dpiprobe.capture.model import Capture
from dpiprobe.capture.read import Reading
from dpiprobe.capture.together import Together
from dpiprobe.flow import pack_loop, table_loop
from dpiprobe.flow.flows import Flows
from dpiprobe.flow.group import PORTS
from dpiprobe.flow.packed import PACKED, regroup, sides_of, unpack
from dpiprobe.flow.settle import settle_grouped
from dpiprobe.flow.table import Directory, FlowTable
from dpiprobe.partition.rows import Rows
from dpiprobe.wire import loop
from dpiprobe.wire.decode import Decoder
from dpiprobe.wire.packets import ICMP, ICMPV6, QUOTE_COLUMNS, Packets, Quotes, empty_quotes
from dpiprobe.wire.quoted import read_quote

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

Hear = Callable[[FlowTable, Words, npt.NDArray[np.uint8]], None]
"""What is called with each chunk that was laid down: the flow table, packed rows, what is kept of their payloads."""
BUCKETS = 32
"""Parts that clients are divided among, at least: enough for the processes of a machine to share, and few enough that a part of a short capture has flows
by the hundred, since what is done once for a part costs as much as some hundred flows (our own measurement: 64 cost a sixth more at 100 MB); policy."""

A_FLOW = 300
"""Bytes that a flow takes in the process that reads, in the table and then in what parts say of it (our own measurement); they are rows' no more."""
PAYLOAD = 1 << 16
"""Bytes of the longest payload of one packet."""
TURN = 0.0005
"""Seconds after which plain code makes way for a loop's thread that comes back from its loop (Python's own 5 ms are five loops' time); policy."""
AHEAD = 2
"""Decoded chunks that wait for the flow table at most; a chunk is decoded about as fast as it is entered."""


@dataclass(slots=True)
class Loops:
    """The loops, all plain or all compiled. `walk`: None where the record walk is the format's own plain one"""

    decode: Any = loop
    table: Any = table_loop
    pack: Any = pack_loop
    walk: Any = None


@dataclass(slots=True)
class _Aside:
    """ICMP errors that quote something: rare, and their flow is known at the end only."""

    words: list[Words] = field(default_factory=list)
    payload: list[bytes] = field(default_factory=list)
    quotes: list[list[int]] = field(default_factory=list)


class Parts:
    """A capture that was read: `take(bucket)` gives the flows of some of its clients. `capture` holds no packets."""

    def __init__(self, capture: Capture, rows: Rows, directory: Directory, addresses: list[bytes], aside: _Aside, latest: int, file: int | None) -> None:
        self.capture = capture
        self.directory = directory
        self._rows = rows
        self._addresses = addresses
        self._latest = latest
        self._file = file
        self._moved: dict[int, list[tuple[Words, bytes]]] = {}
        self._errors: dict[int, list[int]] = {}
        self._aside = aside
        self._error_flow, self._error_lower = self._find_errors()
        directory.slim()
        self._move()

    def __len__(self) -> int:
        return self.directory.count

    def buckets(self) -> list[int]:
        """Buckets that hold something, the largest first."""
        sizes = self._rows.sizes()
        order = np.argsort(-sizes, kind="stable").tolist() if len(sizes) else []
        return [b for b in order if sizes[b] or b in self._moved or b in self._errors]

    def _find_errors(self) -> tuple[dict[int, int], dict[int, int]]:
        """The flow that each ICMP error aside quotes, and whether its lower endpoint sent the quoted packet."""
        aside = self._aside
        if not aside.words:
            return {}, {}
        packets = unpack(np.stack(aside.words, axis=1), b"".join(aside.payload), self._addresses, None, _quotes(aside.quotes), np.arange(len(aside.words)))
        rows, flows, lower = self.directory.errors(packets)
        for row, flow in zip(rows.tolist(), flows.tolist(), strict=True):
            self._errors.setdefault(int(self.directory.bucket[flow]), []).append(row)
        return dict(zip(rows.tolist(), flows.tolist(), strict=True)), dict(zip(rows.tolist(), lower.tolist(), strict=True))

    def _move(self) -> None:
        """Rows that were laid by a first guess of their client, and belong elsewhere."""
        directory = self.directory
        strange = (directory.flow >= 0) & (directory.bucket != directory.laid)
        for bucket in np.unique(directory.laid[strange]).tolist():
            words, arena = self._rows.take(bucket)
            flow, _ = sides_of(words)
            ends = np.cumsum(words[19].astype(np.int64))
            for row in np.flatnonzero(strange[flow]).tolist():
                body = arena[int(ends[row]) - int(words[19, row]) : int(ends[row])]
                self._moved.setdefault(int(directory.bucket[flow[row]]), []).append((words[:, row].copy(), body))

    def take(self, bucket: int) -> Flows:
        """The flows of the clients of one bucket; `numbers` of them are the capture's."""
        words, arena = self._rows.take(bucket)
        directory = self.directory
        flow, lower = sides_of(words)
        error = np.zeros(len(flow), bool)
        quotes, quote = empty_quotes(), np.full(len(flow), -1, np.int64)
        here = directory.bucket[flow] == bucket
        moved, errors = self._moved.get(bucket, []), self._errors.get(bucket, [])
        if moved or errors or not here.all():
            kept = words[19].astype(np.int64)
            ends = np.cumsum(kept)
            stay = np.flatnonzero(here)
            bodies = [arena[int(ends[r]) - int(kept[r]) : int(ends[r])] for r in stay.tolist()]
            extra = [w for w, _ in moved] + [self._aside.words[r] for r in errors]
            words = np.concatenate((np.take(words, stay, axis=1), *([np.stack(extra, axis=1)] if extra else [])), axis=1)
            bodies += [b for _, b in moved] + [self._aside.payload[r] for r in errors]
            flow, lower = sides_of(words)
            error = np.zeros(len(flow), bool)
            quote = np.full(len(flow), -1, np.int64)
            if errors:
                first = len(flow) - len(errors)
                error[first:] = True
                flow[first:] = [self._error_flow[r] for r in errors]
                lower[first:] = [self._error_lower[r] for r in errors]
                quotes, quote[first:] = _quotes([self._aside.quotes[r] for r in errors]), np.arange(len(errors))
            order = np.argsort(words[1], kind="stable")
            words, flow, lower, error, quote = np.take(words, order, axis=1), flow[order], lower[order], error[order], quote[order]
            arena = b"".join([bodies[i] for i in order.tolist()])
        packets = unpack(words, arena, self._addresses, partial(os.pread, self._file) if self._file is not None else None, quotes, quote)
        grouped, client_low, oriented_by, mine = regroup(directory, flow, lower, error)
        flows = settle_grouped(packets, grouped, client_low, oriented_by, directory.hellos.triggers(mine))
        flows.numbers, flows.watched_until = directory.number[mine].astype(np.int64), self._latest
        return flows

    def endpoints(self) -> Iterator[tuple[tuple[bytes, int], tuple[bytes, int]]]:
        """(client, server) of every flow, each as address and port."""
        directory, known = self.directory, self.directory.conversations
        for flow in np.flatnonzero(directory.number >= 0).tolist():
            ends = [(self._addresses[int(key[flow]) // PORTS], int(key[flow]) % PORTS) for key in (known.low_key, known.high_key)]
            client, server = ends if directory.client_low[flow] else reversed(ends)
            yield client, server

    def close(self) -> None:
        """Let go of everything."""
        self._rows.close()


def _quotes(rows: list[list[int]]) -> Quotes:
    table = np.array(rows, np.int64).reshape(-1, len(QUOTE_COLUMNS)).T
    return Quotes(**{name: np.ascontiguousarray(column) for name, column in zip(QUOTE_COLUMNS, table, strict=True)})


@dataclass(slots=True)
class _Decoded:
    """One chunk, decoded, its addresses numbers. number: of its first frame · limit: what stands behind it in `buf` stands nowhere in the file"""

    buf: bytes
    table: Ints
    what: Ints
    times: Ints
    number: int
    origin: int
    limit: int


def read_parts(
    reading: Reading | Together, loops: Loops, *, buckets: int = BUCKETS, memory: int | None = None, file: int | None = None, hear: Hear | None = None,
    meanwhile: Callable[[], Any] | None = None,
) -> Parts:  # fmt: skip
    """Read a capture to its end, but for its hash (`Reading.sha256`). `file`: descriptor of the plain file that it is, from which payload can be read
    again · `hear`: of each chunk.

    A plain file is read and decoded, and its addresses numbered, by a thread of its own, a little ahead of the flow table. `meanwhile`: done by
    another from the second chunk on (with the first the loops themselves are loaded), and done at the end; what it raises is raised here.
    """
    decoder = Decoder(loops.decode)
    table = FlowTable(loops.table, buckets)
    rows = Rows() if memory is None else Rows(memory)
    aside = _Aside()
    room = np.empty(0 if loops.pack is pack_loop else PAYLOAD, np.uint8)  # plain loops would look for text longer than reading a payload again takes
    chunks = _decoded(reading, decoder, table, aside, loops, file is not None)
    beside = Ahead(chunks, AHEAD) if file is not None and hear is None else None
    other: Ahead[bool] | None = None
    turn = sys.getswitchinterval()
    try:
        for chunk in beside or chunks:
            _lay(chunk, table, rows, loops, room, hear)
            if other is None and meanwhile is not None:
                sys.setswitchinterval(TURN)
                other = Ahead(_once(meanwhile), 1)
        if other is not None:
            next(other)
    finally:
        sys.setswitchinterval(turn)
        for thread in (beside, other):
            if thread is not None:
                thread.stop()
    latest = int(table.totals[2]) if table.totals[2] > -(1 << 62) else 0
    decoder.finish()
    capture = reading.capture(decoder, _no_packets(), hashed=False)
    addresses = table.addresses()
    return Parts(capture, rows, table.finish(), addresses, aside, latest, file)


def _once(work: Callable[[], Any]) -> Iterator[bool]:
    work()
    yield True


def _no_packets() -> Packets:
    return Decoder().finish()


def _decoded(reading: Reading | Together, decoder: Decoder, table: FlowTable, aside: _Aside, loops: Loops, again: bool) -> Iterator[_Decoded]:
    """The chunks of a capture, decoded. `again`: its bytes can be read again."""
    for records in reading.frames():
        if not len(records):
            continue
        number = decoder.frames + 1
        buf, rows, what = decoder.decode(records)
        decoder.frames += len(records)
        times = np.array(records.times, np.int64)
        quoting = np.flatnonzero(rows[:, loop.QUOTE] >= 0)
        if len(quoting):
            errors = quoting[(what[quoting] == loop.ROW) & np.isin(rows[quoting, loop.PROTOCOL], (ICMP, ICMPV6))]
            _quote(buf, rows, times, number, errors.tolist(), table, aside)
        table.locate(_octets(buf, loops), rows.reshape(-1), what)
        yield _Decoded(buf, rows, what, times, number, records.origin, len(records.buf) if again else 0)


def _octets(buf: bytes, loops: Loops) -> Any:
    return buf if loops.table is table_loop else np.frombuffer(buf, np.uint8)


def _lay(chunk: _Decoded, table: FlowTable, rows: Rows, loops: Loops, room: npt.NDArray[np.uint8], hear: Hear | None) -> None:
    """One chunk: entered into the table, its rows laid by bucket."""
    flat = chunk.table.reshape(-1)
    octets = _octets(chunk.buf, loops)
    entered = table.enter(octets, flat, chunk.what, chunk.times, chunk.number, chunk.limit)
    edges, sizes = entered.edges, entered.sizes
    if not edges[-1]:
        return
    rows.leave(table.count * A_FLOW)
    words, arena = rows.room(int(edges[-1]), int(sizes[-1]))
    loops.pack.pack(
        octets, flat, chunk.times, len(chunk.what), chunk.number, chunk.origin, chunk.limit, entered.flow_of, entered.kept, entered.laid, edges.copy(),
        sizes.copy(), words.reshape(-1), arena, room,
    )  # fmt: skip
    rows.add(edges, sizes, words, arena)
    if hear is not None:
        hear(table, words, arena)


def _quote(buf: bytes, decoded: Ints, times: Ints, number: int, errors: list[int], table: FlowTable, aside: _Aside) -> None:
    """Put the ICMP errors of a chunk aside, before its addresses become numbers. `number`: of its first frame"""
    for row in errors:
        start = int(decoded[row, loop.QUOTE])
        at, size = int(decoded[row, loop.PAYLOAD_OFFSET]), int(decoded[row, loop.PAYLOAD_CAPTURED])
        read = read_quote(buf[start : at + size])
        if read is None:
            continue
        values, source, destination = read
        values["source"], values["destination"] = table.address(source), table.address(destination)
        one = decoded[row].copy()
        version, width = int(one[loop.VERSION]), 4 if int(one[loop.VERSION]) == 4 else 16
        for place in (loop.SOURCE, loop.DESTINATION):
            one[place] = table.address(buf[int(one[place]) : int(one[place]) + width])
        assert version in (4, 6)
        words = np.empty(PACKED, np.uint32)
        arena = bytearray(size)
        pack: Any = pack_loop.pack
        pack(buf, one, times[row : row + 1], 1, number + row, 0, 0, [-1], [size], [0], [0], [0], words, arena, b"")
        aside.words.append(words)
        aside.payload.append(bytes(arena))
        aside.quotes.append([values[name] for name in QUOTE_COLUMNS])
