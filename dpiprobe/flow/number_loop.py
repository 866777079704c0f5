"""Equal keys get equal numbers: the form of `numbers.py` that is compiled for large captures.

Rules of this file: those of `wire/loop.py` (plain Python over arrays of integers; every element goes through `int()`; no dicts, objects or slices).
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

from dpiprobe.wire.loop import Decorator, _plain

jit: Decorator = globals().get("jit", _plain)

Column = MutableSequence[int]

MIX, MASK = 1000003, (1 << 30) - 1


@jit
def number(keys: Sequence[int], count: int, mask: int, places: Column, of: Column, first: Column) -> int:
    """Fill `of` with the number of each key, in order of appearance, and `first` with where each number comes first; how many there are.

    places: a hash table of -1, mask + 1 long: a power of two that is at least twice as large as `count`
    """
    found = 0
    for i in range(count):
        key = int(keys[i])
        mark = ((key ^ (key >> 29)) & MASK) * MIX
        spot = (mark ^ (mark >> 17)) & mask
        while int(places[spot]) >= 0 and int(keys[int(first[int(places[spot])])]) != key:
            spot = (spot + 1) & mask
        if int(places[spot]) < 0:
            places[spot] = found
            first[found] = i
            found += 1
        of[i] = int(places[spot])
    return found
