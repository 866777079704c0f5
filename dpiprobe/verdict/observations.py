"""What happened in a flow, without meaning: the observations of its record."""

from __future__ import annotations

from collections.abc import Sequence

from dpiprobe.flow.flows import STRAY
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.evidence import standing_resets
from dpiprobe.verdict.model import Evidence, Observation, Outcome
from dpiprobe.verdict.silence import View


def observations_of(f: int, found: Sequence[Evidence], observed: Observed, outcome: Outcome, view: View) -> list[Observation]:
    """Of one flow: each finding, then resets that no close explains, the answer, ICMP errors, packets of third addresses."""
    if not (found or outcome.word != "worked" or len(observed.rows(f))):
        return []
    columns, answer = columns_of(observed), int(observed.flows.answer[f])
    out = [Observation(e.kind, e.slots, {"server_packets": e.server_packets} if e.server_packets else {}) for e in found]
    if columns.has_server_resets[f] and (resets := standing_resets(view(f))):
        out.append(Observation("reset", resets))
    if answer >= 0:
        out.append(Observation("answer", [answer]))
    if columns.has_errors[f]:
        out.append(Observation("icmp", view(f).errors))
    if columns.has_strays[f]:
        out.append(Observation("stray", view(f).of(STRAY)))
    return out
