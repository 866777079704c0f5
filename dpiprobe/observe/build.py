"""Flows -> the suspect table: rows selected once, anchors found once, columns computed when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, UNKNOWN, Flows
from dpiprobe.flow.numbers import numbers
from dpiprobe.flow.segments import forward_fill, max_where, running_max, shifted
from dpiprobe.observe import suspect_loop
from dpiprobe.observe.conflicts import conflicting
from dpiprobe.observe.flow_features import FLOW_FUNCTIONS, OF_SOME, FlowFacts, gather_facts
from dpiprobe.observe.packet_features import OVER_ALL, PACKET_FUNCTIONS, PAYLOADS
from dpiprobe.observe.suspect_rows import Suspects
from dpiprobe.observe.suspects import select
from dpiprobe.observe.table import Values
from dpiprobe.wire.compiled import at_hand
from dpiprobe.wire.packets import ACK, FIN, ICMP, ICMPV6, RST, SYN

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
T = TypeVar("T")


class Observed:
    """The suspect table of a batch (see `table.SuspectTable`), with the flows and facts behind it."""

    def __init__(self, flows: Flows, facts: FlowFacts, suspects: Suspects, reaches_server: Bools, samples: Ints) -> None:
        self.flows = flows
        self.facts = facts
        self.suspects = suspects
        self.slot = suspects.slot
        self.flow: Ints = suspects.flow
        rows = suspects.row
        self.number: Ints = flows.packets.number[rows]
        self.time: Ints = flows.packets.time[rows]
        self.origin: Ints = suspects.origin
        self.flags: Ints = flows.flags[suspects.slot]
        self.flow_count = len(flows)
        self._edges: list[int] = [0, *np.cumsum(np.bincount(self.flow, minlength=len(flows))).tolist()]
        self.trigger_kind: Ints = flows.trigger_kind
        self.reaches_server = reaches_server
        self.server_rtt: Ints = suspects.server_rtt
        self.server_samples = samples
        """How many round trips stand behind each flow's `server_rtt`."""
        self._columns: dict[str, Values] = {}
        self._flow_columns: dict[str, Values] = {}
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, work: Callable[[Observed], T]) -> T:
        """What `work` makes of this table, made once; `key` names it. For indices and columns of the rooms behind."""
        if key not in self._kept:
            self._kept[key] = work(self)
        kept: T = self._kept[key]
        return kept

    def forget(self) -> None:
        """Let go of what was worked out, which refers back to this table: without circles, all of it goes with its last user."""
        self._kept.clear()

    def has(self, name: str) -> bool:
        """Whether the column of a packet feature is there already."""
        return name in self._columns and name not in PAYLOADS

    def feature(self, name: str) -> Values:
        """A packet feature over the suspect rows."""
        if name not in self._columns:
            self._columns[name] = PACKET_FUNCTIONS[name](self.suspects)
        return self._columns[name]

    def part(self, rows: Ints) -> SuspectPart:
        """Some of the suspect rows."""
        return SuspectPart(self, rows)

    def flow_feature(self, name: str) -> Values:
        """A flow feature over the flows."""
        if name not in self._flow_columns:
            self._flow_columns[name] = FLOW_FUNCTIONS[name](self.facts)
        return self._flow_columns[name]

    def flow_feature_of(self, name: str, flows: Ints) -> Values:
        """A flow feature over some flows."""
        if name in OF_SOME and name not in self._flow_columns:
            return OF_SOME[name](self.facts, flows)
        whole = self.flow_feature(name)
        return Values(whole.data[flows], whole.known[flows])

    def rows(self, flow: int) -> range:
        """Row indices of one flow's suspects."""
        return range(self._edges[flow], self._edges[flow + 1])


FEW = 4096
"""Rows of a table that are as cheap to work out for all as for some."""


class SuspectPart:
    """Some rows of the suspect table (see `table.Part`). A column that the table has is taken from there."""

    def __init__(self, table: Observed, rows: Ints) -> None:
        self._table, self._rows = table, rows
        self._suspects = table.suspects.part(rows)

    def feature(self, name: str) -> Values:
        """A packet feature over these rows."""
        if name in OVER_ALL or self._table.has(name) or (len(self._table.flow) <= FEW and name not in PAYLOADS):
            whole = self._table.feature(name)
            return Values(whole.data[self._rows], whole.known[self._rows])
        return PACKET_FUNCTIONS[name](self._suspects)


def observe(flows: Flows) -> Observed:
    """Select the suspects of a batch and find their anchors."""
    overlapping = conflicting(flows)
    loops = at_hand(suspect_loop)
    found, facts, reaches = by_flow(loops, flows, overlapping) if loops is not None else all_at_once(flows, overlapping)
    rtt, samples = server_round_trips(flows)
    return Observed(flows, facts, Suspects(flows, *found, overlapping, rtt), reaches, samples)


Found = tuple[tuple[Ints, Ints, Ints, Ints, Bools], FlowFacts, Bools]
"""Suspect slots with their anchors and `had_fin` (see `Suspects`), the facts, `reaches_server`."""


def by_flow(loops: Any, flows: Flows, overlapping: Bools) -> Found:
    """What `all_at_once` gives, by loops."""
    rows = np.empty((suspect_loop.ROWS, len(flows.row)), np.int64)
    facts = np.empty((suspect_loop.FACTS, len(flows)), np.int64)
    unacked, copies, first_copy, last_copy, last_server, last_client, unheard = facts
    sort = np.empty(len(flows.row), np.uint8)
    count = loops.suspects(
        flows.packets.ttl, flows.row, flows.origin, flows.flags, flows.length, flows.offset, flows.end, flows.acked, flows.duplicate,
        overlapping.view(np.uint8), flows.hello, flows.hello_start, flows.hello_end, flows.server_acked, flows.start, flows.stop, len(flows), rows, facts,
        sort,
    )  # fmt: skip
    slot, trigger, answered, previous, had_fin, reaches = rows[:, :count].copy()
    acknowledged, full = (reaches & suspect_loop.ACKNOWLEDGED) != 0, (reaches & suspect_loop.FULL_TTL) != 0
    told = FlowFacts(flows, unacked, copies, first_copy, last_copy, last_server, last_client, unheard, sort, flows.end_of_capture())
    reached = acknowledged | (full & ~_seen_expiring(flows, slot))
    return (slot, trigger, answered, previous, had_fin != 0), told, reached


def all_at_once(flows: Flows, overlapping: Bools) -> Found:
    """Suspects, anchors and facts by columns."""
    slot = select(flows, overlapping)
    count = len(flows.row)
    flags, length = flows.flags, flows.length
    client, server = flows.origin == CLIENT, flows.origin == SERVER
    has = flows.hello_start[flows.flow] != UNKNOWN
    copy = (
        client
        & has
        & (length > 0)
        & ((flags & RST) == 0)
        & (flows.offset < flows.hello_end[flows.flow])
        & (flows.end > flows.hello_start[flows.flow])
    )
    syn = client & ((flags & (SYN | ACK | RST)) == SYN)
    before = np.maximum(slot - 1, 0)
    trigger = _anchor(np.flatnonzero(copy), flows, count, slot, before)
    last_syn = _anchor(np.flatnonzero(syn), flows, count, slot, before)
    trigger = np.where(trigger >= 0, trigger, last_syn)
    said = (flags & RST) == 0
    from_client = _anchor(np.flatnonzero(client & said), flows, count, slot, before)
    from_server = _anchor(np.flatnonzero(server & said), flows, count, slot, before)
    answered = np.where(flows.origin[slot] == CLIENT, from_server, from_client)
    any_client = _anchor(np.flatnonzero(client), flows, count, slot, before)
    any_server = _anchor(np.flatnonzero(server | (flows.origin == STRAY)), flows, count, slot, before)
    previous = np.where(flows.origin[slot] == CLIENT, any_client, any_server)
    fin = (flags & FIN) != 0
    client_fin = _anchor(np.flatnonzero(client & fin), flows, count, slot, before)
    server_fin = _anchor(np.flatnonzero(server & fin), flows, count, slot, before)
    had_fin = np.where(flows.origin[slot] == CLIENT, client_fin, server_fin) >= 0
    return (slot, trigger, answered, previous, had_fin), gather_facts(flows), reaches_server(flows, slot)


def _anchor(marked: Ints, flows: Flows, count: int, slot: Ints, before: Ints) -> Ints:
    """For each suspect slot, the latest marked slot of its flow before it."""
    if not len(slot):
        return np.empty(0, np.int64)
    latest = forward_fill(marked, flows.flow, count)[before]
    same = (latest >= 0) & (flows.flow[np.maximum(latest, 0)] == flows.flow[slot]) & (latest < slot)
    return np.where(same, latest, -1)


def server_round_trips(flows: Flows) -> tuple[Ints, Ints]:
    """Per flow: the smallest round trip that any flow between the same two addresses shows (ns, -1 unknown), and how many samples stand behind it."""
    rtt, samples = np.full(len(flows), -1, np.int64), np.zeros(len(flows), np.int64)
    if not len(flows):
        return rtt, samples
    inverse, leads = numbers(flows.client * (int(flows.server.max()) + 1) + flows.server)
    groups = len(leads)
    big = np.iinfo(np.int64).max
    least, total = np.full(groups, big), np.zeros(groups, np.int64)
    known = flows.rtt >= 0  # zero: both packets in one tick of the clock, as at the server itself
    np.minimum.at(least, inverse[known], flows.rtt[known])
    np.add.at(total, inverse[known], flows.rtt_samples[known])
    value = least[inverse]
    return np.where(value == big, -1, value), total[inverse]


def reaches_server(flows: Flows, slots: Sequence[int] | Ints) -> Bools:
    """Whether a client's reset or close can have reached the server: its FIN or bytes were acknowledged (by a packet that is no reset;
    a reset takes no sequence number), or it left with the client's full TTL and no router quoted it in a time-exceeded."""
    packets, count = flows.packets, len(flows)
    slot = np.asarray(slots, np.int64)
    if not len(slot):
        return np.zeros(0, bool)
    flags, ttl = flows.flags, packets.ttl[flows.row]
    flow = flows.flow[slot]
    told = np.where((flows.origin == SERVER) & ((flags & RST) == 0), flows.acked, UNKNOWN)
    backwards = count - 1 - flows.flow[::-1]
    acked_later = shifted(running_max(told[::-1], backwards), backwards, UNKNOWN)[::-1][slot]
    own_end = flows.end[slot] + ((flags[slot] & FIN) != 0)
    acknowledged = (own_end > flows.offset[slot]) & (acked_later >= own_end) & ((flags[slot] & RST) == 0)
    full = ttl[slot] >= max_where(flows.origin == CLIENT, ttl, flows.flow, count, 0)[flow]
    return np.asarray((flows.origin[slot] == CLIENT) & (acknowledged | (full & ~_seen_expiring(flows, slot))), np.bool_)


def _seen_expiring(flows: Flows, slot: Ints) -> Bools:
    """Which packets a router's time-exceeded quotes."""
    packets = flows.packets
    if not len(packets.quotes.sequence):
        return np.zeros(len(slot), bool)
    errors = np.flatnonzero(flows.origin == ICMP_ERROR)
    kind, protocol = packets.icmp_type[flows.row[errors]], packets.protocol[flows.row[errors]]
    expired = errors[((kind == 11) & (protocol == ICMP)) | ((kind == 3) & (protocol == ICMPV6))]
    if not len(expired):
        return np.zeros(len(slot), bool)
    quoted = packets.quotes.sequence[packets.quote[flows.row[expired]]]
    return np.isin((flows.flow[slot] << 32) | packets.seq[flows.row[slot]], (flows.flow[expired] << 32) | np.maximum(quoted, 0))
