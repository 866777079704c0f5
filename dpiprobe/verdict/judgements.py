"""The verdicts of a batch, one a flow: those of flows that simply worked are columns until somebody asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from dpiprobe.verdict.fine import Fine
from dpiprobe.verdict.model import Judgement


class Judgements(Sequence[Judgement]):
    """One judgement a flow, in flow order. `fine`: columns of the plain ones · `others`: the rest, in flow order."""

    def __init__(self, fine: Fine, others: Sequence[Judgement]) -> None:
        self.fine = fine
        self.others = others
        count = len(fine.flow) + len(others)
        self._place = np.empty(count, np.int64)  # in `fine`, or below 0 in `others`
        self._place[fine.flow] = np.arange(len(fine.flow))
        self._place[[judgement.flow for judgement in others]] = ~np.arange(len(others))

    def __len__(self) -> int:
        return len(self._place)

    @overload
    def __getitem__(self, index: int) -> Judgement: ...
    @overload
    def __getitem__(self, index: slice) -> list[Judgement]: ...
    def __getitem__(self, index: int | slice) -> Judgement | list[Judgement]:
        return [self._at(p) for p in self._place[index].tolist()] if isinstance(index, slice) else self._at(int(self._place[index]))

    def __iter__(self) -> Iterator[Judgement]:
        return map(self._at, self._place.tolist())

    def _at(self, place: int) -> Judgement:
        return self.fine.judgement(place) if place >= 0 else self.others[~place]
