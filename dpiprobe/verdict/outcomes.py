"""How all flows of a batch ended, as columns: most of them simply worked, and nobody asks for the `Outcome` of such a flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from dpiprobe.signature.words import OUTCOMES
from dpiprobe.verdict.model import Outcome

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]

NUMBER = {word: i for i, word in enumerate(OUTCOMES)}
"""Where each word stands among them."""
_WORDS = np.array(OUTCOMES, np.object_)


class Outcomes(Sequence[Outcome]):
    """One outcome a flow; each is made when somebody asks for it. code: `NUMBER` of its word · slot: the packet that decided it
    made: those that are there already"""

    __slots__ = ("_made", "code", "slot")

    def __init__(self, code: Codes, slot: Ints, made: list[Outcome | None]) -> None:
        self.code, self.slot, self._made = code, slot, made

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        outcome = self._made[index]
        if outcome is None:
            outcome = self._made[index] = Outcome(OUTCOMES[self.code[index]], int(self.slot[index]))
        return outcome

    def __setitem__(self, flow: int, outcome: Outcome) -> None:
        self.code[flow], self.slot[flow], self._made[flow] = NUMBER[outcome.word], outcome.slot, outcome

    @property
    def words(self) -> list[str]:
        """The word of each flow."""
        words: list[str] = _WORDS[self.code].tolist()
        return words

    def are(self, *words: str) -> Bools:
        """Flows that ended by one of these words."""
        asked = np.zeros(len(OUTCOMES), np.bool_)
        asked[[NUMBER[word] for word in words]] = True
        return asked[self.code]

    def having(self, *words: str) -> list[int]:
        """The same flows, ascending."""
        flows: list[int] = np.flatnonzero(self.are(*words)).tolist()
        return flows

    def copy(self) -> Outcomes:
        """The same ones, to be changed."""
        return Outcomes(self.code.copy(), self.slot.copy(), list(self._made))


def in_columns(outcomes: Sequence[Outcome]) -> Outcomes:
    """Outcomes as columns, however they come."""
    if isinstance(outcomes, Outcomes):
        return outcomes
    code = np.array([NUMBER[outcome.word] for outcome in outcomes], np.int8)
    return Outcomes(code, np.array([outcome.slot for outcome in outcomes], np.int64), list(outcomes))
