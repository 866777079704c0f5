"""In which flows a finding is possible at all: what rules that look at one flow cannot do without, as columns, so that they look at few.

Rules of this file:
- Each mask is a necessary condition of the rule of that name, never more: a test compares with the rules themselves.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import SERVER
from dpiprobe.flow.segments import max_where, min_where
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.early import EARLY_FRACTION, EARLY_SAMPLES, LEAST_ROUND_TRIP
from dpiprobe.wire.packets import RST

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Candidates:
    """Per flow, by the rule of `evidence` or `early`. samples: round-trip samples known for each flow's server"""

    def __init__(self, observed: Observed, samples: Ints) -> None:
        self._observed, self._samples = observed, samples
        self._flows, self._columns = observed.flows, columns_of(observed)

    @cached_property
    def impossible_sequences(self) -> Bools:
        """Resets of different sequence numbers."""
        flows, columns = self._flows, self._columns
        seq = flows.packets.seq[flows.row]
        least, most = (f(columns.server_reset, seq, flows.flow, columns.count, -1) for f in (min_where, max_where))
        return np.asarray((least != most) & (flows.syn_ack >= 0), np.bool_)

    @cached_property
    def prohibitions(self) -> Bools:
        """An ICMP error."""
        return self._columns.has_errors & (self._flows.hello >= 0)

    @cached_property
    def early_refusals(self) -> Bools:
        """A reset within half a round trip of the SYN."""
        flows, columns = self._flows, self._columns
        asked = (flows.hello < 0) & (flows.syn >= 0) & (flows.syn_ack < 0)
        known = (self._observed.server_rtt >= LEAST_ROUND_TRIP) & (self._samples >= EARLY_SAMPLES)
        at = np.flatnonzero((flows.origin == SERVER) & (flows.duplicate == 0) & ((columns.flags & RST) != 0) & (asked & known)[flows.flow])
        flow = flows.flow[at]
        early = columns.time[at] - columns.when(flows.syn)[flow] <= EARLY_FRACTION * self._observed.server_rtt[flow]
        out = np.zeros(len(flows), np.bool_)
        out[flow[early]] = True
        return out
