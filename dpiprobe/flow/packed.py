"""Packed packets (see `pack_loop`) -> `Packets` and their grouping: what a part of a large capture is evaluated from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.group import Grouped
from dpiprobe.flow.pack_loop import PACKED
from dpiprobe.flow.table import Directory
from dpiprobe.wire.packets import OPT_TIMESTAMPS, TCP, UDP, Packets, Quotes

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

Read = Callable[[int, int], bytes]
"""Bytes of the capture: (size, place) -> them."""

AT_ONCE = 512
"""Rows that are turned into columns at once: they lie in a core's nearest cache meanwhile."""
SHORT = 1 << 16
"""Numbers below it numpy sorts by their digits, ten times as fast as longer ones."""


class Unpacked(Packets):
    """Packets whose columns are made when they are first asked for, each once: most of them nobody asks for in most parts."""

    __slots__ = ("_no_tcp", "_not_spoken", "_unstamped", "_words")

    def __init__(self, words: Words, arena: bytes, addresses: list[bytes], read: Read | None, quotes: Quotes, quote: Ints) -> None:
        """words: see `unpack`"""
        self._words = words
        self.arena, self.addresses, self.quotes, self.quote, self.elsewhere = arena, addresses, quotes, quote, _again(words, arena, read)

    def __len__(self) -> int:
        return int(self._words.shape[1])

    def __getattr__(self, name: str) -> Any:
        make = COLUMNS.get(name)
        if make is None:
            raise AttributeError(name)
        column = make(self)
        setattr(self, name, column)  # so that it is found the next time
        return column

    def word(self, place: int) -> Ints:
        """One of the numbers."""
        column: Ints = self._words[place].astype(np.int64)
        return column

    def wide(self, place: int) -> Ints:
        """Two of them as one."""
        column: Ints = self._words[place + 1].view(np.int32).astype(np.int64)
        column <<= 32
        column |= self._words[place]
        return column

    def bits(self, place: int, shift: int, mask: int, less: int = 0) -> Ints:
        """A part of one of them."""
        column: Ints = ((self._words[place] >> np.uint32(shift)) & np.uint32(mask)).astype(np.int64)
        if less:
            column -= less
        return column

    def but(self, silent: str, column: Ints) -> Ints:
        """A column, -1 in the rows of which it tells nothing: nearly none."""
        column[getattr(self, silent)] = -1
        return column


def _again(words: Words, arena: bytes, read: Read | None) -> Callable[[Ints, Ints], list[bytes]]:
    """What `Packets.elsewhere` is. It knows no packets: they would never be let go of."""

    def elsewhere(rows: Ints, sizes: Ints) -> list[bytes]:
        at = words[20][rows].astype(np.int64) | (words[21].view(np.int32)[rows].astype(np.int64) << 32)
        if read is None or (len(at) and at.min() < 0):
            ends, kept = np.cumsum(words[19], dtype=np.int64)[rows], words[19][rows].astype(np.int64)
            each = zip(sizes.tolist(), at.tolist(), (ends - kept).tolist(), ends.tolist(), strict=True)
            return [read(n, p) if read is not None and p >= 0 else arena[a:b] for n, p, a, b in each]
        return list(map(read, sizes.tolist(), at.tolist()))

    return elsewhere


def _only(rows: Ints, column: Ints) -> Ints:
    """A column that tells something of these rows alone."""
    out = np.full(len(column), -1, np.int64)
    out[rows] = column[rows]
    return out


COLUMNS: dict[str, Callable[[Unpacked], Ints]] = {
    "number": lambda p: p.word(1),
    "time": lambda p: p.wide(2),
    "version": lambda p: p.bits(4, 0, 0xFF),
    "protocol": lambda p: p.bits(4, 8, 0xFF),
    "ttl": lambda p: p.bits(4, 16, 0xFF),
    "tos": lambda p: p.bits(4, 24, 0xFF),
    "source": lambda p: p.word(5),
    "destination": lambda p: p.word(6),
    "source_port": lambda p: p.but("_not_spoken", p.bits(7, 16, 0xFFFF)),
    "destination_port": lambda p: p.but("_not_spoken", p.bits(7, 0, 0xFFFF)),
    "icmp_type": lambda p: _only(p._not_spoken, p.bits(7, 16, 0xFFFF)),
    "icmp_code": lambda p: _only(p._not_spoken, p.bits(7, 0, 0xFFFF)),
    "ip_id": lambda p: p.bits(8, 0, 0x1FFFF, 1),
    "df": lambda p: p.bits(8, 17, 3, 1),
    "ip_options": lambda p: p.bits(8, 19, 1),
    "window_scale": lambda p: p.bits(8, 20, 0x1FF, 1),
    "wordless": lambda p: p.bits(8, 29, 1),
    "ip_length": lambda p: p.word(9),
    "flags": lambda p: p.but("_no_tcp", p.bits(10, 0, 0xFFF)),
    "options": lambda p: p.but("_no_tcp", p.bits(10, 12, 0x7FF)),
    "tcp_header_length": lambda p: p.but("_no_tcp", p.bits(10, 23, 0x1FF)),
    "seq": lambda p: p.but("_no_tcp", p.word(11)),
    "ack": lambda p: p.but("_no_tcp", p.word(12)),
    "window": lambda p: p.but("_no_tcp", p.bits(13, 16, 0xFFFF)),
    "urgent": lambda p: p.but("_no_tcp", p.bits(13, 0, 0xFFFF)),
    "ts_value": lambda p: p.but("_unstamped", p.word(14)),
    "ts_echo": lambda p: p.but("_unstamped", p.word(15)),
    "mss": lambda p: p.word(16) - 1,
    "payload_length": lambda p: p.word(17),
    "payload_captured": lambda p: p.word(18),
    "kept": lambda p: p.word(19),
    "payload_offset": lambda p: np.cumsum(p.word(19)) - p.word(19),
    "_no_tcp": lambda p: np.flatnonzero(p.protocol != TCP),
    "_not_spoken": lambda p: np.flatnonzero((p.protocol != TCP) & (p.protocol != UDP)),
    "_unstamped": lambda p: np.flatnonzero((p.options < 0) | ((p.options & OPT_TIMESTAMPS) == 0)),
}
"""How each column is made of the numbers that `pack_loop.pack` writes; `_*`: rows that are no TCP, neither TCP nor UDP, without timestamps."""


def unpack(words: Words, arena: bytes, addresses: list[bytes], read: Read | None, quotes: Quotes, quote: Ints) -> Packets:
    """n packed packets, one a column (PACKED, n), in the order given. `arena`: what was kept of their payloads, one after the other · `quotes`,
    `quote`: of all packets, -1 where one quotes nothing."""
    return Unpacked(words, arena, addresses, read, quotes, quote)


def turn(rows: Words, columns: Words) -> None:
    """Write packed rows (n, PACKED) as columns (PACKED, n)."""
    for begin in range(0, len(rows), AT_ONCE):
        columns[:, begin : begin + AT_ONCE] = rows[begin : begin + AT_ONCE].T


def turned(rows: Words) -> Words:
    """Packed rows as columns."""
    columns = np.empty((PACKED, len(rows)), np.uint32)
    turn(rows, columns)
    return columns


def sides_of(words: Words) -> tuple[Ints, Ints]:
    """(flow by the table's number or -1, 1 where the lower endpoint sent it) of packed packets (PACKED, n)."""
    both = words[0].view(np.int32).astype(np.int64)
    return both >> 1, np.asarray(both & (both >= 0), np.int64)


def regroup(directory: Directory, flow: Ints, lower: Ints, error: npt.NDArray[np.bool_]) -> tuple[Grouped, npt.NDArray[np.bool_], Ints, Ints]:
    """The grouping of a part's rows: (grouped, client_low, oriented_by, the table's number of each flow).

    flow: of each row by the table's number, of an ICMP error (`error`) the flow it quotes · rows of strays name their own conversation
    """
    home = directory.flow[flow]
    here = np.zeros(len(directory.flow), np.bool_)
    here[home] = True
    mine = np.flatnonzero(here)  # in the order of their numbers, as `finish` gave those
    rank = np.empty(len(directory.flow), np.uint16 if len(mine) <= SHORT else np.int32)
    rank[mine] = np.arange(len(mine))
    local = rank[home]
    order = np.argsort(local, kind="stable")
    strange = home != flow
    joined = np.where(error, 3, np.where(strange, 2, 0))[order] if strange.any() or error.any() else np.zeros(len(flow), np.int64)
    known = directory.conversations
    grouped = Grouped(
        order, np.repeat(np.arange(len(mine)), np.bincount(local, minlength=len(mine))), lower[order], joined, len(mine),
        known.low_key[mine], known.high_key[mine],
        known.transport[mine].astype(np.int64),
    )  # fmt: skip
    return grouped, directory.client_low[mine], directory.oriented_by[mine].astype(np.int64), mine


__all__ = ["PACKED", "regroup", "sides_of", "turn", "turned", "unpack"]
