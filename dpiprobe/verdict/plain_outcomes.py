"""Outcomes that columns alone tell, for all flows at once: what `outcome_of` says wherever nothing unusual is in sight.

Rules of this file:
- It decides only what is certain: a flow of which it is not certain is left to `outcome_of`, whose words these are. A test holds both equal.
- Each function gives the flows it decides and the slot that decided; the order of the questions is that of `outcome_of`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, CLIENT_HELLO, NO_TRIGGER, SERVER, UNKNOWN
from dpiprobe.flow.segments import count_where, max_where
from dpiprobe.observe.build import Observed
from dpiprobe.tls.alert import FATAL, WARNING
from dpiprobe.tls.record import ALERT, HANDSHAKE, SERVER_HELLO
from dpiprobe.verdict.columns import Columns, columns_of
from dpiprobe.verdict.model import Outcome
from dpiprobe.verdict.outcome import PATIENCE, UNACKED_COPIES, outcome_of
from dpiprobe.verdict.view import Views
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, TCP

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def outcomes_of(observed: Observed, views: Views) -> list[Outcome]:
    """The outcome of every flow."""
    out: list[Outcome | None] = [None] * len(observed.flows)
    for word, (decided, slot) in _certain(columns_of(observed)).items():
        flows = np.flatnonzero(decided)
        for f, s in zip(flows.tolist(), slot[flows].tolist(), strict=True):
            out[f] = Outcome(word, s)
    views.expect(f for f, outcome in enumerate(out) if outcome is None)
    return [outcome_of(views(f)) if outcome is None else outcome for f, outcome in enumerate(out)]


def _certain(columns: Columns) -> dict[str, tuple[Bools, Ints]]:
    """Per word: the flows that certainly ended so, and the slot that decided it. No flow has two."""
    flows = columns.flows
    if not len(flows) or not len(flows.row):
        return {}
    tcp, triggered = flows.transport == TCP, flows.trigger_kind != NO_TRIGGER
    two_sided = columns.slots_where(flows.origin == CLIENT) & columns.slots_where(flows.origin == SERVER)
    usual = tcp & triggered & two_sided & (flows.hello >= 0)
    slot = np.arange(len(flows.row))
    reset = columns.first(columns.server_reset & (slot >= flows.hello[flows.flow]))
    ended, open_ended = _ended(columns, reset)
    whole = usual & ((reset < 0) | ended)  # a reset ended it for certain, or none came
    facts = columns.observed.facts
    unheard = (facts.unacked != UNKNOWN) & (facts.copies >= UNACKED_COPIES) & (flows.ack_end < 0)
    silent = usual & (reset < 0) & unheard
    whole &= ~silent
    left_before = (flows.client_rst >= 0) & (flows.client_rst < flows.answer)
    answered = whole & (flows.answer >= 0) & ((reset < 0) | (flows.answer < reset)) & ~left_before
    hello, alert = _answers(columns)
    plain = (flows.trigger_kind != CLIENT_HELLO) | hello
    worked = answered & plain & (reset < 0) & (_unheard_packets(columns) < UNACKED_COPIES)
    after_all = whole & ended & ((answered & plain) | ~answered) & ~open_ended
    gave_up = np.minimum(*(np.where(end > flows.hello, end, len(slot)) for end in (flows.client_fin, flows.client_rst)))
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
    flows, count = columns.flows, columns.count
    slot, there = np.arange(len(flows.row)), reset >= 0
    at = reset[flows.flow]
    before = columns.client_word & (at >= 0) & (slot < at)
    after = columns.client_word & (at >= 0) & (slot > at)
    known_end = max_where(before, flows.end, flows.flow, count, 0)
    known_ack = max_where(before, flows.acked, flows.flow, count, UNKNOWN)
    late = columns.time - columns.when(reset)[flows.flow] > PATIENCE // 10
    carries_on = columns.slots_where(
        after
        & ((flows.end > known_end[flows.flow]) | (flows.acked > known_ack[flows.flow]) | ((columns.flags & FIN) != 0) | ((columns.length > 0) & late))
    )
    closed = columns.closed_by_us
    after_close = ((closed >= 0) & (closed < reset)) | ((flows.server_fin >= 0) & (flows.server_fin < reset))
    return there & ~carries_on & ~after_close, there & after_close


def _answers(columns: Columns) -> tuple[Bools, Bools]:
    """Flows whose answer begins with a record that holds the beginning of a ServerHello of TLS 1.0 to 1.3, long enough to be read as one (RFC 8446
    sections 4.1.3 and 5.1); those whose answer begins with a plaintext alert (`tls.alert`). Nothing of the server is missing before it."""
    flows, packets = columns.flows, columns.flows.packets
    answer = np.maximum(flows.answer, 0)
    row = flows.row[answer]
    said = (flows.origin == SERVER) & ((columns.flags & RST) == 0) & (flows.end != UNKNOWN) & (np.arange(len(flows.row)) < flows.hello[flows.flow])
    reach = np.maximum(max_where(said, flows.end, flows.flow, columns.count, 0), 0)
    enough = (flows.answer >= 0) & (packets.payload_captured[row] >= LEAST_ALERT) & (flows.offset[answer] <= reach)
    known = np.flatnonzero(enough)
    arena = np.frombuffer(packets.arena, np.uint8)
    head = arena[np.minimum(packets.payload_offset[row[known]][:, None] + np.arange(11), max(len(arena) - 1, 0))].astype(np.int64)
    record, message = head[:, 3] << 8 | head[:, 4], head[:, 6] << 16 | head[:, 7] << 8 | head[:, 8]
    version = head[:, 9] << 8 | head[:, 10]
    is_hello = (
        (packets.payload_captured[row[known]] >= LEAST_HELLO)
        & (head[:, 0] == HANDSHAKE) & (head[:, 1] == 3) & (record >= LEAST_HELLO - 5) & (head[:, 5] == SERVER_HELLO) & (message >= LEAST_HELLO - 9)
        & (version >= 0x0300) & (version <= 0x0304) & (record <= 1 << 14)
    )  # fmt: skip
    is_alert = (head[:, 0] == ALERT) & (head[:, 1] == 3) & (record == 2) & np.isin(head[:, 5], (WARNING, FATAL))
    hello, alert = np.zeros(columns.count, np.bool_), np.zeros(columns.count, np.bool_)
    hello[known[is_hello]] = True
    alert[known[is_alert]] = True
    return hello, alert


LEAST_ALERT = 7
"""Bytes of a record (5), a level and a description."""


LEAST_HELLO = 47
"""Bytes of a record (5), a handshake header (4) and the fields up to the cipher suite (38) that every ServerHello has."""


def _unheard_packets(columns: Columns) -> Ints:
    """How many of the client's data packets or closes lie beyond what the server acknowledged."""
    flows = columns.flows
    reach = max_where(columns.server_word, flows.acked, flows.flow, columns.count, UNKNOWN)
    fin = (columns.flags & FIN) != 0
    beyond = columns.client_word & ((columns.length > 0) | fin) & (flows.end + fin > reach[flows.flow])
    return count_where(beyond, flows.flow, columns.count)


def _before_any_trigger(columns: Columns, asked: Bools) -> dict[str, tuple[Bools, Ints]]:
    """SYNs that were refused, or that nobody answered."""
    flows, packets = columns.flows, columns.flows.packets
    slot, syn = np.arange(len(flows.row)), np.maximum(flows.syn, 0)
    lone = asked & (flows.syn_ack < 0) & (flows.syn >= 0) & ~columns.has_errors & columns.slots_where(flows.origin == CLIENT)
    went_on = columns.slots_where(columns.client_word & ((columns.flags & SYN) == 0))
    reset = columns.server_reset
    more = (packets.ack[flows.row] - packets.seq[flows.row[syn]][flows.flow] - 1) & 0xFFFFFFFF
    beyond = columns.slots_where(
        reset & ((columns.flags & ACK) != 0) & (columns.length[syn][flows.flow] < more) & (more < 1 << 31) & (slot >= 0)
    )
    lone &= ~went_on & ~beyond
    by_server = columns.first(reset & (flows.origin == SERVER))
    refused = lone & (by_server >= 0)
    watched = columns.observed.facts.end_of_capture - columns.when(flows.syn)
    nothing = lone & ~columns.slots_where(reset) & ~columns.has_server_words & (flows.client_rst < 0) & (watched >= PATIENCE)
    return {"refused": (refused, by_server), "unanswered": (nothing, flows.syn)}
