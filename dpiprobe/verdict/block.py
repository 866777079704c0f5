"""Flows that will be looked at closely, side by side: their slots' columns become plain lists once for all of them, when first asked for.

Rules of this file: it only holds what `Flows`, the packets and `columns` say, by place: the flows in the order they were named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import Flows
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of

T = TypeVar("T")
Ints = npt.NDArray[np.int64]


class lazy(Generic[T]):
    """A property that is worked out when first asked for, like `functools.cached_property` but without its lock, which costs more than most of
    these properties do."""

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, thing: Any, owner: type | None = None) -> T:
        value = thing.__dict__[self._name] = self._work(thing)
        return value


def slots_of(flows: Flows, chosen: Ints) -> tuple[Ints, Ints]:
    """The slots of some flows, one flow behind the other, and which of them (from 0) each belongs to."""
    start = flows.start[chosen]
    length = flows.stop[chosen] - start
    place = np.repeat(np.arange(len(chosen)), length)
    return np.arange(len(place)) + (start - np.cumsum(length) + length)[place], place


def slots_by_flow(flows: Flows, at: Ints) -> dict[int, list[int]]:
    """These slots, ascending, by their flow."""
    found: dict[int, list[int]] = {}
    for slot, f in zip(at.tolist(), flows.flow[at].tolist(), strict=True):
        if f in found:
            found[f].append(slot)
        else:
            found[f] = [slot]
    return found


class Block:
    """The slots of some flows, flow by flow; `edges`: where each flow's begin in the lists (and the last one's end)."""

    def __init__(self, observed: Observed, flows: Sequence[int]) -> None:
        self._observed = observed
        self._flows = np.array(flows, np.int64)
        self._columns = columns_of(observed)
        length = observed.flows.stop[self._flows] - observed.flows.start[self._flows]
        self.edges: list[int] = [0, *accumulate(length.tolist())]
        if len(flows) == 1:
            first = int(observed.flows.start[flows[0]])
            self._slots: Any = slice(first, first + self.edges[1])
        else:
            self._slots = slots_of(observed.flows, self._flows)[0]
        self._lists: dict[str, list[int]] = {}
        self._flow_columns: dict[str, list[int]] = {}
        self._hits: dict[str, tuple[list[int], list[int]]] = {}

    @lazy
    def facts(self) -> list[tuple[int, ...]]:
        """What a view takes over of each flow."""
        flows = self._observed.flows
        columns = (
            flows.start, flows.stop, flows.hello, flows.hello_done, flows.hello_start, flows.hello_end, flows.answer, flows.ack_end, flows.syn,
            flows.syn_ack, flows.trigger_kind, self._observed.server_rtt, flows.client_fin, flows.server_fin, flows.client_rst,
        )  # fmt: skip
        return list(zip(*(column[self._flows].tolist() for column in columns), strict=True))

    def column(self, name: str, place: int) -> list[int]:
        """A column of the slots of one flow."""
        values = self._lists.get(name)
        if values is None:
            holder: Any = self._columns if name in ("flags", "length", "time") else self._observed.flows
            values = self._lists[name] = getattr(holder, "duplicate" if name == "copy" else name)[self._slots].tolist()
        return values[self.edges[place] : self.edges[place + 1]]

    def flow_column(self, name: str) -> list[int]:
        """A column of `columns` that has one value a flow, by place."""
        values = self._flow_columns.get(name)
        if values is None:
            values = self._flow_columns[name] = getattr(self._columns, name)[self._flows].tolist()
        return values

    def slots_where(self, name: str, place: int) -> list[int]:
        """The slots of one flow at which a mask of `columns` holds."""
        known = self._hits.get(name)
        if known is None:
            known = self._hits[name] = self._where(getattr(self._columns, name)[self._slots])
        hits, edges = known
        return hits[edges[place] : edges[place + 1]]

    def _where(self, mask: Any) -> tuple[list[int], list[int]]:
        at = np.flatnonzero(mask)
        slots = at + self._slots.start if isinstance(self._slots, slice) else self._slots[at]
        return slots.tolist(), np.searchsorted(at, np.array(self.edges, np.int64)).tolist()
