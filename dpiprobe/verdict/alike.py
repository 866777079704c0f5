"""Controls whose hello was alike but for the name and came through, before a hello vanished and after it: columns over all of these hellos at once.

Rules of this file:
- Hellos of one client to one server and port fall into families: equal kind, JA4 (unless controls are designated) and number of segments. Where all
  lengths of a family are alike and every control of it brought enough through, any of them is a control of each of its hellos.
- Any other hello is compared one by one, control by control (`_Closer`). A test holds both equal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from heapq import merge

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.control import ALIKE_LENGTH, Controls, Pool, alike
from dpiprobe.verdict.grouping import groups_of
from dpiprobe.verdict.vanished import LEAST_MTU
from dpiprobe.verdict.witnesses import Witness, Witnesses

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = 1 << 62
NAMED = 3
"""Names of controls that a sentence says."""


class Alike:
    """The controls of some hellos, all of which have some. of: their flows · when: the moment of each · least: bytes that its controls' hellos must
    have brought through in one packet

    borne_out: one that is alike was heard before that moment, and one began after it
    """

    def __init__(self, observed: Observed, controls: Controls, of: Ints, when: Ints, least: Ints) -> None:
        self._observed, self._controls = observed, controls
        self._of, self._when, self._least, self._own = of, when, least, controls.grouping.name[of]
        self._witnesses()
        self._plain = self._families()
        self.borne_out = self._plain & self._before_and_after()
        self._closer = _Closer(observed, controls)
        for i in np.flatnonzero(~self._plain).tolist():
            self.borne_out[i] = self._closer.borne_out(int(of[i]), int(when[i]), int(least[i]))

    def _witnesses(self) -> None:
        """The controls in the pools of these hellos of which the capture lost nothing."""
        worked, columns = self._controls.worked, columns_of(self._observed)
        self._pool = worked.pool[self._controls.named.of[self._of]]
        asked = np.zeros(worked.pools, np.bool_)
        asked[self._pool] = True
        here = np.flatnonzero(asked[worked.pool_of_chosen])
        here = here[~columns.lost[worked.chosen[here]]]
        self._witness, self._pool_of_witness = worked.chosen[here], worked.pool_of_chosen[here]
        self._name = self._controls.grouping.name[self._witness]
        heard = self._observed.flows.ack_end[self._witness] >= 0
        self._heard = np.where(heard, columns.heard_time[self._witness], NEVER)
        self._began = columns.first_time[self._witness]

    def _families(self) -> Bools:
        """Which hellos every control of their family is one of; by number, the families of hellos and controls."""
        count = len(self._of)
        flow, pool = np.concatenate((self._of, self._witness)), np.concatenate((self._pool, self._pool_of_witness))
        every, request = self._observed.flows.requests()
        asked = np.zeros(len(every), np.bool_)
        asked[request[flow]] = True
        triggers = [every[i] for i in np.flatnonzero(asked).tolist()]
        request = (np.cumsum(asked) - 1)[request[flow]]
        shapes: list[tuple[int, str | None] | None]
        if self._controls.designated:
            shapes = [None if trigger is None else (trigger.kind, None) for trigger in triggers]
        else:
            shapes = [None if trigger is None else (trigger.kind, trigger.ja4) for trigger in triggers]
        number = {shape: i for i, shape in enumerate(dict.fromkeys(filter(None, shapes)), 1)}
        form = np.array([0 if shape is None else number[shape] for shape in shapes], np.int64)
        length = np.array([-1 if trigger is None else trigger.length for trigger in triggers], np.int64)
        segments = self._observed.flow_feature("segments")
        known = segments.known[flow]
        loose = groups_of(pool, form[request])
        vague = np.bincount(loose.of[~known], minlength=len(loose)) > 0  # alike whatever the number of segments
        family = groups_of(loose.of, np.where(known, segments.data[flow], 0)).of
        self._family, self._family_of_witness, self._count = family[:count], family[count:], int(family.max(initial=-1)) + 1
        shortest, longest = _least(family, length[request], self._count), -_least(family, -length[request], self._count)
        size = np.maximum(columns_of(self._observed).hello_packet[self._witness], LEAST_MTU)
        ample = _least(self._family_of_witness, size, self._count)
        close = (longest - shortest <= ALIKE_LENGTH * longest) & (shortest >= 0)
        return np.asarray(close[self._family] & (ample[self._family] >= self._least) & ~vague[loose.of[:count]] & (form[request[:count]] > 0), np.bool_)

    def _before_and_after(self) -> Bools:
        heard, began = self._earliest_of_others(self._heard), -self._earliest_of_others(-self._began)
        return (heard < self._when) & (began > self._when)

    def _earliest_of_others(self, value: Ints) -> Ints:
        """Of each hello the least value of a control of its family with another name."""
        family, name = self._family_of_witness, self._name
        first = _least(family, value, self._count)
        whose = np.full(self._count, -1, np.int64)
        leads = np.flatnonzero(value == first[family])
        whose[family[leads]] = name[leads]
        others = np.flatnonzero(name != whose[family])
        second = _least(family[others], value[others], self._count)
        return np.where(whose[self._family] == self._own, second[self._family], first[self._family])

    def names(self, i: int) -> list[str]:
        """The first names, in order, of controls of one hello that were heard before it or began after it."""
        own, when = int(self._own[i]), int(self._when[i])
        if not self._plain[i]:
            return self._closer.names(int(self._of[i]), when, int(self._least[i]))
        names: list[str] = []
        for label, name, heard, began in self._by_name[int(self._family[i])]:
            if name != own and (heard < when or began > when) and label not in names:
                names.append(label)
                if len(names) == NAMED:
                    break
        return names

    @cached_property
    def _by_name(self) -> dict[int, list[tuple[str, int, int, int]]]:
        """Of each family its names in order: the label, the name's number, when it was first heard, when it last began."""
        texts = self._controls.grouping.texts
        turn = 2 * np.arange(len(texts))
        turn[0] = 2 * bisect_left(texts, NO_NAME, 1) - 1  # type: ignore[type-var]
        groups = groups_of(self._family_of_witness, self._name)
        heard, began = _least(groups.of, self._heard, len(groups)), -_least(groups.of, -self._began, len(groups))
        family, name = self._family_of_witness[groups.first], self._name[groups.first]
        order = np.lexsort((turn[name], family))
        found: dict[int, list[tuple[str, int, int, int]]] = defaultdict(list)
        for of, which, first, last in zip(*(column[order].tolist() for column in (family, name, heard, began)), strict=True):
            found[of].append((texts[which] or NO_NAME, which, first, last))
        return found


NO_NAME = "no name"


def _least(group: Ints, value: Ints, groups: int) -> Ints:
    """The least value of each group, `NEVER` where it has none."""
    least = np.full(groups, NEVER, np.int64)
    np.minimum.at(least, group, value)
    return least


class _Closer:
    """The same, of one hello at a time."""

    def __init__(self, observed: Observed, controls: Controls) -> None:
        self._observed, self._controls = observed, controls
        self._known: dict[tuple[int, object], list[Witnesses]] = {}

    def borne_out(self, f: int, when: int, least: int) -> bool:
        """Controls that are alike were heard before that moment and began after it."""
        groups, own = self._alike(f), _name(self._observed, f)
        return any(group.before(when, least, own) for group in groups) and any(group.after(when, least, own) for group in groups)

    def names(self, f: int, when: int, least: int) -> list[str]:
        """The first names, in order, of controls that were heard before a moment or began after it."""
        names: list[str] = []
        own = _name(self._observed, f)
        for name in merge(*(group.names(when, least, own) for group in self._alike(f))):
            if name not in names:
                names.append(name)
            if len(names) == NAMED:
                break
        return names

    def _alike(self, f: int) -> list[Witnesses]:
        """The controls whose hellos are alike but for the name, and of which the capture lost nothing."""
        pool = self._controls.worked.pool_of(f)
        key = id(pool), self._compared(f)
        if key not in self._known:
            classes: list[tuple[int, Witnesses]] = pool.once("hellos", lambda: self._by_hello(pool))
            self._known[key] = [group for model, group in classes if alike(self._observed, f, model, self._controls.designated)]
        return self._known[key]

    def _compared(self, f: int) -> tuple[object, ...]:
        """What `alike` compares of a hello."""
        trigger, segments = self._observed.flows.triggers[f], self._observed.flow_feature("segments")
        return () if trigger is None else (trigger.kind, trigger.length, trigger.ja4, int(segments.data[f]) if segments.known[f] else None)

    def _by_hello(self, pool: Pool) -> list[tuple[int, Witnesses]]:
        """Flows whose hellos do not differ in what is compared, with one of them as their model."""
        lost = columns_of(self._observed).lost
        classes: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for g in pool.flows:
            if not lost[g] and (compared := self._compared(g)):
                classes[compared].append(g)
        return [(members[0], Witnesses(self._as_witnesses(members))) for members in classes.values()]

    def _as_witnesses(self, members: Sequence[int]) -> list[Witness]:
        flows, columns = self._observed.flows, columns_of(self._observed)
        return [
            (
                _name(self._observed, g), max(int(columns.hello_packet[g]), LEAST_MTU),
                int(columns.heard_time[g]) if flows.ack_end[g] >= 0 else None, int(columns.first_time[g]),
            )
            for g in members
        ]  # fmt: skip


def _name(observed: Observed, flow: int) -> str | None:
    trigger = observed.flows.triggers[flow]
    return trigger.server_name if trigger else None
