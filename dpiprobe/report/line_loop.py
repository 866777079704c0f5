"""Lines from pieces of text and columns of numbers, laid down one behind the other.

Rules of this file (as in `wire/loop.py`): written once as plain Python over arrays of integers, compiled for large captures.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence

from dpiprobe.wire.loop import Decorator, _plain

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)

TEXT, PIECE, NUMBER, NINE = 0, 1, 2, 3
"""What stands at a place of a line: always the same piece; the piece that a column names; a column's number; that with nine digits."""


@jit
def decimal(number: int, out: MutableSequence[int], at: int, least: int) -> int:
    """Write a number with at least so many digits; where it ends."""
    if number < 0:
        out[nth(at)] = 45
        at += 1
        number = -number
    digits, rest = 1, number // 10
    while rest > 0:
        digits += 1
        rest //= 10
    digits = max(digits, least)
    for i in range(digits):
        out[nth(at + digits - 1 - i)] = 48 + number % 10
        number //= 10
    return at + digits


@jit
def lay(
    arena: Sequence[int], begins: Sequence[int], kinds: Sequence[int], which: Sequence[int], columns: Sequence[Sequence[int]], count: int,
    out: MutableSequence[int], ends: MutableSequence[int],
) -> None:  # fmt: skip
    """Write `count` lines to `out`, and where each ends to `ends`.

    arena: pieces of text one behind the other; begins: where each begins, and the last ends · kinds, which: of each place of a line, TEXT to NINE, and
    the piece or the column
    """
    at = 0
    for line in range(count):
        for place in range(len(kinds)):
            kind, of = int(kinds[nth(place)]), int(which[nth(place)])
            if kind == NUMBER:
                at = decimal(int(columns[of][line]), out, at, 1)
            elif kind == NINE:
                at = decimal(int(columns[of][line]), out, at, 9)
            else:
                piece = of if kind == TEXT else int(columns[of][line])
                begin, end = int(begins[nth(piece)]), int(begins[nth(piece + 1)])
                for i in range(end - begin):
                    out[nth(at + i)] = arena[nth(begin + i)]
                at += end - begin
        ends[nth(line)] = at
