"""Throttling: the goodput of a name against its control's, by an exact one-sided test (design section 4 (e)).

Rules of this file:
- Only designated controls (a plan or `--control`) are compared: other names of a foreign capture serve other content.
- Only transfers of similar size; where the control's path loses packets too, nothing is said: loss is slow for everybody.
- Slow by queueing is `throttle.shape`, slow by drops (holes filled late) `throttle.police`.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.build import Observed
from dpiprobe.verdict.control import Controls
from dpiprobe.verdict.model import Evidence, Outcome
from dpiprobe.verdict.statistics import rank_sum_less

Ints = npt.NDArray[np.int64]

LEAST_BYTES = 8192
"""Payload below which a transfer says nothing about its rate: an initial window of ten segments (RFC 6928) goes out at once; half of it; policy."""
SIMILAR_SIZE = 0.25
"""Largest relative difference in transferred bytes between the medians of test and control; policy."""
SLOW_FRACTION, LEVEL = 0.5, 0.05
"""Design section 4 (e)."""
LOSSY = 0.02
"""Share of server segments sent again at which a control's path counts as lossy; unverified."""
POLICED = 0.03
"""Share of server segments sent again above which the slow flows lost packets; boxes.md point 13 has 4 holes in some 20 segments for
policing against one spurious retransmission for shaping."""


def slow_flows(observed: Observed, tests: Sequence[int], controls: Controls, outcomes: Sequence[Outcome]) -> dict[int, Evidence]:
    """Findings for the flows of one name that are slower than their controls."""
    if not controls.designated or not tests:
        return {}
    goodput, sent_again = observed.flow_feature("goodput"), observed.flow_feature("server_retransmissions")
    seen = observed.flows.server_seen

    def usable(flows: Sequence[int]) -> list[int]:
        return [f for f in flows if goodput.known[f] and seen[f] >= LEAST_BYTES and outcomes[f].word in ("worked", "slow", "stalled")]

    slow, good = usable(tests), usable(controls.worked[tests[0]])
    if not slow or not good:
        return {}
    sizes = median([int(seen[f]) for f in slow]), median([int(seen[f]) for f in good])
    if abs(sizes[0] - sizes[1]) > SIMILAR_SIZE * max(sizes) and sizes[0] > sizes[1]:
        return {}
    rates = [float(goodput.data[f]) for f in slow], [float(goodput.data[f]) for f in good]
    middle = median(rates[1])
    p = rank_sum_less(*rates)
    if median(rates[0]) > SLOW_FRACTION * middle or p > LEVEL:
        return {}
    if _repeated(sent_again.data, observed, good) > LOSSY:
        return {}
    technique = "throttle.police" if _repeated(sent_again.data, observed, slow) > POLICED else "throttle.shape"
    out: dict[int, Evidence] = {}
    for f in slow:
        rate = float(goodput.data[f])
        if rate <= SLOW_FRACTION * middle:
            reason = f"{rate / 1000:.1f} kB/s against {middle / 1000:.1f} kB/s for the control (median of {len(good)}; exact one-sided p = {p:.3f})"
            out[f] = Evidence("goodput", technique, _data_ends(observed, f), reason)
    return out


def _repeated(again: Ints, observed: Observed, flows: Sequence[int]) -> float:
    packets = observed.flow_feature("server_packets").data
    total = sum(int(packets[f]) for f in flows)
    return sum(int(again[f]) for f in flows) / total if total else 0.0


def _data_ends(observed: Observed, flow: int) -> list[int]:
    flows = observed.flows
    last = int(observed.facts.last_server[flow])
    return [s for s in (int(flows.answer[flow]), last) if s >= 0]
