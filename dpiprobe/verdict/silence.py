"""Silence that is held to be dropping: design section 4 (b) for hellos, and stalls that controls do not have.

Rules of this file:
- Look at the end of the hello, not at silence: an acknowledged hello without an answer is the server's affair.
- A control before and one after, at the same address, with a hello alike but for the name; nothing acknowledged but unseen in any of them.
- A SYN/ACK that is sent again after the client's acknowledgement says that the server never took the connection (accept queue, SYN
  cookies): then the hello's silence is the server's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from dpiprobe.flow.flows import UNKNOWN
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.alike import Alike
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.control import STATES, Controls, Peers
from dpiprobe.verdict.evidence import trigger_word
from dpiprobe.verdict.model import Evidence, Outcome
from dpiprobe.verdict.outcome import stalled as unheard_from
from dpiprobe.verdict.vanished import BECAUSE, NO_CONTROL, OPEN, Vanished
from dpiprobe.verdict.view import FlowView
from dpiprobe.verdict.witnesses import ALIVE, DEAD, QUIET, Witnesses, traffic_of

View = Callable[[int], FlowView]


@dataclass(slots=True)
class Silence:
    """What can be said of an unacknowledged hello: the finding (complete or not), and why not more."""

    evidence: Evidence | None
    because: str | None = None


def dropped_hellos(observed: Observed, flows: Sequence[int], controls: Controls, views: View) -> dict[int, Silence]:
    """Of each of these flows, where there is something to say: whether the end of the hello was dropped on the way."""
    facts = observed.facts
    asked = np.array(flows, np.int64)
    asked = asked[(facts.unacked[asked] != UNKNOWN) & (observed.flows.hello[asked] >= 0)]
    copied = (facts.copies[asked] > 0) & (facts.first_copy[asked] >= 0)
    out = {f: Silence(None, "capture-loss") for f in asked[~copied].tolist()}
    if not copied.any():
        return out
    hellos = Vanished(observed, asked[copied], views)
    findings, because, flow = hellos.findings(), hellos.because, hellos.flow
    at = np.flatnonzero(because == OPEN)
    controlled = controls.state_numbers[flow[at]] == STATES.index("completes")
    because[at[~controlled]] = NO_CONTROL
    at = at[controlled]
    if len(at):
        alike = Alike(observed, controls, flow[at], hellos.when[at], hellos.least[at])
        because[at[~alike.borne_out]] = NO_CONTROL
        borne_out = np.flatnonzero(alike.borne_out)
        at = at[borne_out]
        spans = flow[at], hellos.when[at] + np.maximum(hellos.rtt[at], 0), hellos.last[at]
        ways = traffic_of(observed).during_all(*spans) if len(at) else []
        for place, i, way in zip(borne_out.tolist(), at.tolist(), ways, strict=True):
            _complete(findings[i], way, alike.names(place))
            if way == DEAD:
                because[i] = NO_CONTROL
    for f, finding, why in zip(flow.tolist(), findings, because.tolist(), strict=True):
        out[f] = Silence(finding, BECAUSE[why])
    return out


def _complete(finding: Evidence, way: str, names: Sequence[str]) -> None:
    """What controls before and after, and the client's other traffic meanwhile, say of a hello that was dropped."""
    if way == DEAD:
        finding.reason += "; but nothing came from anywhere during that time, though the client sent to others as well"
        return
    finding.sufficient = True
    finding.reason += f", while hellos alike but for the name ({', '.join(names)}) were acknowledged at the same address before and after"
    if way == QUIET:
        finding.weight = "low"


def _name(observed: Observed, flow: int) -> str | None:
    trigger = observed.flows.triggers[flow]
    return trigger.server_name if trigger else None


def stalls(flows: Sequence[int], outcomes: Sequence[Outcome], controls: Controls, views: View) -> dict[int, Silence]:
    """For the stalled flows of one name: the finding of each. Two stalls are asked, and a control that carried as much, before and after.

    A hello that was acknowledged, never answered, and after which the client's close went unheard stalled before the answer: a server that is
    merely hung still acknowledges.
    """
    out: dict[int, Silence] = {}
    where = {f: slot for f in flows if (slot := _stalled_at(f, outcomes, views)) >= 0}
    spans = Spans(where, views)
    for f, slot in where.items():
        view = views(f)
        seen = int(view.flows.server_seen[f])
        last = view.server_words[-1]
        answered = outcomes[f].word == "stalled"
        came = f"{seen} bytes came" if answered else f"the {trigger_word(view)} was acknowledged"
        reason = f"{came}, then nothing: what the client sent from packet {view.number(slot)} on was never acknowledged"
        finding = Evidence("stall", "drop.stall" if answered else "drop.answer", [last, slot, view.client_words[-1]], reason, False)
        if view.lost:
            out[f] = Silence(finding, "capture-loss")
            continue
        carried = _carried(view.observed, controls.worked[f])
        own, when = _name(view.observed, f), view.when(slot)
        if (
            not carried.before(when, seen, own)
            or not carried.after(when, seen, own)
            or controls.failed[f].where("stalled", lambda g: _stalled_at(g, outcomes, views) >= 0)
        ):
            out[f] = Silence(finding, "no-control")
        elif not apart(spans, f, carried, seen, own, view):
            out[f] = Silence(finding, "too-few-trials")
        elif not answered and any(_hung(views(g)) for g in flows):
            finding.reason += "; but in another trial the server, as silent, acknowledged the client's close: it hangs"
            out[f] = Silence(finding, "server-or-third-party")
        else:
            finding.sufficient = True
            finding.reason += "; flows with other names at the same address brought as much and went on"
            out[f] = Silence(finding)
    return out


def _hung(view: FlowView) -> bool:
    """The server acknowledged the hello, said nothing to it, and was still there when the client closed."""
    return view.ack_end >= 0 and view.answer < 0 and view.client_fin >= 0 and any(s > view.client_fin for s in view.server_words)


def _stalled_at(f: int, outcomes: Sequence[Outcome], views: View) -> int:
    """The first packet of the client that went unheard in a flow that had been alive up to the hello's acknowledgement, -1 where none."""
    if outcomes[f].word == "stalled":
        return outcomes[f].slot
    if outcomes[f].word == "silent" and views(f).ack_end >= 0:
        return unheard_from(views(f))
    return -1


def _carried(observed: Observed, peers: Peers) -> Witnesses:
    """The controls of which the capture lost nothing, by the bytes that the server brought."""
    columns = columns_of(observed)
    return peers.pool.once(  # type: ignore[no-any-return]
        "carried",
        lambda: Witnesses(
            (_name(observed, g), int(observed.flows.server_seen[g]), int(columns.last_time[g]), int(columns.first_time[g]))
            for g in peers.pool.flows
            if not columns.lost[g]
        ),
    )


class Spans:
    """When the flows of one name went unheard, from the first packet that did to the flow's last."""

    def __init__(self, where: Mapping[int, int], views: View) -> None:
        self.of = {f: (views(f).when(slot), views(f).last_time) for f, slot in where.items()}
        self._begins = sorted(begin for begin, _ in self.of.values())
        stops = [stop for _, stop in sorted(self.of.values())]
        self._first_stop = [*accumulate(stops, min)]

    def gaps(self, f: int) -> list[tuple[int, int]]:
        """The widest time between another flow's silence and this one's, on either side."""
        begin, end = self.of[f]
        earlier = bisect_left(self._begins, begin)
        gaps = [(self._first_stop[earlier - 1], begin)] if earlier else []
        return gaps + ([(end, self._begins[-1])] if len(self._begins) - earlier > 1 else [])


def apart(spans: Spans, f: int, carried: Witnesses, seen: int, own: str | None, view: FlowView) -> bool:
    """Another flow stalled as well, and not in the same hole of the path: a control worked in between, or something else came in meanwhile."""
    gaps = spans.gaps(f)
    for low, high in gaps:
        if carried.between(low, high, seen, own):
            return True
    begin, end = spans.of[f]
    return bool(gaps) and traffic_of(view.observed).during(f, begin + max(view.rtt, 0), end) == ALIVE
