"""What happened in a flow, without meaning: the observations of its record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import slots_by_flow
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Evidence, Observation, Outcome


class Observations:
    """Those of a batch."""

    def __init__(self, observed: Observed) -> None:
        columns = columns_of(observed)
        self._observed = observed
        self._answer: list[int] = observed.flows.answer.tolist()
        self._resets, self._errors, self._strays = (
            slots_by_flow(observed.flows, np.flatnonzero(mask)) for mask in (columns.standing_reset, columns.error, columns.stray)
        )

    def of(self, f: int, found: Sequence[Evidence], outcome: Outcome) -> list[Observation]:
        """Of one flow: each finding, then resets that no close explains, the answer, ICMP errors, packets of third addresses."""
        if not (found or outcome.word != "worked" or len(self._observed.rows(f))):
            return []
        out = [Observation(e.kind, e.slots, {"server_packets": e.server_packets} if e.server_packets else {}) for e in found]
        if f in self._resets:
            out.append(Observation("reset", self._resets[f]))
        if self._answer[f] >= 0:
            out.append(Observation("answer", [self._answer[f]]))
        if f in self._errors:
            out.append(Observation("icmp", self._errors[f]))
        if f in self._strays:
            out.append(Observation("stray", self._strays[f]))
        return out
