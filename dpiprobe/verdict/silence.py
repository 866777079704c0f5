"""Silence that is held to be dropping: design section 4 (b) for hellos, and stalls that controls do not have.

Rules of this file:
- Look at the end of the hello, not at silence: an acknowledged hello without an answer is the server's affair.
- A control before and one after, at the same address, with a hello alike but for the name; nothing acknowledged but unseen in any of them.
- A SYN/ACK that is sent again after the client's acknowledgement says that the server never took the connection (accept queue, SYN
  cookies): then the hello's silence is the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dpiprobe.flow.flows import CLIENT, SERVER, UNKNOWN, tcp_flags
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.control import Controls, alike
from dpiprobe.verdict.evidence import ms, trigger_word
from dpiprobe.verdict.model import Evidence, Outcome
from dpiprobe.verdict.outcome import UNACKED_COPIES, UNACKED_SPAN
from dpiprobe.verdict.outcome import stalled as unheard_from
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import ACK, RST, SYN

View = Callable[[int], FlowView]


@dataclass(slots=True)
class Silence:
    """What can be said of an unacknowledged hello: the finding (complete or not), and why not more."""

    evidence: Evidence | None
    because: str | None = None


def dropped_hello(view: FlowView, controls: Controls, views: View) -> Silence:
    """Whether the end of the hello was dropped on the way."""
    observed, f = view.observed, view.f
    facts = observed.facts
    if int(facts.unacked[f]) == UNKNOWN or view.hello < 0:
        return Silence(None)
    copies = int(facts.copies[f])
    first, last = int(facts.first_copy[f]), int(facts.last_copy[f])
    if copies == 0 or first < 0:
        return Silence(None, "capture-loss")
    span = view.when(last) - view.when(first)
    part = (
        ""
        if int(facts.unacked[f]) <= view.hello_start
        else f" (the server acknowledged its first {int(facts.unacked[f]) - view.hello_start} bytes)"
    )
    slots = _copies(view, int(facts.unacked[f]))
    reason = f"the end of the {trigger_word(view)} was never acknowledged in {copies} copies over {ms(span)}{part}"
    finding = Evidence("hello-unacknowledged", "drop.hello", slots, reason, False, "medium")
    if view.lost or heard_unseen(view):
        return Silence(finding, "capture-loss")
    if view.ttl_limited:
        return Silence(finding, "ttl-limited")
    if server_never_took_it(view):
        return Silence(finding, "server-or-third-party")
    if copies < UNACKED_COPIES or span < UNACKED_SPAN:
        return Silence(finding, "too-few-trials")
    good = [g for g in controls.worked[f] if alike(observed, f, g, controls.designated) and not views(g).lost and as_large(view, views(g))]
    before = [g for g in good if views(g).ack_end >= 0 and views(g).when(views(g).ack_end) < view.when(first)]
    after = [g for g in good if views(g).time[0] > view.when(first)]
    if not before or not after:
        return Silence(finding, "no-control")
    way = path_during(view, view.when(first) + max(view.rtt, 0), view.when(last))
    if way == DEAD:
        finding.reason += "; but nothing came from anywhere during that time, though the client sent to others as well"
        return Silence(finding, "no-control")
    finding.sufficient = True
    names = sorted({_name(observed, g) or "no name" for g in before + after})
    finding.reason += (
        f", while hellos alike but for the name ({', '.join(names[:3])}) were acknowledged at the same address before and after"
    )
    if way == QUIET:
        finding.weight = "low"
    return Silence(finding)


ALIVE, QUIET, DEAD = "alive", "quiet", "dead"


def path_during(view: FlowView, begin: int, end: int) -> str:
    """What the client's other traffic says of its way to the world in a span of time (ns): something came in (alive); it sent to others and
    heard nothing (dead); nobody else was spoken to (quiet). Resets and this flow's own packets do not count."""
    flows, f = view.flows, view.f
    time, flags = flows.packets.time[flows.row], tcp_flags(flows.packets, flows.row)
    rows = (flows.client[flows.flow] == flows.client[f]) & (flows.flow != f) & (time >= begin) & (time <= end) & ((flags & RST) == 0)
    if (rows & (flows.origin == SERVER)).any():
        return ALIVE
    elsewhere = (flows.server[flows.flow] != flows.server[f]) & (flows.origin == CLIENT)
    return DEAD if (rows & elsewhere).any() else QUIET


def as_large(view: FlowView, control: FlowView) -> bool:
    """The control's hello went through in a packet as large as the one that vanished: else a path that loses large packets would do.

    Packets that fit the least MTU of IPv6 (RFC 8200 section 5) are never too large.
    """
    unacked = int(view.observed.facts.unacked[view.f])
    vanished = [view.packet(s, "ip_length") for s in _copies(view, unacked)]
    passed = [
        control.packet(s, "ip_length")
        for s in control.client_words
        if control.length[control.at(s)]
        and control.offset[control.at(s)] < control.hello_end
        and control.end[control.at(s)] > control.hello_start
    ]
    return bool(vanished) and (min(vanished) <= LEAST_MTU or max(passed, default=0) >= min(vanished))


LEAST_MTU = 1280
"""Bytes of IP that every path carries (RFC 8200 section 5)."""


def _name(observed: Observed, flow: int) -> str | None:
    trigger = observed.flows.triggers[flow]
    return trigger.server_name if trigger else None


def _copies(view: FlowView, byte: int) -> list[int]:
    return [s for s in view.client_words if view.length[view.at(s)] and view.offset[view.at(s)] <= byte < view.end[view.at(s)]]


def heard_unseen(view: FlowView) -> bool:
    """The client echoes a timestamp of the server that no packet in the capture carries: it heard what the capture did not."""
    told = {view.packet(s, "ts_value") for s in view.slots if view.origin[view.at(s)] == SERVER}
    if not any(value >= 0 for value in told):
        return False
    return any(view.packet(s, "ts_echo") > 0 and view.packet(s, "ts_echo") not in told for s in view.client_words)


def server_never_took_it(view: FlowView) -> bool:
    """The server repeated its SYN/ACK although the client had acknowledged it, and never acknowledged a byte."""
    handshake = int(view.flows.handshake[view.f])
    again = [s for s in view.server_words if view.flags[view.at(s)] & (SYN | ACK | RST) == SYN | ACK and s > handshake >= 0]
    return bool(again) and int(view.flows.server_acked[view.f]) <= 0


def stalls(flows: Sequence[int], outcomes: Sequence[Outcome], controls: Controls, views: View) -> dict[int, Silence]:
    """For the stalled flows of one name: the finding of each. Two stalls are asked, and a control that carried as much, before and after.

    A hello that was acknowledged, never answered, and after which the client's close went unheard stalled before the answer: a server that is
    merely hung still acknowledges.
    """
    out: dict[int, Silence] = {}
    where = {f: slot for f in flows if (slot := _stalled_at(f, outcomes, views)) >= 0}
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
        good = [g for g in controls.worked[f] if int(view.flows.server_seen[g]) >= seen and not views(g).lost]
        before = [g for g in good if views(g).last_time < view.when(slot)]
        after = [g for g in good if views(g).time[0] > view.when(slot)]
        if not before or not after or any(_stalled_at(g, outcomes, views) >= 0 for g in controls.failed[f]):
            out[f] = Silence(finding, "no-control")
        elif not apart(where, f, good, views):
            out[f] = Silence(finding, "too-few-trials")
        else:
            finding.sufficient = True
            finding.reason += "; flows with other names at the same address brought as much and went on"
            out[f] = Silence(finding)
    return out


def _stalled_at(f: int, outcomes: Sequence[Outcome], views: View) -> int:
    """The first packet of the client that went unheard in a flow that had been alive up to the hello's acknowledgement, -1 where none."""
    if outcomes[f].word == "stalled":
        return outcomes[f].slot
    if outcomes[f].word == "silent" and views(f).ack_end >= 0:
        return unheard_from(views(f))
    return -1


def apart(where: Mapping[int, int], f: int, good: Sequence[int], views: View) -> bool:
    """Another flow stalled as well, and not in the same hole of the path: a control worked in between, or something else came in meanwhile."""

    def span(g: int) -> tuple[int, int]:
        return views(g).when(where[g]), views(g).last_time

    begin, end = span(f)
    others = [span(g) for g in where if g != f]
    between = [(stop, begin) if start < begin else (end, start) for start, stop in others]
    if any(low < views(g).time[0] and views(g).last_time < high for low, high in between for g in good):
        return True
    return bool(others) and path_during(views(f), begin + max(views(f).rtt, 0), end) == ALIVE
