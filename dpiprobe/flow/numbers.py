"""Equal keys get equal numbers, in order of appearance: how flows that have something in common find together.

Alone responsible for choosing how: by the loop where this process has it as machine code, by a table where keys are small, else by sorting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow import number_loop
from dpiprobe.wire.compiled import at_hand

Ints = npt.NDArray[np.int64]

WIDE = 32
"""Keys that reach so many times as far as there are of them are looked up in a table, which costs less than sorting them (our own measurement)."""


def numbers(key: Ints) -> tuple[Ints, Ints]:
    """(the number of each key, where each number comes first)"""
    loops = at_hand(number_loop)
    if loops is not None:
        return by_loop(loops, key)
    count = len(key)
    if count and int(key.min()) >= 0 and (width := int(key.max()) + 1) <= WIDE * count:
        return _by_table(key, width)
    return _by_order(key)


def by_loop(loops: Any, key: Ints) -> tuple[Ints, Ints]:
    """The same by a loop."""
    count = len(key)
    size = 2 << max(count, 1).bit_length()
    of, first = np.empty(count, np.int64), np.empty(count, np.int64)
    found = loops.number(np.ascontiguousarray(key, np.int64), count, size - 1, np.full(size, -1, np.int32), of, first)
    return of, first[:found].copy()


def _by_table(key: Ints, width: int) -> tuple[Ints, Ints]:
    """Of keys from 0 to below `width`."""
    count = len(key)
    first = np.full(width, -1, np.int32)
    first[key[::-1]] = np.arange(count - 1, -1, -1, dtype=np.int32)
    leads = np.flatnonzero(first[key] == np.arange(count, dtype=np.int32))
    first[key[leads]] = np.arange(len(leads), dtype=np.int32)
    return np.asarray(first[key], np.int64), leads


def _by_order(key: Ints) -> tuple[Ints, Ints]:
    _, begins, inverse = np.unique(key, return_index=True, return_inverse=True)
    rank = np.empty(len(begins), np.int64)
    order = np.argsort(begins)
    rank[order] = np.arange(len(begins))
    return rank[inverse], np.asarray(begins[order], np.int64)
