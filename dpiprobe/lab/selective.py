"""Selective acknowledgements of one side: what a receiver tells of what it holds, and what a sender knows to have arrived (RFC 2018, RFC 2883).

Rules of this file: pure; sequence numbers are raw, compared by `segment.after`; ranges are (first byte, byte after the last).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from dpiprobe.lab import segment

Range = tuple[int, int]
_BLOCKS = 3  # beside timestamps no more fit (RFC 2018 section 3)


def blocks(stored: Mapping[int, bytes], expected: int, latest: int, again: Range | None) -> list[Range]:
    """What the receiver reports: a duplicate first, then the range with what came last, then the others from above."""
    held = _joined([(start, (start + len(data)) & 0xFFFFFFFF) for start, data in stored.items()], expected)
    held.sort(key=lambda one: (not 0 <= segment.after(latest, one[0]) < segment.after(one[1], one[0]), -segment.after(one[0], expected)))
    return [*([again] if again is not None else []), *held][:_BLOCKS]


def option(ranges: Iterable[Range]) -> bytes:
    """The TCP option, with two bytes of padding before it; empty for no range."""
    body = b"".join(struct.pack("!II", *one) for one in ranges)
    return b"\x01\x01" + bytes((5, 2 + len(body))) + body if body else b""


def read(value: bytes) -> list[Range]:
    """The ranges of an option's value."""
    return [(first, last) for first, last in struct.iter_unpack("!II", value[: len(value) // 8 * 8])]


def _joined(ranges: list[Range], base: int) -> list[Range]:
    """Ranges that touch as one, in order from `base` on."""
    out: list[Range] = []
    for start, end in sorted(ranges, key=lambda one: segment.after(one[0], base)):
        if out and segment.after(start, out[-1][1]) <= 0:
            if segment.after(end, out[-1][1]) > 0:
                out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


class Scoreboard:
    """What of the sent bytes the peer has told to hold, above the cumulative acknowledgement."""

    def __init__(self) -> None:
        self.held: list[Range] = []

    def note(self, told: Iterable[Range], una: int, nxt: int) -> bool:
        """Take reported ranges in, and forget what lies below `una`; True where something new was told."""
        before = self.held
        room = segment.after(nxt, una)
        fresh = [one for one in told if 0 < segment.after(one[0], una) < segment.after(one[1], una) <= room]  # others: duplicates, or nonsense
        above = [(start if segment.after(start, una) > 0 else una, end) for start, end in before if segment.after(end, una) > 0]
        self.held = _joined([*above, *fresh], una)
        return bool(fresh) and self.held != above

    def clear(self) -> None:
        """Nothing is known any more."""
        self.held = []

    def top(self, una: int) -> int:
        """The byte after the highest that has arrived."""
        return self.held[-1][1] if self.held else una

    def hole(self, start: int, end: int) -> Range | None:
        """The first range from `start` on, below `end`, that has not arrived."""
        for first, last in self.held:
            if segment.after(first, start) > 0:
                return (start, first if segment.after(first, end) < 0 else end) if segment.after(end, start) > 0 else None
            if segment.after(last, start) > 0:
                start = last
        return (start, end) if segment.after(end, start) > 0 else None

    def missing(self, start: int, end: int) -> int:
        """Bytes of that stretch that have not arrived."""
        count = max(0, segment.after(end, start))
        for first, last in self.held:
            low = first if segment.after(first, start) > 0 else start
            high = last if segment.after(last, end) < 0 else end
            count -= max(0, segment.after(high, low))
        return max(0, count)
