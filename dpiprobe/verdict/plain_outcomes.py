"""Outcomes that columns alone tell, for all flows at once: what `outcome_of` says wherever nothing unusual is in sight.

Rules of this file:
- It decides only what is certain: a flow of which it is not certain is left to `outcome_of`, whose words these are. A test holds both equal.
- Each function gives the flows it decides and the slot that decided; the order of the questions is that of `outcome_of`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT_HELLO, NO_TRIGGER, SERVER, UNKNOWN
from dpiprobe.flow.segments import max_where
from dpiprobe.observe.build import Observed
from dpiprobe.tls.alert import FATAL, WARNING
from dpiprobe.tls.record import ALERT, HANDSHAKE, SERVER_HELLO
from dpiprobe.verdict.columns import Columns, columns_of
from dpiprobe.verdict.model import Outcome
from dpiprobe.verdict.outcome import PATIENCE, UNACKED_COPIES, outcome_of
from dpiprobe.verdict.outcomes import NUMBER, Outcomes
from dpiprobe.verdict.view import Views
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, TCP, pieces

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def outcomes_of(observed: Observed, views: Views) -> Outcomes:
    """The outcome of every flow."""
    count = len(observed.flows)
    made: list[Outcome | None] = [None] * count
    out = Outcomes(np.full(count, -1, np.int8), np.full(count, -1, np.int64), made)
    for word, (decided, slot) in _certain(columns_of(observed)).items():
        flows = np.flatnonzero(decided)
        out.code[flows], out.slot[flows] = NUMBER[word], slot[flows]
    rest: list[int] = np.flatnonzero(out.code < 0).tolist()
    views.expect(rest)
    for f in rest:
        out[f] = outcome_of(views(f))
    return out


def _certain(columns: Columns) -> dict[str, tuple[Bools, Ints]]:
    """Per word: the flows that certainly ended so, and the slot that decided it. No flow has two."""
    flows = columns.flows
    if not len(flows) or not len(flows.row):
        return {}
    tcp, triggered = flows.transport == TCP, flows.trigger_kind != NO_TRIGGER
    facts = columns.observed.facts
    two_sided = (facts.last_client >= 0) & ((facts.last_server >= 0) | (flows.server_rst >= 0))
    usual = tcp & triggered & two_sided & (flows.hello >= 0)
    resets = np.flatnonzero(columns.server_reset)
    reset = columns.first_of(resets[resets >= flows.hello[flows.flow[resets]]])
    ended, open_ended = _ended(columns, reset)
    whole = usual & ((reset < 0) | ended)  # a reset ended it for certain, or none came
    unheard = (facts.unacked != UNKNOWN) & (facts.copies >= UNACKED_COPIES) & (flows.ack_end < 0)
    silent = usual & (reset < 0) & unheard
    whole &= ~silent
    left_before = (flows.client_rst >= 0) & (flows.client_rst < flows.answer)
    answered = whole & (flows.answer >= 0) & ((reset < 0) | (flows.answer < reset)) & ~left_before
    hello, alert = _answers(columns)
    plain = (flows.trigger_kind != CLIENT_HELLO) | hello
    worked = answered & plain & (reset < 0) & (facts.unheard < UNACKED_COPIES)
    after_all = whole & ended & ((answered & plain) | ~answered) & ~open_ended
    gave_up = np.minimum(*(np.where(end > flows.hello, end, len(flows.row)) for end in (flows.client_fin, flows.client_rst)))
    fin = flows.server_fin
    heard = (fin > flows.hello) & (flows.acked[np.maximum(fin, 0)] >= flows.hello_end)
    closed = whole & ~answered & (reset < 0) & heard & (fin < gave_up)
    return {
        "silent": (silent, flows.hello),
        "worked": (worked, flows.answer),
        "reset": (after_all, reset),
        "closed": (closed, fin),
        "alert": (answered & (flows.trigger_kind == CLIENT_HELLO) & alert, flows.answer),
        **_before_any_trigger(columns, tcp & ~triggered),
    }


def _ended(columns: Columns, reset: Ints) -> tuple[Bools, Bools]:
    """(flows that this reset, the first one, ended for certain; flows in which it came after a close, so that it may have ended nothing)."""
    flows, there = columns.flows, reset >= 0
    words = columns.among(there, columns.client_word)
    flow, end, acked = flows.flow[words], flows.end[words], flows.acked[words]
    before = words < reset[flow]
    known_end, known_ack = (max_where(before, v, flow, columns.count, least)[flow] for v, least in ((end, 0), (acked, UNKNOWN)))
    late = columns.when(words) - columns.when(reset)[flow] > PATIENCE // 10
    alive = (end > known_end) | (acked > known_ack) | ((flows.flags[words] & FIN) != 0) | ((flows.length[words] > 0) & late)
    carries_on = np.zeros(columns.count, np.bool_)
    carries_on[flow[alive & ~before]] = True
    closed = columns.closed_by_us
    after_close = ((closed >= 0) & (closed < reset)) | ((flows.server_fin >= 0) & (flows.server_fin < reset))
    return there & ~carries_on & ~after_close, there & after_close


def _answers(columns: Columns) -> tuple[Bools, Bools]:
    """Flows whose answer begins with a record that holds the beginning of a ServerHello of TLS 1.0 to 1.3, long enough to be read as one (RFC 8446
    sections 4.1.3 and 5.1); those whose answer begins with a plaintext alert (`tls.alert`). Nothing of the server is missing before it."""
    flows, packets = columns.flows, columns.flows.packets
    answer = np.maximum(flows.answer, 0)
    row = flows.row[answer]
    enough = (flows.answer >= 0) & (packets.payload_captured[row] >= LEAST_ALERT)
    later = enough & (flows.offset[answer] > 0)
    said = columns.among(later, (flows.origin == SERVER) & ((columns.flags & RST) == 0))  # an end that is unknown lies below all others
    flow = flows.flow[said]
    enough &= flows.offset[answer] <= np.maximum(max_where(said < flows.hello[flow], flows.end[said], flow, columns.count, 0), 0)
    known = np.flatnonzero(enough)
    arena = np.frombuffer(packets.arena, np.uint8)
    at = packets.payload_offset[row[known]]
    inside = at + 11 <= len(arena)
    head = np.zeros((len(known), 11), np.int64)
    head[inside] = pieces(packets.arena, at[inside], 11)
    if not inside.all():
        head[~inside] = arena[np.minimum(at[~inside][:, None] + np.arange(11), len(arena) - 1)]
    record, message = head[:, 3] << 8 | head[:, 4], head[:, 6] << 16 | head[:, 7] << 8 | head[:, 8]
    version = head[:, 9] << 8 | head[:, 10]
    is_hello = (
        (packets.payload_captured[row[known]] >= LEAST_HELLO)
        & (head[:, 0] == HANDSHAKE) & (head[:, 1] == 3) & (record >= LEAST_HELLO - 5) & (head[:, 5] == SERVER_HELLO) & (message >= LEAST_HELLO - 9)
        & (version >= 0x0300) & (version <= 0x0304) & (record <= 1 << 14)
    )  # fmt: skip
    is_alert = (head[:, 0] == ALERT) & (head[:, 1] == 3) & (record == 2) & ((head[:, 5] == WARNING) | (head[:, 5] == FATAL))
    hello, alert = np.zeros(columns.count, np.bool_), np.zeros(columns.count, np.bool_)
    hello[known[is_hello]] = True
    alert[known[is_alert]] = True
    return hello, alert


LEAST_ALERT = 7
"""Bytes of a record (5), a level and a description."""


LEAST_HELLO = 47
"""Bytes of a record (5), a handshake header (4) and the fields up to the cipher suite (38) that every ServerHello has."""


def _before_any_trigger(columns: Columns, asked: Bools) -> dict[str, tuple[Bools, Ints]]:
    """SYNs that were refused, or that nobody answered."""
    flows, packets = columns.flows, columns.flows.packets
    lone = asked & (flows.syn_ack < 0) & (flows.syn >= 0) & ~columns.has_errors
    if not lone.any():
        return {}
    lone[flows.flow[columns.among(lone, columns.client_word & ((columns.flags & SYN) == 0))]] = False  # the client went on
    resets = columns.among(lone, columns.server_reset)
    flow, row = flows.flow[resets], flows.row[resets]
    syn = np.maximum(flows.syn[flow], 0)
    more = (packets.ack[row] - packets.seq[flows.row[syn]] - 1) & 0xFFFFFFFF
    lone[flow[((flows.flags[resets] & ACK) != 0) & (flows.length[syn] < more) & (more < 1 << 31)]] = False  # a reset acknowledges more than the SYN
    by_server = columns.first_of(resets[flows.origin[resets] == SERVER])
    refused = lone & (by_server >= 0)
    watched = columns.observed.facts.end_of_capture - columns.when(flows.syn)
    nothing = lone & (columns.first_of(resets) < 0) & ~columns.has_server_words & (flows.client_rst < 0) & (watched >= PATIENCE)
    return {"refused": (refused, by_server), "unanswered": (nothing, flows.syn)}
