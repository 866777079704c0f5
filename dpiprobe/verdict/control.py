"""Which flows may serve another as control, chosen from outcomes alone (never from verdicts).

Rules of this file:
- A control goes from the same client to the same server address and port, carries another name and the same kind of trigger.
- A plan or the caller fixes which names are controls; in a foreign capture every other name is one, and those that worked count.
- *alike*: as many segments, similar length, equal JA4 (the fingerprint does not hold the name).
- All names of one client at one server and port share one `Pool`; what serves a name is the pool without the name's own flows. So thousands of
  names cost what their flows cost, and what a rule asks of each control is asked once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, OTHER_DATA, QUIC_INITIAL, Flows
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.grouping import Grouping, Groups, by_group, grouping_of, groups_of, name_of
from dpiprobe.verdict.model import Outcome
from dpiprobe.verdict.outcomes import in_columns

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ALIKE_LENGTH = 0.10
"""Largest relative difference in hello length between alike hellos: names differ by tens of bytes in hellos of 500 to 1900; policy."""


class Pool:
    """Flows of one client, server, port and kind of trigger that can serve as controls, name after name. flows: indices"""

    def __init__(self, flows: list[int]) -> None:
        self.flows = flows
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """What `work` gives, worked out once for all names of this pool; `key` names it."""
        if key not in self._kept:
            self._kept[key] = work()
        return self._kept[key]


class Peers(Sequence[int]):
    """The flows of a pool but for those at positions `begin` to `end`, the name's own; a read-only sequence that holds nothing of its own."""

    __slots__ = ("begin", "end", "pool")

    def __init__(self, pool: Pool, begin: int, end: int) -> None:
        self.pool, self.begin, self.end = pool, begin, end

    def __len__(self) -> int:
        return len(self.pool.flows) - (self.end - self.begin)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self.pool.flows[place if place < self.begin else place + self.end - self.begin]

    def __contains__(self, flow: object) -> bool:
        return flow in self.pool.flows[: self.begin] or flow in self.pool.flows[self.end :]

    def where(self, key: Hashable, holds: Callable[[int], bool]) -> Peers:
        """Those of which `holds` is true. It is asked once for each flow of the pool; `key` names the question (and all it depends on)."""
        places: list[int]
        pool: Pool
        places, pool = self.pool.once(("where", key), lambda: self._chosen(holds))
        return Peers(pool, bisect_left(places, self.begin), bisect_left(places, self.end))

    def _chosen(self, holds: Callable[[int], bool]) -> tuple[list[int], Pool]:
        places = [i for i, g in enumerate(self.pool.flows) if holds(g)]
        return places, Pool([self.pool.flows[i] for i in places])

    def median(self, key: Hashable, value: Callable[[int], float | None]) -> float | None:
        """The median of a value over them, None where none has one. It is asked once for each flow of the pool."""
        found: float | None = self.pool.once(("median", key, self.begin, self.end), lambda: self._median(key, value))
        return found

    def _median(self, key: Hashable, value: Callable[[int], float | None]) -> float | None:
        values: list[float]
        rank_of: dict[int, int]
        values, rank_of = self.pool.once(("ranks", key), lambda: self._ranks(value))
        own = sorted(rank_of[place] for place in range(self.begin, self.end) if place in rank_of)
        count = len(values) - len(own)
        if not count:
            return None

        def at(rank: int) -> float:
            for i in own:  # ascending: each of the name's own at or before the place moves it by one
                if i > rank:
                    break
                rank += 1
            return values[rank]

        return at(count // 2) if count % 2 else (at(count // 2 - 1) + at(count // 2)) / 2

    def _ranks(self, value: Callable[[int], float | None]) -> tuple[list[float], dict[int, int]]:
        """All known values in order, and at which rank that of each position stands."""
        known = sorted((v, place) for place, g in enumerate(self.pool.flows) if (v := value(g)) is not None)
        return [v for v, _ in known], {place: rank for rank, (_, place) in enumerate(known)}


NOBODY = Peers(Pool([]), 0, 0)
"""No controls at all."""


class Serving(Sequence[Peers]):
    """Per flow, those of its pool that serve it as controls: of the flows that worked, or of those that failed.

    pools: how many there are · pool: of each group of `named`, which holds the flows of one name in a pool
    chosen: flows that serve, pool after pool, name after name, with the pool of each
    """

    def __init__(self, pools: Groups, named: Groups, order: Ints, serves: Bools, without: Bools) -> None:
        self.chosen = order[serves[order]]
        self.pool_of_chosen = pools.of[self.chosen]
        self._named, self.pool, self._without = named, pools.of[named.first], without
        self.pools = len(pools)
        self._own = np.bincount(named.of[self.chosen], minlength=len(named))
        self.serving = np.flatnonzero(self._own)
        """Names of pools that some flow of theirs serves."""
        sizes = np.bincount(self.pool_of_chosen, minlength=len(pools))
        self._start = np.concatenate(([0], np.cumsum(sizes)))
        turn = by_group(self.pool, len(pools))
        self._begin = np.empty(len(named), np.int64)
        self._begin[turn] = np.cumsum(self._own[turn]) - self._own[turn]
        self.served = np.where(without, 0, sizes[self.pool] - self._own)
        """Of each name of a pool, by how many flows it is served."""
        self._pools: dict[int, Pool] = {}
        self._peers: dict[int, Peers] = {}

    def __len__(self) -> int:
        return len(self._named.of)

    @overload
    def __getitem__(self, index: int) -> Peers: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Peers]: ...
    def __getitem__(self, index: int | slice) -> Peers | Sequence[Peers]:
        if isinstance(index, slice):
            return [self._of(group) for group in self._named.of[index].tolist()]
        return self._of(int(self._named.of[index]))

    def _of(self, group: int) -> Peers:
        """What serves a name of a pool; all its flows share it."""
        found = self._peers.get(group)
        if found is None:
            found = self._peers[group] = NOBODY if self._without[group] else self._peers_of(group)
        return found

    def _peers_of(self, group: int) -> Peers:
        number = int(self.pool[group])
        begin = int(self._begin[group] - self._start[number])
        return Peers(self._pool(number), begin, begin + int(self._own[group]))

    def some(self, shows: Bools) -> Bools:
        """Of each name of a pool: some flow that serves it is one of these."""
        chosen = shows[self.chosen]
        own = np.bincount(self._named.of[self.chosen[chosen]], minlength=len(self._named))
        others = np.bincount(self.pool_of_chosen[chosen], minlength=self.pools)[self.pool] - own
        return np.asarray((others > 0) & ~self._without, np.bool_)

    def pool_of(self, flow: int) -> Pool:
        """The pool that serves a flow which has controls."""
        return self._pool(int(self.pool[self._named.of[flow]]))

    def _pool(self, number: int) -> Pool:
        found = self._pools.get(number)
        if found is None:
            start, stop = self._start[number : number + 2].tolist()
            found = self._pools[number] = Pool(self.chosen[start:stop].tolist())
        return found


STATES = ("absent", "completes", "fails")


class Controls:
    """Per flow: its control flows that worked and that failed; `designated`: names fixed by plan or caller ('' as none).

    named: flows by client, server, port, kind of trigger and name · state_numbers: of each flow, which of `STATES`
    """

    def __init__(self, grouping: Grouping, named: Groups, worked: Serving, failed: Serving, designated: bool, names: frozenset[str]) -> None:
        self.grouping = grouping
        self.named = named
        self.worked, self.failed = worked, failed
        self.designated, self.names = designated, names
        self.state_numbers: Ints = np.where(worked.served > 0, 1, np.where(failed.served > 0, 2, 0))[named.of]
        self._numbers: list[int] = self.state_numbers.tolist()

    def state(self, flow: int) -> str:
        """completes, fails or absent."""
        return STATES[self._numbers[flow]]


_USEFUL = np.isin(np.arange(max(CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL, OTHER_DATA) + 1), (CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL))
"""Kinds of trigger that flows can be controls of."""
NOT_A_FAILURE = ("worked", "aborted", "unseen")
"""Outcomes that are none, or say nothing about whether a name works."""


def choose_controls(
    observed: Observed, outcomes: Sequence[Outcome], roles: Sequence[str | None], names: Collection[str] = (), designated: bool | None = None
) -> Controls:
    """Controls of every flow. `roles`: per flow, from a plan ("test", "control", "random-control") or None; `names`: fixed by the caller;
    `designated`: whether anything fixes controls in the whole capture, where these flows are a part of it."""
    flows, grouping = observed.flows, grouping_of(observed)
    fixed = frozenset(names)
    if designated is None:
        designated = bool(fixed) or any(role is not None for role in roles)
    pools = groups_of(grouping.places.of, flows.trigger_kind)
    named = groups_of(pools.of, grouping.name)
    useful = _USEFUL[flows.trigger_kind]
    without = ~useful[named.first]
    if designated:
        control = np.array([_is_control(flows, f, roles, fixed) for f in range(len(flows))], np.bool_)
        without |= control[named.first]
        useful &= control
    ended = in_columns(outcomes)
    works, fails = ended.are("worked"), ~ended.are(*NOT_A_FAILURE)
    order = by_group(named.of, len(named))
    order = order[by_group(pools.of[order], len(pools))]
    worked, failed = (Serving(pools, named, order, useful & good_for, without) for good_for in (works, fails))
    return Controls(grouping, named, worked, failed, designated, fixed)


def _is_control(flows: Flows, flow: int, roles: Sequence[str | None], names: frozenset[str]) -> bool:
    if roles[flow] is not None:
        return roles[flow] in ("control", "random-control")
    return name_of(flows, flow) in names


def alike(observed: Observed, flow: int, control: int, designated: bool) -> bool:
    """The control's hello resembles the flow's but for the name."""
    a, b = observed.flows.triggers[flow], observed.flows.triggers[control]
    if a is None or b is None or a.kind != b.kind:
        return False
    segments = observed.flow_feature("segments")
    if segments.known[flow] and segments.known[control] and segments.data[flow] != segments.data[control]:
        return False
    if abs(a.length - b.length) > ALIKE_LENGTH * max(a.length, b.length):
        return False
    return designated or a.ja4 == b.ja4
