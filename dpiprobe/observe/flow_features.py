"""What a flow shows as a whole: one small pure function for each word of FLOW_FEATURES, and the copies of a hello that nobody acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL, SERVER, UNKNOWN, Flows, Requests, Trigger
from dpiprobe.flow.segments import count_where, first_where, last_where, running_max, shifted, sum_where
from dpiprobe.flow.stream import moving
from dpiprobe.observe.suspect_loop import CLIENT_WORD, COPY
from dpiprobe.observe.table import Values
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, TCP

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class FlowFacts:
    """Per flow: what several features and observations need, counted once.

    unacked: first byte of the trigger that the server never acknowledged (UNKNOWN where it acknowledged the end, or no trigger)
    copies: transmissions that carry that byte · first_copy, last_copy: their slots · last_server: the server's last packet that is
    neither reset nor capture copy · last_client: the client's last packet · unheard: data packets or closes of the client beyond what the server
    acknowledged · sort: of each slot, see `suspect_loop` · end_of_capture: ns, one value for all
    """

    flows: Flows
    unacked: Ints
    copies: Ints
    first_copy: Ints
    last_copy: Ints
    last_server: Ints
    last_client: Ints
    unheard: Ints
    sort: npt.NDArray[np.uint8]
    end_of_capture: int


def gather_facts(flows: Flows) -> FlowFacts:
    """The counts above for all flows of a batch."""
    count = len(flows)
    flags, length = flows.flags, flows.length
    own = flows.duplicate == 0
    acked = flows.server_acked
    has = flows.hello_start != UNKNOWN
    unacked = np.where(has & (acked < flows.hello_end), np.maximum(acked, flows.hello_start), UNKNOWN)
    byte = unacked[flows.flow]
    carries = (
        (flows.origin == CLIENT)
        & own
        & (length > 0)
        & ((flags & RST) == 0)
        & (byte != UNKNOWN)
        & (flows.offset <= byte)
        & (flows.end > byte)
    )
    reset = (flags & RST) != 0
    server = (flows.origin == SERVER) & own & ~reset
    fin = (flags & FIN) != 0
    told = np.flatnonzero((flows.origin == CLIENT) & own & ~reset & ((length > 0) | fin))
    unheard = flows.end[told] + fin[told] > acked[flows.flow[told]]
    return FlowFacts(
        flows,
        unacked,
        count_where(carries, flows.flow, count),
        first_where(carries, flows.flow, count),
        last_where(carries, flows.flow, count),
        last_where(server, flows.flow, count),
        last_where((flows.origin == CLIENT) & own, flows.flow, count),
        count_where(unheard, flows.flow[told], count),
        np.where(own, CLIENT_WORD + 2 * flows.origin + reset, COPY).astype(np.uint8),
        flows.end_of_capture(),
    )


def _span(facts: FlowFacts, first: Ints, last: Ints) -> Ints:
    return _when(facts.flows, last) - _when(facts.flows, first)


def _when(flows: Flows, slots: Ints) -> Ints:
    """Capture time of slots, ns; means nothing where there is none."""
    return flows.packets.time[flows.row[np.maximum(slots, 0)]] if len(flows.row) else np.zeros(len(slots), np.int64)


def server_bytes(facts: FlowFacts) -> Values:
    return Values(facts.flows.server_seen, np.ones(len(facts.flows), bool))


def _after_trigger(facts: FlowFacts, origin: int) -> Ints:
    flows = facts.flows
    if not len(flows):
        return np.zeros(0, np.int64)
    so_far = np.cumsum((flows.origin == origin) & (flows.duplicate == 0))
    return np.where(flows.hello >= 0, so_far[flows.stop - 1] - so_far[np.maximum(flows.hello, 0)], 0)


def server_packets(facts: FlowFacts) -> Values:
    return Values(_after_trigger(facts, SERVER), facts.flows.hello >= 0)


def client_packets(facts: FlowFacts) -> Values:
    return Values(_after_trigger(facts, CLIENT), facts.flows.hello >= 0)


def server_ack(facts: FlowFacts) -> Values:
    flows = facts.flows
    word = np.where(flows.server_acked >= flows.hello_end, 2, np.where(flows.server_acked > flows.hello_start, 1, 0))
    return Values(word, (flows.hello_start != UNKNOWN) & (flows.transport == TCP) & _server_side_visible(flows))


def _server_side_visible(flows: Flows) -> Bools:
    return np.logical_or.reduceat(flows.origin == SERVER, flows.start) if len(flows) else np.zeros(0, bool)


def answered(facts: FlowFacts) -> Values:
    return Values(facts.flows.answer >= 0, (facts.flows.hello >= 0) & _server_side_visible(facts.flows))


def retransmissions(facts: FlowFacts) -> Values:
    return Values(np.maximum(facts.copies - 1, 0), facts.flows.hello_start != UNKNOWN)


def unacknowledged_for(facts: FlowFacts) -> Values:
    return Values(_span(facts, facts.first_copy, facts.last_copy), (facts.flows.hello_start != UNKNOWN) & (facts.first_copy >= 0))


def then_silence(facts: FlowFacts) -> Values:
    known = (facts.last_server >= 0) & (facts.last_client >= 0)
    return Values(np.maximum(_span(facts, facts.last_server, facts.last_client), 0), known)


def goodput(facts: FlowFacts) -> Values:
    flows, count = facts.flows, len(facts.flows)
    data = _server_data(flows)
    first, last = first_where(data, flows.flow, count), last_where(data, flows.flow, count)
    total = sum_where(data, flows.length, flows.flow, count)
    head = flows.length[np.maximum(first, 0)] if len(flows.row) else np.zeros(count, np.int64)
    span = _span(facts, first, last)
    known = (first >= 0) & (span > 0)
    return Values((total - head) / np.where(span > 0, span, 1) * 1e9, known)


def _server_data(flows: Flows) -> Bools:
    return np.asarray((flows.origin == SERVER) & (flows.length > 0) & ((flows.flags & RST) == 0) & (flows.duplicate == 0))


def syn_copies(facts: FlowFacts) -> Values:
    flows = facts.flows
    mask = (flows.origin == CLIENT) & ((flows.flags & (SYN | ACK | RST)) == SYN) & (flows.duplicate == 0)
    copies = count_where(mask, flows.flow, len(flows))
    return Values(copies, copies > 0)


def segments(facts: FlowFacts) -> Values:
    """Client payload packets up to the one that completed the trigger, each new byte counted once."""
    flows = facts.flows
    fresh = np.flatnonzero((flows.origin == CLIENT) & (flows.length > 0) & (flows.end > flows.client_next) & (flows.duplicate == 0))
    flow = flows.flow[fresh]
    until = (fresh >= flows.hello[flow]) & (fresh <= flows.hello_done[flow])
    return Values(count_where(until, flow, len(flows)), flows.hello_done >= 0)


def server_retransmissions(facts: FlowFacts) -> Values:
    flows = facts.flows
    data = np.flatnonzero(_server_data(flows))
    flow, offset, end = flows.flow[data], flows.offset[data], flows.end[data]
    moves = moving(flow, flows.origin[data], flows.flags[data], flows.length[data], offset, SERVER)
    # the highest end of server data before each packet, holes or not, as far as they move its stream
    highest = shifted(np.maximum(running_max(np.where(moves, end, 0), flow), 0), flow, 0)
    late = (offset < highest) & (end > flows.server_next[data])
    return Values(count_where(late, flow, len(flows)), np.ones(len(flows), bool))


def split_round_trips(facts: FlowFacts) -> Values:
    flows = facts.flows
    known = (flows.syn_ack >= 0) & (flows.last_syn >= 0) & (flows.answer >= 0) & (flows.hello_done >= 0)
    handshake, wait = _span(facts, flows.last_syn, flows.syn_ack), _span(facts, flows.hello_done, flows.answer)
    return Values(wait / np.where(handshake > 0, handshake, 1), known & (handshake > 0))


def watched_after(facts: FlowFacts) -> Values:
    flows = facts.flows
    if not len(flows):
        return Values(np.zeros(0, np.int64), np.zeros(0, bool))
    last = flows.packets.time[flows.row[flows.stop - 1]]
    return Values(facts.end_of_capture - last, np.ones(len(flows), bool))


def named(facts: FlowFacts, among: Ints | None = None) -> Values:
    triggers, of = _requests(facts.flows, among)
    names = np.array([t is not None and bool(t.server_name) for t in triggers], np.bool_)
    return Values(names[of], _whole(triggers, (CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL))[of])


HIDDEN = {"ech": 1, "esni": 2}


def encrypted_name(facts: FlowFacts, among: Ints | None = None) -> Values:
    triggers, of = _requests(facts.flows, among)
    words = np.array([t is not None and t.ech is not None and HIDDEN.get(t.ech, 0) for t in triggers], np.int64)
    return Values(words[of], _whole(triggers, (CLIENT_HELLO, QUIC_INITIAL))[of])


def _requests(flows: Flows, among: Ints | None) -> Requests:
    """The triggers of all flows or of some, each once, and which of them is each one's."""
    triggers, of = flows.requests()
    if among is None:
        return triggers, of
    wanted, place = np.unique(of[among], return_inverse=True)
    return [triggers[i] for i in wanted.tolist()], place


def _whole(triggers: Sequence[Trigger | None], kinds: tuple[int, ...]) -> Bools:
    """Triggers of these kinds that were read to their end."""
    return np.array([t is not None and t.kind in kinds and t.complete for t in triggers], np.bool_)


OF_SOME: dict[str, Callable[[FlowFacts, Ints], Values]] = {"named": named, "encrypted_name": encrypted_name}
"""Features of which each flow costs something: they can be worked out for some flows alone."""


FLOW_FUNCTIONS: dict[str, Callable[[FlowFacts], Values]] = {
    f.__name__: f
    for f in (
        server_bytes, server_packets, client_packets, server_ack, answered, retransmissions, unacknowledged_for, then_silence, goodput,
        syn_copies, segments, server_retransmissions, split_round_trips, watched_after, named, encrypted_name,
    )
}  # fmt: skip

__all__ = ["FLOW_FUNCTIONS", "OF_SOME", "FlowFacts", "gather_facts"]
