"""What happened in a flow, without meaning: the observations of its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np

from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import slots_by_flow
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Evidence, Observation

NONE: Sequence[int] = ()
"""No packets of the server's capture."""


class Seen(Sequence[Observation]):
    """The observations of one flow, made when somebody asks for them: of most flows nobody does."""

    __slots__ = ("_flow", "_found", "_of")

    def __init__(self, of: Observations, flow: int, found: Sequence[Evidence]) -> None:
        self._of, self._flow, self._found = of, flow, found

    def __len__(self) -> int:
        return len(self._found) + len(self._of.rest(self._flow))

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
        return [*self][index]

    def __iter__(self) -> Iterator[Observation]:
        for kind, slots, numbers in self.told():
            yield Observation(kind, slots, {"server_packets": numbers} if numbers else {})

    def told(self) -> list[tuple[str, list[int], Sequence[int]]]:
        """The same as plain values: kind, slots and packets of the server's capture of each."""
        return [(e.kind, e.slots, e.server_packets) for e in self._found] + self._of.rest(self._flow)


class Observations:
    """Those of a batch."""

    def __init__(self, observed: Observed) -> None:
        self._columns, self._flows = columns_of(observed), observed.flows
        suspected = np.zeros(len(observed.flows), np.bool_)
        suspected[observed.flow] = True
        self.suspected: list[bool] = suspected.tolist()

    def of(self, f: int, found: Sequence[Evidence], word: str) -> Sequence[Observation]:
        """Of one flow that ended by a word: each finding, then resets that no close explains, the answer, ICMP errors, packets of third addresses."""
        return Seen(self, f, found) if found or word != "worked" or self.suspected[f] else ()

    def rest(self, f: int) -> list[tuple[str, list[int], Sequence[int]]]:
        """All but the findings, as `Seen.told` has them."""
        resets, errors, strays = self._slots
        out: list[tuple[str, list[int], Sequence[int]]] = [("reset", resets[f], NONE)] if f in resets else []
        if self._answer[f] >= 0:
            out.append(("answer", [self._answer[f]], NONE))
        if f in errors:
            out.append(("icmp", errors[f], NONE))
        if f in strays:
            out.append(("stray", strays[f], NONE))
        return out

    @cached_property
    def _answer(self) -> list[int]:
        answers: list[int] = self._flows.answer.tolist()
        return answers

    @cached_property
    def _slots(self) -> tuple[dict[int, list[int]], ...]:
        columns = self._columns
        return tuple(slots_by_flow(self._flows, np.flatnonzero(mask)) for mask in (columns.standing_reset, columns.error, columns.stray))
