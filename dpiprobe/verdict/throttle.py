"""Throttling: the goodput of a name against its control's, by an exact one-sided test (design section 4 (e)).

Rules of this file:
- Only designated controls (a plan or `--control`) are compared: other names of a foreign capture serve other content.
- Only transfers of similar size. Loss is slow for everybody: where the control's path loses packets too, only a queue that the control does not
  have, or drops that nearly all flows of the name wait for and no control does, are proof; else the slowness is told and nobody is blamed.
- Slow by queueing is `throttle.shape`, slow by drops (holes filled late) `throttle.police`. What shows neither queue nor drops may be slow
  at the server itself, which makes its pages as slowly as it likes: that is no finding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import SERVER
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.control import Controls
from dpiprobe.verdict.model import Evidence, Outcome
from dpiprobe.verdict.statistics import rank_sum_less

Ints = npt.NDArray[np.int64]

LEAST_BYTES = 8192
"""Payload below which a transfer says nothing about its rate: an initial window of ten segments (RFC 6928) goes out at once; half of it; policy."""
LONG_TRANSFER = 5_000_000_000
"""ns between the first and last data of a transfer that tells its rate whatever it carried: an initial window is out within round trips; policy."""
SIMILAR_SIZE = 0.25
"""Largest relative difference in transferred bytes between the medians of test and control; policy."""
SLOW_FRACTION, LEVEL = 0.5, 0.05
"""Design section 4 (e)."""
LOSSY = 0.02
"""Share of server segments sent again at which a control's path counts as lossy; unverified."""
POLICED, LEAST_HOLES, RECOVERING, POLICED_FLOWS = 0.10, 3, 0.4, 2
"""What shows that drops made a flow slow, in at least so many flows of the name: this share of the server's segments and so many of them filled
holes, and holes were open for this share of the transfer. boxes.md point 13 has 4 holes in some 20 segments for policing. A server that is slow
by itself on a bad path has holes too, but spends its time elsewhere; bad luck strikes one flow, not two. The shares are policy, held by the lab's matrix."""
NEARLY_ALL = 0.8
"""Share of a name's flows that must be slow: whoever is limited is limited in every flow, and a path has bad moments; policy."""

LEAST_QUEUE = 50_000_000
"""ns of waiting below which a queue is no shaper's: buffers at home hold as much; boxes.md point 13 has a shaper of 8.6 kB/s, whose queue of an
initial window is 1.6 s; unverified."""
LEAST_WATCH = 200_000_000
"""ns that a flow must be watched to tell the server's clock from it: two hundred ticks of 1 ms; policy."""
TICKS = (1e6, 4e6, 1e7, 1e8, 5e8, 1e9)
"""ns per tick that stacks use: 1, 4 and 10 ms (Linux by its HZ), 100 ms (older Windows), 500 ms (BSD), 1 s (the most of RFC 7323 section 5.4)."""
NEAR_TICK = 1.35
"""A measured tick within this factor is that one: 50 ms of jitter over `LEAST_WATCH` look like a clock a quarter off, and over the seconds of a
slow transfer such an error would look like a queue; policy."""


def slow_flows(observed: Observed, tests: Sequence[int], controls: Controls, outcomes: Sequence[Outcome]) -> dict[int, Evidence]:
    """Findings for the flows of one name that are slower than their controls."""
    if not controls.designated or not tests:
        return {}
    goodput, sent_again = observed.flow_feature("goodput"), observed.flow_feature("server_retransmissions")
    seen = observed.flows.server_seen

    def usable(f: int, *, long: bool = False) -> bool:
        enough = seen[f] >= LEAST_BYTES or (long and _lasted(observed, f) >= LONG_TRANSFER)
        return bool(goodput.known[f] and enough) and outcomes[f].word in ("worked", "slow", "stalled")

    slow, good = [f for f in tests if usable(f, long=True)], controls.worked[tests[0]].where("transfers", usable)
    if not slow or not good:
        return {}
    from statistics import median  # brings fractions and decimals along, a hundredth of a second that few captures need

    sizes = median([int(seen[f]) for f in slow]), median([int(seen[f]) for f in good])
    if abs(sizes[0] - sizes[1]) > SIMILAR_SIZE * max(sizes) and sizes[0] > sizes[1]:
        return {}
    rates = [float(goodput.data[f]) for f in slow], [float(goodput.data[f]) for f in good]
    middle = median(rates[1])
    if median(rates[0]) > SLOW_FRACTION * middle or sum(rate <= SLOW_FRACTION * middle for rate in rates[0]) < NEARLY_ALL * len(slow):
        return {}
    p = rank_sum_less(*rates)
    if p > LEVEL:
        return {}
    tick = clock_tick(observed, [*slow, *good])
    waited = {f: queueing(observed, f, tick) for f in [*slow, *good]}
    queued = {f for f in slow if waited[f] >= max(int(observed.server_rtt[f]), LEAST_QUEUE)}
    dropped = {f for f in [*slow, *good] if _dropped(observed, f, int(sent_again.data[f]))}
    lossy = _repeated(sent_again.data, observed, good) > LOSSY
    if lossy and (len(queued) < NEARLY_ALL * len(slow) or 2 * median(waited[f] for f in good) > min(waited[f] for f in queued)):
        queued = set()  # whatever waits behind lost packets waits for everybody
    policed = not queued and len(dropped & {*slow}) >= (NEARLY_ALL * len(slow) if lossy else POLICED_FLOWS) and not (lossy and dropped & {*good})
    hidden = lossy and not queued and not policed
    technique = "throttle" if hidden else "throttle.police" if policed else "throttle.shape"
    out: dict[int, Evidence] = {}
    for f in slow:
        rate = float(goodput.data[f])
        if rate <= SLOW_FRACTION * middle:
            reason = f"{rate / 1000:.1f} kB/s against {middle / 1000:.1f} kB/s for the control (median of {len(good)}; exact one-sided p = {p:.3f})"
            if hidden:
                reason += "; packets are lost on the way of both, so drops on purpose and bad luck look alike"
            if f in queued:
                reason += f"; what the server sent waited up to {waited[f] / 1e6:.0f} ms on the way"
            out[f] = Evidence("goodput", technique, _data_ends(observed, f), reason, policed or f in queued)
    return out


def _lasted(observed: Observed, flow: int) -> int:
    """Time from the server's first to its last data, ns; 0 where there is none."""
    first, last = int(observed.flows.answer[flow]), int(observed.facts.last_server[flow])
    return observed.flows.time(last) - observed.flows.time(first) if 0 <= first < last else 0


def clock_tick(observed: Observed, flows: Sequence[int]) -> float:
    """ns per tick of the server's timestamp clock: the least that any flow shows (a queue only stretches it), or the tick that stacks use where
    that is near; 1 ms where no flow was watched long enough (Linux; RFC 7323 section 5.4 allows 1 ms to 1 s)."""
    least = 0.0
    for f in flows:
        told = _told(observed, f)
        if len(told) >= 2 and told[-1][0] - told[0][0] >= LEAST_WATCH and told[-1][1] > told[0][1]:
            tick = (told[-1][0] - told[0][0]) / (told[-1][1] - told[0][1])
            least = min(least, tick) if least else tick
    if not least:
        return TICKS[0]
    usual = min(TICKS, key=lambda tick: max(tick, least) / min(tick, least))
    return usual if max(usual, least) <= NEAR_TICK * min(usual, least) else least


def queueing(observed: Observed, flow: int, tick: float) -> int:
    """How long packets of the server waited on the way more than its fastest did, ns: arrival against the server's own timestamps.
    0 where there are none: then a slow server and a slow way look alike."""
    delays = [time - value * tick for time, value in _told(observed, flow)]
    return int(max(delays) - min(delays)) if delays else 0


def _told(observed: Observed, flow: int) -> list[tuple[int, int]]:
    """(arrival in ns, timestamp) of the server's packets, both since the first."""
    flows, packets = observed.flows, observed.flows.packets
    slots = [s for s in flows.slots(flow) if flows.origin[s] == SERVER and packets.ts_value[flows.row[s]] >= 0]
    if not slots:
        return []
    first = int(packets.ts_value[flows.row[slots[0]]])
    return [(flows.time(s) - flows.time(slots[0]), (int(packets.ts_value[flows.row[s]]) - first) & 0xFFFFFFFF) for s in slots]


def _dropped(observed: Observed, flow: int, filled: int) -> bool:
    """Drops made this flow slow; `filled` segments of the server filled holes."""
    packets = int(observed.flow_feature("server_packets").data[flow])
    return filled >= max(LEAST_HOLES, POLICED * packets) and recovering(observed, flow) >= RECOVERING


def recovering(observed: Observed, flow: int) -> float:
    """Share of the time from the server's first to its last data during which something that had come waited for something missing."""
    flows = observed.flows
    slots = [s for s in flows.slots(flow) if flows.origin[s] == SERVER and flows.end[s] > flows.offset[s]]
    if not slots:
        return 0.0
    expected = int(flows.offset[slots[0]])
    ahead: list[tuple[int, int]] = []
    waited, since = 0, None
    for slot in slots:
        now, begin, end = flows.time(slot), int(flows.offset[slot]), int(flows.end[slot])
        if begin <= expected:
            expected = max(expected, end)
            for start, stop in sorted(ahead):
                expected = max(expected, stop) if start <= expected else expected
            ahead = [piece for piece in ahead if piece[0] > expected]
        else:
            ahead.append((begin, end))
        if ahead and since is None:
            since = now
        elif not ahead and since is not None:
            waited, since = waited + now - since, None
    last = flows.time(slots[-1])
    waited += last - since if since is not None else 0
    return waited / max(1, last - flows.time(slots[0]))


def _repeated(again: Ints, observed: Observed, flows: Sequence[int]) -> float:
    packets = observed.flow_feature("server_packets").data
    total = sum(int(packets[f]) for f in flows)
    return sum(int(again[f]) for f in flows) / total if total else 0.0


def _data_ends(observed: Observed, flow: int) -> list[int]:
    flows = observed.flows
    last = int(observed.facts.last_server[flow])
    return [s for s in (int(flows.answer[flow]), last) if s >= 0]
