"""Arithmetic over runs of equal group number: what the flow stage does per flow, done for all flows at once.

Every function takes slots that are already sorted by group (ascending), as the flow stage lays them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NOTHING = -1
"""No such slot."""


def first_where(mask: Bools, group: Ints, groups: int) -> Ints:
    """Index of the first slot of each group where `mask` holds, NOTHING where none does; length `groups`."""
    out = np.full(groups, NOTHING, np.int64)
    hits = np.flatnonzero(mask)[::-1]
    out[group[hits]] = hits
    return out


def last_where(mask: Bools, group: Ints, groups: int) -> Ints:
    """Index of the last slot of each group where `mask` holds, NOTHING where none does."""
    out = np.full(groups, NOTHING, np.int64)
    hits = np.flatnonzero(mask)
    out[group[hits]] = hits
    return out


def count_where(mask: Bools, group: Ints, groups: int) -> Ints:
    """How many slots of each group hold."""
    return np.bincount(group[np.flatnonzero(mask)], minlength=groups)


def max_where(mask: Bools, values: Ints, group: Ints, groups: int, default: int) -> Ints:
    """Largest value of each group among the slots that hold; `default` where none does."""
    return _over_runs(np.maximum, mask, values, group, groups, default)


def min_where(mask: Bools, values: Ints, group: Ints, groups: int, default: int) -> Ints:
    """Smallest value of each group among the slots that hold; `default` where none does."""
    return _over_runs(np.minimum, mask, values, group, groups, default)


def sum_where(mask: Bools, values: Ints, group: Ints, groups: int) -> Ints:
    """Sum of the values of each group over the slots that hold."""
    return _over_runs(np.add, mask, values, group, groups, 0)


def _over_runs(join: np.ufunc, mask: Bools, values: Ints, group: Ints, groups: int, default: int) -> Ints:
    """What `join` makes of the values of each group over the slots that hold."""
    out = np.full(groups, default, np.int64)
    hits = np.flatnonzero(mask)
    if len(hits):
        held = group[hits]
        starts = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(held[1:] != held[:-1]) + 1))
        out[held[starts]] = join.reduceat(values[hits], starts)
    return out


_LIFT = 1 << 42
"""Larger than any value that `running_max` is used with (stream offsets span 2^32), so that a later group starts above every earlier one."""


_LIFTS = 1 << 20
"""Groups that can be lifted above one another in 63 bits."""


def running_max(values: Ints, group: Ints) -> Ints:
    """Cumulative maximum inside each group, this slot included. Values must lie within +-2^41."""
    if not len(values):
        return values.copy()
    rank = np.cumsum(np.concatenate(([0], np.diff(group) != 0)).astype(np.int64))
    if rank[-1] >= _LIFTS:  # more groups than fit into 64 bits: those above on their own
        half = int(np.searchsorted(rank, _LIFTS))
        return np.concatenate((running_max(values[:half], group[:half]), running_max(values[half:], group[half:])))
    lifted = values + rank * _LIFT
    return np.asarray(np.maximum.accumulate(lifted) - rank * _LIFT, np.int64)


def shifted(values: Ints, group: Ints, first: Ints | int) -> Ints:
    """Each slot's predecessor in its group; `first` (a scalar or one value a slot) where it is the group's first."""
    out = np.empty_like(values)
    if not len(values):
        return out
    out[1:] = values[:-1]
    starts = np.concatenate(([True], np.diff(group) != 0))
    out[starts] = first if isinstance(first, int) else first[starts]
    return out


def forward_fill(slots: Ints, group: Ints, count: int) -> Ints:
    """For each of `count` slots (group of each in `group`), the latest of the sorted marked `slots` at or before it in its group, else NOTHING."""
    marked = np.full(count, NOTHING, np.int64)
    marked[slots] = slots
    latest = np.maximum.accumulate(marked) if count else marked
    valid = latest >= 0
    same = np.zeros(count, bool)
    same[valid] = group[latest[valid]] == group[valid]
    return np.where(same, latest, NOTHING)
