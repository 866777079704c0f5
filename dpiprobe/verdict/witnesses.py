"""Which controls worked before a moment and after it, and what the client's other traffic says of its way meanwhile: questions that many flows
ask of the same neighbours.

Rules of this file:
- What is asked often is sorted once; a question costs a search, not a walk over all flows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import takewhile
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, SERVER
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import slots_of
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.grouping import groups_of
from dpiprobe.wire.packets import RST

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


Witness = tuple[str | None, int, int | None, int]
"""One control: its name · how much it carried · when it had been heard, ns (None: never) · when it began."""
Best = tuple[int, str | None]
"""A moment, and whose."""


class Witnesses:
    """Controls, ordered by what they carried; told apart in the sizes that they carried, of which there are few."""

    def __init__(self, all_of_them: Iterable[Witness]) -> None:
        self._ordered = sorted(all_of_them, key=itemgetter(1), reverse=True)
        self._sizes: list[int] = []  # negative, so ascending
        self._heard: list[tuple[Best, ...]] = [()]  # of the first so many sizes: the two earliest of different names
        self._began: list[tuple[Best, ...]] = [()]
        heard: tuple[Best, ...] = ()
        began: tuple[Best, ...] = ()
        size = None
        for name, carried, when, beginning in self._ordered:
            if carried != size:
                if size is not None:
                    self._heard.append(heard)
                    self._began.append(began)
                self._sizes.append(-carried)
                size = carried
            if when is not None:
                heard = _two(heard, when, name)
            began = _two(began, -beginning, name)
        if size is not None:
            self._heard.append(heard)
            self._began.append(began)

    def _reach(self, size: int) -> int:
        """How many of the sizes are as much."""
        return bisect_right(self._sizes, -size)

    def before(self, moment: int, size: int, own: str | None) -> bool:
        """One that carried as much, of another name, had been heard before that moment."""
        heard = self._heard[self._reach(size)]
        return bool(heard) and heard[0][0] < moment and (heard[0][1] != own or (len(heard) > 1 and heard[1][0] < moment))

    def after(self, moment: int, size: int, own: str | None) -> bool:
        """One that carried as much, of another name, began after that moment."""
        began = self._began[self._reach(size)]
        return bool(began) and -began[0][0] > moment and (began[0][1] != own or (len(began) > 1 and -began[1][0] > moment))

    def between(self, low: int, high: int, size: int, own: str | None) -> bool:
        """One that carried as much, of another name, began and had been heard within that span."""
        as_much = takewhile(lambda one: one[1] >= size, self._ordered)
        return any(low < began and heard is not None and heard < high for name, _, heard, began in as_much if name != own)

    def names(self, moment: int, size: int, own: str | None) -> Iterator[str]:
        """The names, in order, of which one that carried as much had been heard before a moment or began after it; never `own`."""
        for label, name, members in self._by_name:
            if name == own:
                continue
            _, carried, before, since = members[0]  # of those of one name that which carried most, seldom not enough
            if carried >= size and (since > moment or (before is not None and before < moment)):
                yield label
                continue
            group = self._groups.get(name)
            if group is None:
                group = self._groups[name] = Witnesses(members)
            at = group._reach(size)
            heard, began = group._heard[at], group._began[at]  # the earliest first; all of one name, so there is one at most
            if (heard and heard[0][0] < moment) or (began and -began[0][0] > moment):
                yield label

    @cached_property
    def _groups(self) -> dict[str | None, Witnesses]:
        return {}

    @cached_property
    def _by_name(self) -> list[tuple[str, str | None, list[Witness]]]:
        groups: dict[str | None, list[Witness]] = defaultdict(list)
        for witness in self._ordered:
            groups[witness[0]].append(witness)
        return sorted(((name or "no name", name, group) for name, group in groups.items()), key=itemgetter(0))


def _two(best: tuple[Best, ...], when: int, name: str | None) -> tuple[Best, ...]:
    """The two earliest of different names among those and another one."""
    if not best:
        return ((when, name),)
    first = best[0]
    if when < first[0]:
        return ((when, name), *best[1:]) if name == first[1] else ((when, name), first)
    if name != first[1] and (len(best) == 1 or when < best[1][0]):
        return (first, (when, name))
    return best


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
        return self._ways(None, *(np.array([value], np.int64) for value in (flow, begin, end)))[0]

    def during_all(self, of: Ints, begin: Ints, end: Ints) -> list[str]:
        """The same of many flows, each with its span: so nothing is sorted that no span of its client holds."""
        return self._ways(self._held(of, begin, end), of, begin, end)

    def _held(self, of: Ints, begin: Ints, end: Ints) -> Bools:
        """The slots that may lie in the spans of their client."""
        client = self._client[of]
        first, last = np.full(len(self._flows), len(self._times)), np.zeros(len(self._flows), np.int64)  # by client, fewer than flows
        np.minimum.at(first, client, np.searchsorted(self._times, begin))
        np.maximum.at(last, client, np.searchsorted(self._times, end, "right"))
        of_slot = self._flows.flow
        return (self._place >= first[self._client][of_slot]) & (self._place < last[self._client][of_slot])

    def _ways(self, held: Bools | None, of: Ints, begin: Ints, end: Ints) -> list[str]:
        """held: all slots that matter, None: of any span. What was sent is looked at only where nothing came in."""
        received = self._whole_received if held is None else self._received(held)
        span = np.searchsorted(self._times, begin), np.searchsorted(self._times, end, "right")
        silent = np.flatnonzero(received.within(self._client[of], *span) - self._own(of, begin, end) <= 0)
        ways = [ALIVE] * len(of)
        if len(silent):
            of, low, high = of[silent], span[0][silent], span[1][silent]
            sent, sent_to = self._whole_sent if held is None else self._sent(held)
            elsewhere = sent.within(self._client[of], low, high) - sent_to.within(self._pair[of], low, high)
            for i, dead in zip(silent.tolist(), (elsewhere != 0).tolist(), strict=True):
                ways[i] = DEAD if dead else QUIET
        return ways

    def _own(self, of: Ints, begin: Ints, end: Ints) -> Ints:
        """Of each flow: what it received in its span."""
        slots, asked = slots_of(self._flows, of)
        time = self._columns.time[slots]
        mine = self._received_at[slots] & (time >= begin[asked]) & (time <= end[asked])
        return np.bincount(asked[mine], minlength=len(of))

    @cached_property
    def _client(self) -> Ints:
        """Per flow: a number for its client."""
        return groups_of(self._flows.client).of

    @cached_property
    def _pair(self) -> Ints:
        """Per flow: a number for its client and server."""
        return groups_of(self._flows.client, self._flows.server).of

    @cached_property
    def _received_at(self) -> Bools:
        return np.asarray(((self._columns.flags & RST) == 0) & (self._flows.origin == SERVER), np.bool_)

    @cached_property
    def _sent_at(self) -> Bools:
        return np.asarray(((self._columns.flags & RST) == 0) & (self._flows.origin == CLIENT), np.bool_)

    @cached_property
    def _whole_received(self) -> _Times:
        return self._received(np.ones(len(self._place), np.bool_))

    @cached_property
    def _whole_sent(self) -> tuple[_Times, _Times]:
        return self._sent(np.ones(len(self._place), np.bool_))

    def _received(self, held: Bools) -> _Times:
        """Of the slots that are held: what each client received."""
        return self._times_of(np.flatnonzero(self._received_at & held), self._client)

    def _sent(self, held: Bools) -> tuple[_Times, _Times]:
        """What each client sent, and what it sent to each server."""
        sent = np.flatnonzero(self._sent_at & held)
        return self._times_of(sent, self._client), self._times_of(sent, self._pair)

    def _times_of(self, slots: Ints, key: Ints) -> _Times:
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
