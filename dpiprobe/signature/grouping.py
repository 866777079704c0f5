"""Splits selected packets into groups and judges whole groups: count, span, step, seq_offsets.

Rules of this file:
- A group is what is equal in `same` within one flow; without `same` all selected packets of the flow are one group.
- Differences are modular where the field is (16 bits for IP ID and window, 32 for sequence numbers) and signed: -1 is 65535 -> 65534.
- A step needs two packets. A group whose step or offsets cannot be seen is neither held nor failed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.signature.clause import Packets
from dpiprobe.signature.predicates import Questions

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MODULUS = {"ipid": 1 << 16, "ipid_step": 1 << 16, "ipid_mirror": 1 << 16, "window": 1 << 16, "seq_raw": 1 << 32, "ack_raw": 1 << 32}


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of one clause, by flow. rows: suspects, group by group · starts, ends: slices of `rows` · flow, first, last: of each group
    (first and last are rows) · holds, unseen: what the conditions say"""

    rows: Ints
    starts: Ints
    ends: Ints
    flow: Ints
    first: Ints
    last: Ints
    holds: Bools
    unseen: Bools

    def winners(self, floor: Ints) -> Ints:
        """Of each flow the group that holds and begins earliest, behind row `floor[flow]`."""
        candidates = np.flatnonzero(self.holds & (self.first > floor[self.flow]))
        order = candidates[np.lexsort((self.first[candidates], self.flow[candidates]))]
        _, leaders = np.unique(self.flow[order], return_index=True)
        return order[leaders]

    def members(self, groups: Ints) -> Ints:
        """All rows of these groups, ascending."""
        if not len(groups):
            return np.empty(0, np.int64)
        return np.sort(np.concatenate([self.rows[a:b] for a, b in zip(self.starts[groups].tolist(), self.ends[groups].tolist(), strict=True)]))


def group(clause: Packets, selected: Ints, questions: Questions) -> Groups:
    """The groups that these rows (ascending) fall into, judged. At least one row must be given."""
    table = questions.table
    rows = selected
    flow = table.flow[rows]
    keys = [questions.values(feature).data[rows] for feature in clause.same]
    if keys:
        order = np.lexsort((rows, *keys, flow))
        rows, flow = rows[order], flow[order]
        keys = [key[order] for key in keys]
    change = flow[1:] != flow[:-1]
    for key in keys:
        change |= key[1:] != key[:-1]
    starts = np.concatenate(([0], np.flatnonzero(change) + 1))
    ends = np.append(starts[1:], len(rows))
    size = ends - starts
    holds = clause.count.mask(size)
    unseen = np.zeros(len(starts), np.bool_)
    if clause.span is not None:
        time = table.time[rows]
        holds &= clause.span.mask(np.maximum.reduceat(time, starts) - np.minimum.reduceat(time, starts))
    inner = np.ones(len(rows), np.bool_)
    inner[starts] = False
    for predicate in clause.step:
        values = questions.values(predicate.feature)
        column = values.data[rows].astype(np.int64)
        difference = _signed(column - np.roll(column, 1), MODULUS.get(predicate.feature))
        wrong = inner & ~predicate.test.mask(difference)
        hidden = np.logical_or.reduceat(~values.known[rows], starts)
        holds &= (size >= 2) & ~np.logical_or.reduceat(wrong, starts) & ~hidden
        unseen |= hidden
    if clause.offsets:
        values = questions.values("seq_raw")
        sequence = values.data[rows]
        place = np.arange(len(rows)) - np.repeat(starts, size)
        wanted = np.array([*clause.offsets, 0], np.int64) - clause.offsets[0]
        expected = wanted[np.minimum(place, len(clause.offsets))]
        wrong = _signed(sequence - np.repeat(sequence[starts], size), MODULUS["seq_raw"]) != expected
        hidden = np.logical_or.reduceat(~values.known[rows], starts)
        holds &= (size == len(clause.offsets)) & ~np.logical_or.reduceat(wrong, starts) & ~hidden
        unseen |= hidden
    return Groups(rows, starts, ends, flow[starts], rows[starts], rows[ends - 1], holds, unseen)


def _signed(difference: Ints, modulus: int | None) -> Ints:
    """The difference of smallest size that is equal to this one modulo the field's size."""
    if modulus is None:
        return difference
    return (difference + modulus // 2) % modulus - modulus // 2
