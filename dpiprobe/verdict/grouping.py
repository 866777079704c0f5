"""Flows that belong together: those of one client, server and port, and those that ask for one name there, as columns.

Rules of this file: groups are numbered by their first flow; members stand in flow order. No name at all is a name too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import Flows
from dpiprobe.flow.numbers import numbers
from dpiprobe.observe.build import Observed

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Groups:
    """of: the group of each flow · first: the first flow of each group"""

    of: Ints
    first: Ints

    def __len__(self) -> int:
        return len(self.first)

    def members(self, wanted: Ints) -> list[list[int]]:
        """The flows of some groups, which come ascending."""
        order = by_group(self.of, len(self))
        grouped = self.of[order]
        edges = zip(np.searchsorted(grouped, wanted).tolist(), np.searchsorted(grouped, wanted, "right").tolist(), strict=True)
        return [order[begin:end].tolist() for begin, end in edges]

    def members_with(self, flows: Iterable[int]) -> list[list[int]]:
        """The flows of all groups that any of these flows is in."""
        some = np.fromiter(flows, np.int64)
        return self.members(np.unique(self.of[some])) if len(some) else []


def by_group(of: Ints, groups: int) -> Ints:
    """Members of groups by group, each group's in their order. of: the group of each, below `groups`"""
    order = np.argsort(of.astype(np.uint16) if groups <= 1 << 16 else of, kind="stable")  # numpy sorts short numbers by their digits
    return np.asarray(order, np.int64)


def groups_of(*keys: Ints) -> Groups:
    """Flows with equal keys (none below 0)."""
    return Groups(*numbers(paired(*keys)))


def paired(first: Ints, *others: Ints) -> Ints:
    """One number for each combination; their order is that of the combinations."""
    for other in others:
        if not len(other):
            break
        width = int(other.max()) + 1
        if int(first.max()) >= (1 << 62) // width:
            first = np.unique(first, return_inverse=True)[1]
        first = first * width + other
    return first


def name_of(flows: Flows, flow: int) -> str | None:
    """The name that a flow asked for."""
    trigger = flows.triggers[flow]
    return trigger.server_name if trigger is not None else None


class Grouping:
    """What groups the flows of a batch; `grouping_of(observed)` has it."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    @cached_property
    def _named(self) -> tuple[list[str | None], Ints]:
        triggers, of = self._flows.requests()
        texts, name = numbered([trigger.server_name if trigger is not None else None for trigger in triggers])
        return texts, name[of]

    @property
    def texts(self) -> list[str | None]:
        """The names: None first, the others sorted."""
        return self._named[0]

    @property
    def name(self) -> Ints:
        """Per flow, where its name stands among `texts`."""
        return self._named[1]

    @cached_property
    def places(self) -> Groups:
        """Flows of one client to one server and port."""
        return groups_of(self._flows.client, self._flows.server, self._flows.server_port)

    @cached_property
    def names(self) -> Groups:
        """Flows of one client that ask one server and port for one name."""
        return groups_of(self.places.of, self.name)


def numbered(names: Sequence[str | None]) -> tuple[list[str | None], Ints]:
    """The names that there are, None first and the others sorted, and the place of each one given among them."""
    known: set[str | None] = set(names)
    known.discard(None)
    texts: list[str | None] = [None, *sorted(known)]  # type: ignore[type-var]
    place = {text: i for i, text in enumerate(texts)}
    return texts, np.fromiter(map(place.__getitem__, names), np.int64, len(names))


def grouping_of(observed: Observed) -> Grouping:
    """The groups of a batch, made once."""
    return observed.once("grouping", lambda observed: Grouping(observed.flows))
