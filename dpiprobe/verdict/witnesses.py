"""Which controls worked before a moment and after it, and what the client's other traffic says of its way meanwhile: questions that many flows
ask of the same neighbours.

Rules of this file:
- What is asked often is sorted once; a question costs a search, not a walk over all flows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, SERVER
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.wire.packets import RST

Ints = npt.NDArray[np.int64]


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
            at = group._reach(size)
            if name != own and (any(when < moment for when, _ in group._heard[at]) or any(-when > moment for when, _ in group._began[at])):
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
        flows, columns = observed.flows, columns_of(observed)
        self._flows, self._columns = flows, columns
        said = (columns.flags & RST) == 0
        servers = int(flows.server.max()) + 1 if len(flows) else 1
        self._servers = servers
        received, sent = np.flatnonzero(said & (flows.origin == SERVER)), np.flatnonzero(said & (flows.origin == CLIENT))
        client, server = flows.client[flows.flow], flows.server[flows.flow]
        self._received = _Times(client[received], columns.time[received])
        self._sent = _Times(client[sent], columns.time[sent])
        self._sent_to = _Times(client[sent] * servers + server[sent], columns.time[sent])

    def during(self, flow: int, begin: int, end: int) -> str:
        """What the other traffic of the flow's client says of its way to the world in a span of time (ns): something came in (alive); it sent to
        others and heard nothing (dead); nobody else was spoken to (quiet). Resets and the flow's own packets do not count."""
        flows = self._flows
        client, server = int(flows.client[flow]), int(flows.server[flow])
        span = slice(int(flows.start[flow]), int(flows.stop[flow]))
        time = self._columns.time[span]
        own = (flows.origin[span] == SERVER) & ((self._columns.flags[span] & RST) == 0) & (time >= begin) & (time <= end)
        if self._received.within(client, begin, end) > int(own.sum()):
            return ALIVE
        elsewhere = self._sent.within(client, begin, end) - self._sent_to.within(client * self._servers + server, begin, end)
        return DEAD if elsewhere else QUIET


class _Times:
    """Times by key, sorted."""

    def __init__(self, key: Ints, time: Ints) -> None:
        order = np.lexsort((time, key))
        self._key, self._time = key[order], time[order]

    def within(self, key: int, begin: int, end: int) -> int:
        """How many of the key lie in the span, both ends included."""
        low, high = np.searchsorted(self._key, (key, key + 1))
        times = self._time[low:high]
        return int(np.searchsorted(times, end, "right")) - int(np.searchsorted(times, begin, "left")) if begin <= end else 0


def traffic_of(observed: Observed) -> Traffic:
    """The traffic of a batch, sorted once."""
    return observed.once("traffic", Traffic)
