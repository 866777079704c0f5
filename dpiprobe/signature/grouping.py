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
from dpiprobe.signature.predicates import Rows

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MODULUS = {"ipid": 1 << 16, "ipid_step": 1 << 16, "ipid_mirror": 1 << 16, "window": 1 << 16, "seq_raw": 1 << 32, "ack_raw": 1 << 32}


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of one clause, by flow. rows: suspects, group by group · starts, ends: slices of `rows` · flow, first, last: of each group
    (first and last are rows) · holds, unseen: what the conditions say, None where all hold and where all is seen · single: one group a flow"""

    rows: Ints
    starts: Ints
    ends: Ints
    flow: Ints
    first: Ints
    last: Ints
    holds: Bools | None
    unseen: Bools | None
    single: bool

    def winners(self, floor: Ints | None) -> Ints:
        """Of each flow the group that holds and begins earliest, behind row `floor` (of each group's flow; None where there is none)."""
        good = self.holds if floor is None else self.first > floor if self.holds is None else self.holds & (self.first > floor)
        candidates = good.nonzero()[0] if good is not None else np.arange(len(self.flow))
        if self.single or not len(candidates):
            return candidates
        order = candidates[np.lexsort((self.first[candidates], self.flow[candidates]))]
        flow = self.flow[order]
        leads = np.ones(len(order), np.bool_)
        leads[1:] = flow[1:] != flow[:-1]
        return order[leads]

    def members(self, groups: Ints) -> Ints:
        """All rows of these groups, ascending."""
        if len(groups) == len(self.starts):
            return self.rows if self.single else np.sort(self.rows)
        chosen = np.zeros(len(self.starts), np.bool_)
        chosen[groups] = True
        rows = self.rows[np.repeat(chosen, self.ends - self.starts)]
        return rows if self.single else np.sort(rows)


def group(clause: Packets, base: Rows, places: Ints) -> Groups:
    """The groups that rows (ascending places in `base`) fall into, judged. At least one must be given."""
    flow = base.flow[places]
    keys = [base.values(feature).data[places] for feature in clause.same]
    if keys:
        order = np.lexsort((places, *keys, flow))
        places, flow = places[order], flow[order]
        keys = [key[order] for key in keys]
    rows = base.rows[places]
    change = flow[1:] != flow[:-1]
    for key in keys:
        change |= key[1:] != key[:-1]
    inner = change.nonzero()[0] + 1
    edges = np.empty(len(inner) + 2, np.int64)
    edges[0], edges[-1], edges[1:-1] = 0, len(rows), inner
    starts, ends = edges[:-1], edges[1:]
    holds, unseen = (None, None) if clause.plain_group else _judged(clause, base, places, starts, ends - starts)
    return Groups(rows, starts, ends, flow[starts], rows[starts], rows[ends - 1], holds, unseen, not keys)


def _judged(clause: Packets, base: Rows, places: Ints, starts: Ints, size: Ints) -> tuple[Bools, Bools | None]:
    """Which groups hold, and of which it cannot be seen."""
    holds = clause.count.mask(size)
    unseen: Bools | None = None
    if clause.span is not None:
        time = base.time[places]
        holds &= clause.span.mask(np.maximum.reduceat(time, starts) - np.minimum.reduceat(time, starts))
    if clause.step:
        inner = np.ones(len(places), np.bool_)
        inner[starts] = False
        for predicate in clause.step:
            values = base.values(predicate.feature)
            column = values.data[places].astype(np.int64)
            step = np.zeros(len(column), np.int64)
            step[1:] = column[1:] - column[:-1]
            difference = _signed(step, MODULUS.get(predicate.feature))
            wrong = inner & ~predicate.test.mask(difference)
            hidden = np.logical_or.reduceat(~values.known[places], starts)
            holds &= (size >= 2) & ~np.logical_or.reduceat(wrong, starts) & ~hidden
            unseen = hidden if unseen is None else unseen | hidden
    if clause.offsets:
        values = base.values("seq_raw")
        sequence = values.data[places]
        place = np.arange(len(places)) - np.repeat(starts, size)
        wanted = np.array([*clause.offsets, 0], np.int64) - clause.offsets[0]
        expected = wanted[np.minimum(place, len(clause.offsets))]
        wrong = _signed(sequence - np.repeat(sequence[starts], size), MODULUS["seq_raw"]) != expected
        hidden = np.logical_or.reduceat(~values.known[places], starts)
        holds &= (size == len(clause.offsets)) & ~np.logical_or.reduceat(wrong, starts) & ~hidden
        unseen = hidden if unseen is None else unseen | hidden
    return holds, unseen


def _signed(difference: Ints, modulus: int | None) -> Ints:
    """The difference of smallest size that is equal to this one modulo the field's size."""
    if modulus is None:
        return difference
    return (difference + modulus // 2) % modulus - modulus // 2
