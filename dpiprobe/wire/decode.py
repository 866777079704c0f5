"""Chunks of frames -> `Packets`: runs the decode loop, puts fragments together, numbers addresses, keeps payload.

Rules of this file:
- It works a chunk at a time and keeps nothing of a chunk but rows and the payload that `kept` grants; so a capture may be longer than memory
  is, once flows settle.
- Rare things (fragments, quotes) take a slow path outside the loop.
- The same bytes give the same packets however they were cut into chunks.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.wire import loop
from dpiprobe.wire.fragments import Reassembler
from dpiprobe.wire.links import READ_LINKS, link_name
from dpiprobe.wire.packets import PACKET_COLUMNS, QUOTE_COLUMNS, Column, Packets, Quotes
from dpiprobe.wire.quoted import read_quote

LOOP_COLUMNS = PACKET_COLUMNS[2:]
"""The columns that the loop fills, in its order: all but number and time."""
REASONS = {
    loop.CUT_LINK: "frame cut before the IP header",
    loop.UNKNOWN_LINK: "link type not read",
    loop.CUT_IP: "IP header cut by the snap length",
    loop.BAD_IP: "IP header that contradicts itself",
    loop.CUT_TRANSPORT: "TCP, UDP or ICMP header cut by the snap length",
    loop.BAD_TRANSPORT: "TCP, UDP or ICMP header that does not fit its datagram",
    loop.BAD_LINK: "link header that contradicts itself",
}
"""Why a frame was not decoded, in plain words; one for each status from CUT_LINK on."""


@dataclass(slots=True)
class Records:
    """Consecutive frames of one chunk: frame i is buf[starts[i]:ends[i]], of link type links[i], captured at times[i] (ns since 1970).

    The four are lists, or arrays that hold until the next chunk is asked for. `origin`: where buf[0] stands in the capture's bytes."""

    buf: bytes
    starts: Any
    ends: Any
    links: Any
    times: Any
    origin: int = 0

    def __len__(self) -> int:
        return len(self.starts)


class Decoder:
    """Append chunks, then `finish`. Counts as in capture.model.Capture: frames, undecoded reasons, other, fragments."""

    def __init__(self, loops: ModuleType = loop) -> None:
        """loops: the decode loop, plain or compiled."""
        self._loops = loops
        self.frames = 0
        self.other = 0
        self.fragments = 0
        self.reasons: Counter[str] = Counter()
        self.links: dict[int, None] = {}
        self._reassembler = Reassembler()
        self._addresses: dict[bytes, int] = {}
        self._columns: list[npt.NDArray[np.int64]] = []
        self._arena: list[bytes] = []
        self._arena_length = 0
        self._quotes: list[list[int]] = []

    def decode(self, records: Records) -> tuple[bytes, npt.NDArray[np.int64], Column]:
        """The rows of one chunk as the loop leaves them, datagrams put together from fragments among them: (the buffer they point into, rows,
        status of each frame)."""
        count = len(records)
        if self._loops is loop:
            out = array("q", (-1,)) * (count * loop.WIDTH)
            status = array("q", bytes(8 * count))
            loop.decode_frames(records.buf, records.starts, records.ends, records.links, count, out, status)
            table, what = np.frombuffer(out, np.int64), np.frombuffer(status, np.int64)
        else:
            table, what = np.full(count * loop.WIDTH, -1, np.int64), np.zeros(count, np.int64)
            self._loops.decode_frames(np.frombuffer(records.buf, np.uint8), *map(np.asarray, (records.starts, records.ends, records.links)), count, table, what)
        table = table.reshape(count, loop.WIDTH)
        buf, statuses = records.buf, np.bincount(what, minlength=loop.BAD_LINK + 1)
        if statuses[loop.FRAGMENT]:
            buf = self._reassemble(records, table, what)
            statuses = np.bincount(what, minlength=loop.BAD_LINK + 1)
        self._count(records, statuses)
        return buf, table, what

    def append(self, records: Records) -> None:
        """Decode one chunk; its frames are numbered on from the chunk before."""
        count = len(records)
        if not count:
            return
        buf, table, what = self.decode(records)
        rows = np.flatnonzero(what == loop.ROW)
        packets = np.empty((len(PACKET_COLUMNS), len(rows)), np.int64)
        packets[0] = rows + (self.frames + 1)
        packets[1] = np.array(records.times, np.int64)[rows]
        packets[2:] = table[rows].T
        self.frames += count
        if not len(rows):
            return
        columns = dict(zip(PACKET_COLUMNS, packets, strict=True))
        self._keep_quotes(buf, columns)
        self._number_addresses(buf, columns)
        self._keep_payload(buf, columns)
        self._columns.append(packets)

    def finish(self) -> Packets:
        """All packets so far; fragments that are still incomplete are counted and given up."""
        self.fragments = self._reassembler.finish()
        every = np.concatenate(self._columns, axis=1) if self._columns else np.empty((len(PACKET_COLUMNS), 0), np.int64)
        quotes = np.array(self._quotes, np.int64).reshape(-1, len(QUOTE_COLUMNS)).T
        return Packets(
            **dict(zip(PACKET_COLUMNS, every, strict=True)),
            addresses=list(self._addresses),
            arena=b"".join(self._arena),
            quotes=Quotes(**{name: np.ascontiguousarray(column) for name, column in zip(QUOTE_COLUMNS, quotes, strict=True)}),
        )

    def _count(self, records: Records, statuses: npt.NDArray[np.int64]) -> None:
        """statuses: how many frames of the chunk have each."""
        for link in dict.fromkeys(records.links) if isinstance(records.links, list) else _distinct(records.links):
            if link >= 0:
                self.links[link] = None
        for status in np.flatnonzero(statuses).tolist():
            number = int(statuses[status])
            if status == loop.OTHER:
                self.other += number
            elif status == loop.UNKNOWN_LINK:
                self.reasons.update(f"{link_name(link)} is not read" for link in np.asarray(records.links).tolist() if link >= 0 and link not in READ_LINKS)
            elif status in REASONS:
                self.reasons[REASONS[status]] += number

    def _reassemble(self, records: Records, table: npt.NDArray[np.int64], what: Column) -> bytes:
        """Feed the chunk's fragments; where a datagram becomes whole its row replaces the last fragment's. The buffer that rows point into."""
        rows: list[int] = []
        whole: list[bytes] = []
        for row in np.flatnonzero(what == loop.FRAGMENT).tolist():
            start, end = int(table[row, loop.PAYLOAD_OFFSET]), int(records.ends[row])
            datagram = self._reassembler.add(records.buf[start:end], int(records.times[row]))
            if datagram is not None:
                rows.append(row)
                whole.append(datagram)
        if not rows:
            return records.buf
        extra = b"".join(whole)
        ends = np.cumsum([len(d) for d in whole]).tolist()
        out = array("q", (-1,)) * (len(rows) * loop.WIDTH)
        status = array("q", bytes(8 * len(rows)))
        loop.decode_frames(extra, [0, *ends[:-1]], ends, [loop.RAW] * len(rows), len(rows), out, status)
        decoded = np.frombuffer(out, np.int64).reshape(-1, loop.WIDTH).copy()
        for place in (loop.SOURCE, loop.DESTINATION, loop.PAYLOAD_OFFSET, loop.QUOTE):
            decoded[:, place] += np.where(decoded[:, place] >= 0, len(records.buf), 0)
        table[rows] = decoded
        # a datagram that holds a fragment of its own does not exist; anything but a row counts as what it is
        what[rows] = np.frombuffer(status, np.int64)
        return records.buf + extra

    def _number_addresses(self, buf: bytes, columns: dict[str, Column]) -> None:
        octets = np.frombuffer(buf, np.uint8)
        for version, size in ((4, 4), (6, 16)):
            mine = columns["version"] == version
            if not mine.any():
                continue
            at = np.concatenate((columns["source"][mine], columns["destination"][mine]))
            keys = octets[at[:, None] + np.arange(size)].view(np.dtype((np.void, size))).ravel()
            unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
            numbers = np.empty(len(unique), np.int64)
            for i in np.argsort(first).tolist():
                numbers[i] = self._address(unique[i].tobytes())
            columns["source"][mine], columns["destination"][mine] = np.split(numbers[inverse.ravel()], 2)

    def _address(self, address: bytes) -> int:
        return self._addresses.setdefault(address, len(self._addresses))

    def _keep_quotes(self, buf: bytes, columns: dict[str, Column]) -> None:
        quote = columns["quote"]
        for row in np.flatnonzero(quote >= 0).tolist():
            start = int(quote[row])
            stop = int(columns["payload_offset"][row] + columns["payload_captured"][row])
            read = read_quote(buf[start:stop])
            if read is None:
                quote[row] = -1
                continue
            values, source, destination = read
            values["source"], values["destination"] = self._address(source), self._address(destination)
            quote[row] = len(self._quotes)
            self._quotes.append([values[name] for name in QUOTE_COLUMNS])

    def _keep_payload(self, buf: bytes, columns: dict[str, Column]) -> None:
        offsets = columns["payload_offset"]
        lengths = kept(columns)
        columns["payload_captured"][:] = lengths
        self._arena.append(b"".join([buf[o : o + n] for o, n in zip(offsets.tolist(), lengths.tolist(), strict=True) if n]))
        ends = np.cumsum(lengths)
        offsets[:] = ends - lengths + self._arena_length
        self._arena_length += int(ends[-1])


def _distinct(links: Any) -> list[int]:
    """The link types of a chunk in order of appearance."""
    numbers = np.asarray(links)
    if len(numbers) and (numbers == numbers[0]).all():
        return [int(numbers[0])]
    return list(dict.fromkeys(numbers.tolist()))


def kept(columns: dict[str, Any]) -> Column:
    """How many captured payload bytes of each packet go into the arena. The one place that decides; for now all of them."""
    lengths: Column = columns["payload_captured"]
    return lengths
