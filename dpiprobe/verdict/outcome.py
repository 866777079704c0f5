"""How a flow ended, alone and without blame: worked, reset, closed, alert, page, stalled, silent, refused, unanswered, unreachable,
aborted, unseen (`slow` only shows beside controls and is set there).

Rules of this file:
- A reset ended a flow only if the client believed it: it sent nothing but resets afterwards. What the application saw plays no part.
- A reset or close that answers the client's own close ended nothing.
- Silence is only silence where the capture went on long enough to hear an answer.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from dpiprobe.flow.flows import CLIENT_HELLO, NO_TRIGGER, QUIC_INITIAL, SERVER, UNKNOWN
from dpiprobe.flow.trigger import gather
from dpiprobe.tls.server import ALERT_KIND, HTTP_KIND, OTHER_KIND, read_server
from dpiprobe.verdict.model import Outcome
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import ACK, FIN, ICMP, RST, SYN

PATIENCE = 1_000_000_000
"""ns that an answer may take before its absence is silence, and that a client must wait before its close is a timeout and not a
change of mind: the initial retransmission timeout of RFC 6298 section 2."""

FRAGMENTATION_NEEDED = 4
"""ICMP type 3 code 4: the path wants smaller packets, nothing is refused (RFC 1191 section 4)."""

UNACKED_COPIES, UNACKED_SPAN = 3, 3_000_000_000
"""Copies, and ns from first to last, after which unacknowledged data counts as unheard (design section 4 (b))."""


def outcome_of(view: FlowView) -> Outcome:
    """The outcome of one flow."""
    if view.flows.transport[view.f] == 17:
        return _quic(view)
    if view.one_direction:
        return Outcome("unseen", because="one-direction")
    if view.kind == NO_TRIGGER:
        return _without_trigger(view)
    return _with_trigger(view)


def _quic(view: FlowView) -> Outcome:
    if view.kind != QUIC_INITIAL:
        return Outcome("unseen", because="mid-stream")
    if view.server_words:
        return Outcome("worked", view.server_words[0])
    unreachable = [s for s in view.errors if _unreachable(view, s)]
    if unreachable:
        return Outcome("unreachable", unreachable[0])
    if view.watched_after(view.slots.start) < PATIENCE:
        return Outcome("unseen", because="truncated")
    return Outcome("silent")


def _unreachable(view: FlowView, slot: int) -> bool:
    kind = view.packet(slot, "icmp_type")
    if view.packet(slot, "protocol") == ICMP:
        return kind == 3 and view.packet(slot, "icmp_code") != FRAGMENTATION_NEEDED
    return kind == 1


def _without_trigger(view: FlowView) -> Outcome:
    if view.syn_ack < 0:
        if view.syn < 0:
            return Outcome("unseen", because="mid-stream")
        if _handshake_missed(view):
            return Outcome("unseen", because="capture-loss")
        if view.server_resets:
            return Outcome("refused", view.server_resets[0])
        unreachable = [s for s in view.errors if _unreachable(view, s)]
        if unreachable:
            return Outcome("unreachable", unreachable[0])
        if view.server_words:  # payload or an ACK without a SYN/ACK: the beginning is not whole
            return Outcome("unseen", because="mid-stream")
        if view.client_rst >= 0 or view.watched_after(view.syn) < PATIENCE:
            return Outcome("unseen", because="truncated")
        return Outcome("unanswered", view.syn)
    refused = _refused_before_accepted(view)
    if refused >= 0:
        return Outcome("refused", refused)
    spoke = [s for s in view.server_words if view.length[view.at(s)]]
    ended = _ended_by_reset(view, view.syn_ack)
    if ended >= 0:
        return Outcome("reset", ended)
    if spoke:
        return Outcome("worked", spoke[0])
    if view.client_fin >= 0 or view.client_rst >= 0:
        return Outcome("aborted", view.client_fin if view.client_fin >= 0 else view.client_rst)
    if view.server_fin >= 0:
        return Outcome("closed", view.server_fin)
    return Outcome("unseen", because="no-trigger")


def _refused_before_accepted(view: FlowView) -> int:
    """A reset that answers the SYN and came before the SYN/ACK, where the client then said no more than resets: it believed the reset (RFC 9293
    section 3.10.7.3), whoever sent it. -1 where none."""
    if any(s > view.syn for s in view.client_words if not view.flags[view.at(s)] & SYN):
        return -1
    first = (view.packet(view.syn, "seq") + 1) & 0xFFFFFFFF if view.syn >= 0 else -1
    early = (s for s in sorted(view.server_resets) if view.syn < s < view.syn_ack)
    return next((s for s in early if view.flags[view.at(s)] & ACK and view.packet(s, "ack") == first), -1)


def _handshake_missed(view: FlowView) -> bool:
    """The SYN was answered although the capture holds no SYN/ACK: the client went on, or a reset acknowledges more than the SYN and its data."""
    if any(not view.flags[view.at(s)] & SYN for s in view.client_words if s > view.syn):
        return True
    first = (view.packet(view.syn, "seq") + 1) & 0xFFFFFFFF
    beyond = [(view.packet(s, "ack") - first) & 0xFFFFFFFF for s in view.server_resets if view.flags[view.at(s)] & ACK]
    return any(view.length[view.at(view.syn)] < n < 1 << 31 for n in beyond)


def _ended_by_reset(view: FlowView, after: int) -> int:
    """The first reset behind slot `after` that ended the flow before either side had closed it, -1 where none."""
    if not view.server_resets:
        return -1
    resets = [slot for slot in sorted(view.server_resets) if slot >= after]
    # who carries on after one reset carried on after all before it: the first that ended the flow is found by halving
    first = bisect_left(resets, True, key=lambda slot: not _carries_on(view, slot))
    if first == len(resets) or 0 <= view.closed_by_us < resets[first] or 0 <= view.server_fin < resets[first]:
        return -1
    return resets[first]


def _carries_on(view: FlowView, reset: int) -> bool:
    """The client went on speaking after a reset: new data, a close, or an acknowledgement of something new."""
    position = view.at(reset)
    known_end = max((view.end[view.at(s)] for s in view.client_words if s < reset), default=0)
    known_ack = max((view.acked[view.at(s)] for s in view.client_words if s < reset), default=UNKNOWN)
    for i in range(position + 1, len(view.slots)):
        if view.origin[i] != 0 or view.flags[i] & RST or view.copy[i]:
            continue
        if view.end[i] > known_end or view.acked[i] > known_ack or view.flags[i] & FIN:
            return True
        if view.length[i] and view.time[i] - view.time[position] > PATIENCE // 10:  # a retransmission: the socket is alive
            return True
    return False


def _with_trigger(view: FlowView) -> Outcome:
    if view.hello < 0:
        return Outcome("unseen", because="mid-stream")
    ended = _ended_by_reset(view, view.hello)
    aborted = _gave_up(view)
    if ended < 0 and _never_heard(view):
        return Outcome("silent", view.hello)
    if view.answer >= 0 and (ended < 0 or view.answer < ended) and not 0 <= view.client_rst < view.answer:
        return _answered(view, ended)
    closed = view.server_fin if view.server_fin > view.hello and _heard(view, view.server_fin) else -1
    if closed >= 0 and (ended < 0 or closed < ended):
        return Outcome("closed", closed) if aborted < 0 or closed < aborted else _unheard(view, aborted)
    if ended >= 0:
        return Outcome("reset", ended)
    if aborted >= 0:
        return _unheard(view, aborted)
    unreachable = [s for s in view.errors if s > view.hello and _unreachable(view, s)]
    if unreachable:
        return Outcome("unreachable", unreachable[0])
    last = view.hello_done if view.hello_done >= 0 else view.hello
    if view.watched_after(last) < max(PATIENCE, 3 * view.rtt):
        return Outcome("unseen", because="truncated")
    return Outcome("silent", view.hello)


def _never_heard(view: FlowView) -> bool:
    """The end of the hello was sent at least three times and never acknowledged: whatever the server said meanwhile is no answer to it."""
    facts, f = view.observed.facts, view.f
    return int(facts.unacked[f]) != UNKNOWN and int(facts.copies[f]) >= UNACKED_COPIES and view.ack_end < 0


def _heard(view: FlowView, fin: int) -> bool:
    """A close answers the hello only if it acknowledges its end; a server that closes without having heard it gave up waiting."""
    return view.acked[view.at(fin)] >= view.hello_end


def _gave_up(view: FlowView) -> int:
    """The client's first FIN or RST after the hello."""
    ends = [s for s in (view.client_fin, view.client_rst) if s > view.hello]
    return min(ends) if ends else -1


def _unheard(view: FlowView, gave_up: int) -> Outcome:
    """The client ended it: after it had waited in vain that is silence, before that it is the client's own doing."""
    unreachable = [s for s in view.errors if s > view.hello and _unreachable(view, s)]
    if unreachable:
        return Outcome("unreachable", unreachable[0])
    waited = view.when(gave_up) - view.when(view.hello)
    return Outcome("silent", view.hello) if waited >= max(PATIENCE, 3 * view.rtt) else Outcome("aborted", gave_up)


def _answered(view: FlowView, ended: int) -> Outcome:
    if view.kind == CLIENT_HELLO:
        body = _beginning(view)
        kind = read_server(body).kind if body else None
        if kind == ALERT_KIND:
            return Outcome("alert", view.answer)
        if kind == HTTP_KIND or (kind == OTHER_KIND and not 20 <= body[0] <= 24):
            return Outcome("page", view.answer)
    if ended >= 0:
        return Outcome("reset", ended)
    stall = stalled(view)
    if stall >= 0:
        return Outcome("stalled", stall)
    return Outcome("worked", view.answer)


def _beginning(view: FlowView) -> bytes:
    """The server's answer from its first byte on, empty where the capture lacks it: a later segment that came first says nothing by its first byte."""
    start = view.server_reach[view.at(view.hello)]
    return view.payload(view.answer) if view.offset[view.at(view.answer)] <= start else _stream(view, start)


def _stream(view: FlowView, start: int = 0) -> bytes:
    """The server's bytes from an offset on, as far as they came in order."""
    flows, span = view.flows, slice(view.slots.start, view.slots.stop)
    mine = np.arange(span.start, span.stop)[(flows.origin[span] == SERVER) & (flows.packets.payload_length[flows.row[span]] > 0)]
    return gather(flows.packets, flows.row, mine, flows.offset, flows.end, start, int(flows.server_seen[view.f]))


def stalled(view: FlowView) -> int:
    """The first of the client's packets that nobody heard although the flow had worked: the same bytes or FIN at least three times, never
    acknowledged, and nothing from the server after them; over at least three seconds, or after as long a silence in the middle of a TLS
    record. -1 where there is no such thing."""
    if not view.server_words:
        return -1
    reach = max(view.acked[view.at(s)] for s in view.server_words)
    unheard = [
        s
        for s in view.client_words
        if view.end[view.at(s)] + (1 if view.flags[view.at(s)] & FIN else 0) > reach
        and (view.length[view.at(s)] or view.flags[view.at(s)] & FIN)
    ]
    if len(unheard) < UNACKED_COPIES:
        return -1
    long_enough = view.when(unheard[-1]) - view.when(unheard[0]) >= UNACKED_SPAN
    if not long_enough and not (view.when(unheard[-1]) - view.when(view.server_words[-1]) >= UNACKED_SPAN and owes_record(view)):
        return -1
    if view.server_words[-1] > unheard[0] or any(s > unheard[0] for s in view.server_resets):
        return -1
    return unheard[0]


def owes_record(view: FlowView) -> bool:
    """The server's bytes, as far as they came in order, end inside a TLS record."""
    if view.kind != CLIENT_HELLO:
        return False
    stream = _stream(view)
    at = 0
    while at + 5 <= len(stream):
        if not 20 <= stream[at] <= 24:
            return False
        at += 5 + int.from_bytes(stream[at + 3 : at + 5], "big")
    return at != len(stream)
