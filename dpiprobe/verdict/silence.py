"""Silence that is held to be dropping: design section 4 (b) for hellos, and stalls that controls do not have.

Rules of this file:
- Look at the end of the hello, not at silence: an acknowledged hello without an answer is the server's affair.
- A control before and one after, at the same address, with a hello alike but for the name; nothing acknowledged but unseen in any of them.
- A SYN/ACK that is sent again after the client's acknowledgement says that the server never took the connection (accept queue, SYN
  cookies): then the hello's silence is the server's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate

import numpy as np

from dpiprobe.flow.flows import UNKNOWN
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.control import Controls, Peers, Pool, alike
from dpiprobe.verdict.evidence import trigger_word
from dpiprobe.verdict.model import Evidence, Outcome
from dpiprobe.verdict.outcome import stalled as unheard_from
from dpiprobe.verdict.vanished import LEAST_MTU, Hello, Vanished
from dpiprobe.verdict.view import FlowView
from dpiprobe.verdict.witnesses import ALIVE, DEAD, QUIET, Witness, Witnesses, traffic_of

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
    open_ones: list[tuple[Hello, Pool]] = []
    for hello in Vanished(observed, asked[copied]).hellos(views):
        out[hello.flow] = Silence(hello.finding(), hello.because)
        if hello.because is not None:
            continue
        if controls.state(hello.flow) != "completes":
            out[hello.flow].because = "no-control"
        else:
            open_ones.append((hello, controls.worked.pool_of(hello.flow)))
    pools = {id(pool): pool for _, pool in open_ones}
    facts_of = _facts(observed, {hello.flow for hello, _ in open_ones}.union(*(pool.flows for pool in pools.values())))
    known: dict[tuple[int, object], list[Witnesses]] = {}
    borne_out: list[tuple[Hello, list[Witnesses], str | None]] = []
    for hello, pool in open_ones:
        compared, (own, *_) = facts_of[hello.flow]
        key = id(pool), compared
        alike_ones = known.get(key)
        if alike_ones is None:
            alike_ones = known[key] = _alike(observed, hello.flow, pool, facts_of, controls.designated)
        before = after = False
        for group in alike_ones:
            before |= group.before(hello.when, hello.least, own)
            after |= group.after(hello.when, hello.least, own)
        if before and after:
            borne_out.append((hello, alike_ones, own))
        else:
            out[hello.flow].because = "no-control"
    if not borne_out:
        return out
    spans = [(hello.flow, hello.when + max(hello.rtt, 0), hello.last) for hello, _, _ in borne_out]
    ways = traffic_of(observed).during_all(*zip(*spans, strict=True))
    for (hello, alike_ones, own), way in zip(borne_out, ways, strict=True):
        silence = out[hello.flow]
        finding = silence.evidence
        assert finding is not None
        if way == DEAD:
            finding.reason += "; but nothing came from anywhere during that time, though the client sent to others as well"
            silence.because = "no-control"
            continue
        finding.sufficient = True
        names = _few_names(alike_ones, hello.when, hello.least, own)
        finding.reason += f", while hellos alike but for the name ({', '.join(names)}) were acknowledged at the same address before and after"
        if way == QUIET:
            finding.weight = "low"
    return out


Facts = Mapping[int, tuple[tuple[object, ...] | None, Witness]]
"""By flow: what `alike` compares of its hello (None where the capture lost some of the flow), and the flow as a witness for hellos."""


def _alike(observed: Observed, f: int, pool: Pool, facts: Facts, designated: bool) -> list[Witnesses]:
    """The controls whose hellos are alike but for the name, and of which the capture lost nothing."""
    classes: list[tuple[int, Witnesses]] = pool.once("hellos", lambda: _by_hello(facts, pool.flows))
    return [group for model, group in classes if alike(observed, f, model, designated)]


def _facts(observed: Observed, of: Collection[int]) -> Facts:
    flows, columns, segments = observed.flows, columns_of(observed), observed.flow_feature("segments")
    at = np.fromiter(of, np.int64, len(of))
    size = np.maximum(columns.hello_packet[at], LEAST_MTU)
    asked = (at, size, columns.heard_time[at], flows.ack_end[at], columns.first_time[at], columns.lost[at], segments.data[at], segments.known[at])
    facts: dict[int, tuple[tuple[object, ...] | None, Witness]] = {}
    for f, large, heard, ack_end, began, lost, count, known in zip(*(column.tolist() for column in asked), strict=True):
        trigger = flows.triggers[f]
        compared = None if lost or trigger is None else (trigger.kind, trigger.length, trigger.ja4, count if known else None)
        facts[f] = compared, (trigger.server_name if trigger is not None else None, large, heard if ack_end >= 0 else None, began)
    return facts


def _by_hello(facts: Facts, flows: Sequence[int]) -> list[tuple[int, Witnesses]]:
    """Flows whose hellos do not differ in what `alike` compares, with one of them as their model."""
    classes: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for g in flows:
        if (compared := facts[g][0]) is not None:
            classes[compared].append(g)
    return [(members[0], Witnesses([facts[g][1] for g in members])) for members in classes.values()]


def _few_names(groups: Sequence[Witnesses], moment: int, size: int, own: str | None) -> list[str]:
    """The first three names, in order, of controls that were heard before a moment or began after it."""
    names: list[str] = []
    told = [group.names(moment, size, own) for group in groups]
    for name in told[0] if len(told) == 1 else merge(*told):
        if name not in names:
            names.append(name)
        if len(names) == 3:
            break
    return names


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
