"""Which controls worked before a moment and after it, and what the client's other traffic says of its way meanwhile: questions that many flows
ask of the same neighbours.

Rules of this file:
- What is asked often is sorted once; a question costs a search, not a walk over all flows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, SERVER
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import slots_of
from dpiprobe.verdict.columns import columns_of
from dpiprobe.wire.packets import RST

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Witness:
    """One control. size: how much it carried · heard: when it had been heard, ns (None: never) · began: when it began"""

    name: str | None
    size: int
    heard: int | None
    began: int


Best = tuple[int, str | None]
"""A moment, and whose."""


class Witnesses:
    """Controls, ordered by what they carried."""

    def __init__(self, all_of_them: Iterable[Witness]) -> None:
        self._ordered = sorted(all_of_them, key=lambda witness: -witness.size)
        self._sizes = [-witness.size for witness in self._ordered]
        self._heard: list[tuple[Best, ...]] = [()]  # of the first so many: the two earliest of different names
        self._began: list[tuple[Best, ...]] = [()]
        for witness in self._ordered:
            heard = self._heard[-1]
            self._heard.append(heard if witness.heard is None else _two(heard, (witness.heard, witness.name)))
            self._began.append(_two(self._began[-1], (-witness.began, witness.name)))

    def _reach(self, size: int) -> int:
        """How many of them carried as much."""
        return bisect_left(self._sizes, 1 - size)

    def of_size(self, size: int) -> list[Witness]:
        """Those that carried as much."""
        return self._ordered[: self._reach(size)]

    def before(self, moment: int, size: int, own: str | None) -> bool:
        """One that carried as much, of another name, had been heard before that moment."""
        return any(when < moment for when, name in self._heard[self._reach(size)] if name != own)

    def after(self, moment: int, size: int, own: str | None) -> bool:
        """One that carried as much, of another name, began after that moment."""
        return any(-when > moment for when, name in self._began[self._reach(size)] if name != own)

    def names(self, moment: int, size: int, own: str | None) -> Iterator[str]:
        """The names, in order, of which one that carried as much had been heard before a moment or began after it; never `own`."""
        for label, name, group in self._by_name:
            if name == own:
                continue
            at = group._reach(size)
            heard, began = group._heard[at], group._began[at]  # the earliest first; all of one name, so there is one at most
            if (heard and heard[0][0] < moment) or (began and -began[0][0] > moment):
                yield label

    @cached_property
    def _by_name(self) -> list[tuple[str, str | None, Witnesses]]:
        groups: dict[str | None, list[Witness]] = defaultdict(list)
        for witness in self._ordered:
            groups[witness.name].append(witness)
        return sorted(((name or "no name", name, Witnesses(group)) for name, group in groups.items()), key=lambda one: one[0])


def _two(best: tuple[Best, ...], new: Best) -> tuple[Best, ...]:
    """The two least of different names among these."""
    if len(best) == 2 and new[0] >= best[1][0]:
        return best
    least: dict[str | None, int] = {}
    for when, name in (*best, new):
        least[name] = min(when, least.get(name, when))
    found = tuple(sorted(((when, name) for name, when in least.items()), key=lambda one: one[0])[:2])
    return best if found == best else found


ALIVE, QUIET, DEAD = "alive", "quiet", "dead"


class Traffic:
    """When the clients of a batch sent and received, resets left out."""

    def __init__(self, observed: Observed) -> None:
        self._flows, self._columns = observed.flows, columns_of(observed)
        time = self._flows.packets.time
        order = np.argsort(time, kind="stable") if (time[:-1] > time[1:]).any() else None
        self._times = time if order is None else time[order]  # of all packets, ascending; a packet's place in them stands for its time
        place = np.arange(len(time))
        if order is not None:
            place[order] = np.arange(len(time))
        self._place = place[self._flows.row]

    def during(self, flow: int, begin: int, end: int) -> str:
        """What the other traffic of the flow's client says of its way to the world in a span of time (ns): something came in (alive); it sent to
        others and heard nothing (dead); nobody else was spoken to (quiet). Resets and the flow's own packets do not count."""
        return self.during_all([flow], [begin], [end])[0]

    def during_all(self, flows: Sequence[int], begins: Sequence[int], ends: Sequence[int]) -> list[str]:
        """The same of many flows, each with its span."""
        of, begin, end = (np.array(column, np.int64) for column in (flows, begins, ends))
        low, high = np.searchsorted(self._times, begin), np.searchsorted(self._times, end, "right")
        client = self._flows.client[of]
        others = self._received.within(client, low, high) - self._own(of, begin, end)
        elsewhere = self._sent.within(client, low, high) - self._sent_to.within(self._pair[of], low, high)
        ways: list[str] = np.where(others > 0, ALIVE, np.where(elsewhere != 0, DEAD, QUIET)).tolist()
        return ways

    def _own(self, of: Ints, begin: Ints, end: Ints) -> Ints:
        """Of each flow: what it received in its span."""
        slots, asked = slots_of(self._flows, of)
        time = self._columns.time[slots]
        mine = self._received_at[slots] & (time >= begin[asked]) & (time <= end[asked])
        return np.bincount(asked[mine], minlength=len(of))

    @cached_property
    def _pair(self) -> Ints:
        """Per flow: a number for its client and server."""
        flows = self._flows
        pair: Ints = np.unique(flows.client * (int(flows.server.max()) + 1) + flows.server, return_inverse=True)[1]
        return pair

    @cached_property
    def _received_at(self) -> Bools:
        return np.asarray(((self._columns.flags & RST) == 0) & (self._flows.origin == SERVER), np.bool_)

    @cached_property
    def _received(self) -> _Times:
        return self._moments(self._received_at, self._flows.client)

    @cached_property
    def _sent_at(self) -> Ints:
        return np.flatnonzero(((self._columns.flags & RST) == 0) & (self._flows.origin == CLIENT))

    @cached_property
    def _sent(self) -> _Times:
        return self._moments(self._sent_at, self._flows.client)

    @cached_property
    def _sent_to(self) -> _Times:
        return self._moments(self._sent_at, self._pair)

    def _moments(self, slots: Ints | Bools, key: Ints) -> _Times:
        return _Times(key[self._flows.flow[slots]], self._place[slots], len(self._times))


class _Times:
    """Moments by key, sorted; a moment is a place below `count`."""

    def __init__(self, key: Ints, place: Ints, count: int) -> None:
        self._count = count + 1
        self._sorted = np.sort(key * self._count + place)

    def within(self, key: Ints, low: Ints, high: Ints) -> Ints:
        """How many of each key lie at `low` or behind it and before `high`; 0 where the span is none."""
        first, last = (np.searchsorted(self._sorted, key * self._count + place) for place in (low, high))
        return np.asarray(np.maximum(last - first, 0), np.int64)


def traffic_of(observed: Observed) -> Traffic:
    """The traffic of a batch, sorted once."""
    return observed.once("traffic", Traffic)
