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
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.model import Outcome

ALIKE_LENGTH = 0.10
"""Largest relative difference in hello length between alike hellos: names differ by tens of bytes in hellos of 500 to 1900; policy."""


class Pool:
    """Flows of one client, server, port and kind of trigger that can serve as controls, name after name.

    flows: indices · names: the names that have any, sorted, those that are None left out
    """

    def __init__(self, by_name: Sequence[tuple[str | None, list[int]]]) -> None:
        self.flows = [f for _, flows in by_name for f in flows]
        self.names = sorted({name for name, flows in by_name if flows and name})
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
        return places, Pool([(None, [self.pool.flows[i] for i in places])])

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


@dataclass(slots=True)
class Controls:
    """Per flow: its control flows that worked and that failed; `designated`: names fixed by plan or caller ('' as none)."""

    worked: list[Peers]
    failed: list[Peers]
    designated: bool
    names: frozenset[str] = field(default_factory=frozenset)

    def state(self, flow: int) -> str:
        """completes, fails or absent."""
        return "completes" if self.worked[flow] else "fails" if self.failed[flow] else "absent"


NOT_A_FAILURE = frozenset({"aborted", "unseen"})
"""Outcomes that say nothing about whether a name works."""


def choose_controls(
    observed: Observed, outcomes: Sequence[Outcome], roles: Sequence[str | None], names: Collection[str] = (), designated: bool | None = None
) -> Controls:
    """Controls of every flow. `roles`: per flow, from a plan ("test", "control", "random-control") or None; `names`: fixed by the caller;
    `designated`: whether anything fixes controls in the whole capture, where these flows are a part of it."""
    flows = observed.flows
    count = len(flows)
    fixed = frozenset(names)
    if designated is None:
        designated = bool(fixed) or any(role is not None for role in roles)
    worked: list[Peers] = [NOBODY] * count
    failed: list[Peers] = [NOBODY] * count
    groups: dict[tuple[int, ...], dict[str | None, list[int]]] = defaultdict(lambda: defaultdict(list))
    columns = (flows.client, flows.server, flows.server_port, flows.trigger_kind)
    for f, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        if key[3] in (CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL):
            groups[key][_name(observed, f)].append(f)
    for by_name in groups.values():
        useful = {  # for each name what its flows are good for as controls
            name: [g for g in tests if not designated or _is_control(observed, g, roles, fixed)] for name, tests in by_name.items()
        }
        works = {name: [g for g in tests if outcomes[g].word == "worked"] for name, tests in useful.items()}
        fails = {name: [g for g in tests if outcomes[g].word not in ("worked", *NOT_A_FAILURE)] for name, tests in useful.items()}
        good, bad = Pool([*works.items()]), Pool([*fails.items()])
        at_good = at_bad = 0
        for name, tests in by_name.items():
            here_good, here_bad = Peers(good, at_good, at_good + len(works[name])), Peers(bad, at_bad, at_bad + len(fails[name]))
            at_good, at_bad = here_good.end, here_bad.end
            if designated and _is_control(observed, tests[0], roles, fixed):
                continue
            for f in tests:
                worked[f], failed[f] = here_good, here_bad
    return Controls(worked, failed, designated, fixed)


def _name(observed: Observed, flow: int) -> str | None:
    trigger = observed.flows.triggers[flow]
    return trigger.server_name if trigger else None


def _is_control(observed: Observed, flow: int, roles: Sequence[str | None], names: frozenset[str]) -> bool:
    if roles[flow] is not None:
        return roles[flow] in ("control", "random-control")
    return _name(observed, flow) in names


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
