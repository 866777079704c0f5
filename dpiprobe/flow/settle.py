"""Packets -> settled flows: the one function of this room that others call, and the landmarks that need the stream.

Rules of this file:
- Everything is computed for all flows at once; only flows with holes and the reading of hellos are walked one by one.
- Round trips come from packets that nobody can suspect: SYN/ACKs, and acknowledgements that are neither reset, close, alert nor
  plaintext; a segment sent more than once gives no sample (Karn's algorithm, RFC 6298 section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import (
    CLIENT,
    CLIENT_HELLO,
    ICMP_ERROR,
    NO_TRIGGER,
    SERVER,
    STRAY,
    UNKNOWN,
    Flows,
    Trigger,
    tcp_flags,
)
from dpiprobe.flow.group import Grouped, group
from dpiprobe.flow.join import join
from dpiprobe.flow.orient import orient
from dpiprobe.flow.segments import count_where, first_where, last_where, max_where, running_max, shifted
from dpiprobe.flow.stream import bases, capture_copies, in_order, offsets
from dpiprobe.flow.trigger import find_triggers
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_KEY = 1 << 34
"""Larger than any stream end, so that flow and end make one number."""


def settle(packets: Packets) -> Flows:
    """All flows of a batch of packets."""
    grouped = group(packets)
    return settle_grouped(packets, *join(packets, grouped, *orient(packets, grouped)))


def settle_grouped(
    packets: Packets, grouped: Grouped, client_low: Bools, oriented_by: Ints, known: Sequence[Trigger | None] = ()
) -> Flows:
    """The flows of packets whose grouping is known already; `client_low`, `oriented_by`: as `orient` gives them; `known`: triggers already read."""
    row, flow, count = grouped.row, grouped.flow, grouped.flow_count
    from_client = (grouped.lower == 1) == client_low[flow] if count else np.zeros(0, bool)
    origin = np.where(grouped.joined == 2, STRAY, np.where(grouped.joined == 3, ICMP_ERROR, np.where(from_client, CLIENT, SERVER))).astype(
        np.int64
    )
    client_key = np.where(client_low, grouped.low_key, grouped.high_key)
    server_key = np.where(client_low, grouped.high_key, grouped.low_key)
    edges = np.searchsorted(flow, np.arange(count + 1)) if count else np.zeros(1, np.int64)
    start, stop = edges[:-1].astype(np.int64), edges[1:].astype(np.int64)

    client_base, server_base = bases(packets, row, flow, origin, count)
    offset, end, acked = offsets(packets, row, flow, origin, client_base, server_base)
    duplicate = capture_copies(packets, row, flow, origin)
    client_next, client_after = in_order(packets, row, flow, origin, offset, end, CLIENT)
    server_next, server_after = in_order(packets, row, flow, origin, offset, end, SERVER)
    triggers, hello_start, hello_end = find_triggers(packets, row, flow, origin, offset, end, count, known)
    kinds = np.array([t.kind if t else NO_TRIGGER for t in triggers], np.int64)

    flags, length = tcp_flags(packets, row), packets.payload_length[row]
    client, server = origin == CLIENT, origin == SERVER
    own = duplicate == 0
    slot = np.arange(len(row))

    def first(mask: Bools) -> Ints:
        return first_where(mask & own, flow, count)

    syn_only = client & ((flags & (SYN | ACK | RST)) == SYN)
    syn = first(syn_only)
    syn_ack_any = server & ((flags & (SYN | ACK | RST)) == (SYN | ACK))
    believed = syn_ack_any & (((packets.seq[row] + 1) & 0xFFFFFFFF) == server_base[flow])
    syn_ack = first(believed)
    syn_ack = np.where(syn_ack >= 0, syn_ack, first(syn_ack_any))
    before_syn_ack = syn_only & ((syn_ack[flow] < 0) | (slot < syn_ack[flow]))
    last_syn = last_where(before_syn_ack, flow, count)
    plain = (flags & (SYN | RST)) == 0
    handshake = first(client & plain & ((flags & ACK) != 0) & (acked >= 0) & (syn_ack[flow] >= 0) & (slot > syn_ack[flow]))

    has = hello_start[flow] != UNKNOWN
    speaks = client & has & ((flags & RST) == 0) & (length > 0)
    hello = first(speaks & (offset <= hello_start[flow]) & (end > hello_start[flow]))
    hello_done = first(speaks & (client_after >= hello_end[flow]) & (slot >= hello[flow]))
    after_hello = (hello[flow] >= 0) & (slot > hello[flow])
    answer = first(
        server
        & (length > 0)
        & ((flags & RST) == 0)
        & after_hello
        & (end > server_next[np.maximum(hello, 0)][flow] if len(row) else after_hello)
    )
    server_word = server & ((flags & RST) == 0) & (acked != UNKNOWN)
    ack_end = first(server_word & after_hello & (acked >= hello_end[flow]))
    rtt, samples = _round_trips(packets, row, flow, origin, duplicate, offset, end, acked, syn_ack, last_syn, kinds, count)
    return Flows(
        packets=packets, row=row, flow=flow, origin=origin, offset=offset, end=end, acked=acked,
        client_next=client_next, server_next=server_next, duplicate=duplicate, start=start, stop=stop,
        transport=grouped.transport, client=client_key >> 16, server=server_key >> 16,
        client_port=client_key & 0xFFFF, server_port=server_key & 0xFFFF, oriented_by=oriented_by,
        client_base=client_base, server_base=server_base, syn=syn, last_syn=last_syn, syn_ack=syn_ack, handshake=handshake,
        hello=hello, hello_done=hello_done, answer=answer, ack_end=ack_end,
        client_fin=first(client & ((flags & FIN) != 0)), server_fin=first(server & ((flags & FIN) != 0)),
        client_rst=first(client & ((flags & RST) != 0)), server_rst=first(server & ((flags & RST) != 0)),
        hello_start=hello_start, hello_end=hello_end,
        server_acked=max_where(server_word, acked, flow, count, UNKNOWN),
        client_acked=max_where(client & ((flags & RST) == 0) & (acked != UNKNOWN), acked, flow, count, UNKNOWN),
        client_seen=max_where(client, client_after, flow, count, 0), server_seen=max_where(server, server_after, flow, count, 0),
        rtt=rtt, rtt_samples=samples, timestamps=_timestamps(packets, row, flow, origin, syn, syn_ack, count),
        trigger_kind=kinds, triggers=triggers,
    )  # fmt: skip


def _round_trips(
    packets: Packets, row: Ints, flow: Ints, origin: Ints, duplicate: Ints, offset: Ints, end: Ints, acked: Ints,
    syn_ack: Ints, last_syn: Ints, kinds: Ints, count: int,
) -> tuple[Ints, Ints]:  # fmt: skip
    """Smallest round trip of each flow in ns (-1 where none) and how many samples it rests on."""
    time, flags, length = packets.time[row], tcp_flags(packets, row), packets.payload_length[row]
    big = np.iinfo(np.int64).max
    rtt, samples = np.full(count, big), np.zeros(count, np.int64)
    both = np.flatnonzero((syn_ack >= 0) & (last_syn >= 0))
    at, to = last_syn[both], syn_ack[both]
    sends = (origin == CLIENT) & ((flags & (SYN | ACK | RST)) == SYN) & (duplicate == 0)
    once = count_where(sends, flow, count)[both] == 1
    echoed = (packets.ts_echo[row[to]] == packets.ts_value[row[at]]) & (packets.ts_value[row[at]] > 0)
    later = packets.ts_value[row[at]] != packets.ts_value[row[np.maximum(first_where(sends, flow, count)[both], 0)]]
    clear = (once | (echoed & later)) & (time[to] >= time[at])  # none where the capture is at the server, or its clock coarse
    rtt[both[clear]] = (time[to] - time[at])[clear]
    samples[both[clear]] = 1
    sent = np.flatnonzero((origin == CLIENT) & (length > 0) & (duplicate == 0) & ((flags & RST) == 0) & (end > 0))
    if len(sent):
        key = flow[sent] * _KEY + end[sent]
        order = np.argsort(key, kind="stable")
        unique, at, times_sent = np.unique(key[order], return_index=True, return_counts=True)
        departure = sent[order][at]
        honest = (
            (origin == SERVER)
            & ((flags & (RST | FIN | SYN)) == 0)
            & (acked > 0)
            & (duplicate == 0)
            & _unsuspicious(packets, row, kinds[flow])
        )
        advancing = np.flatnonzero(honest)
        wanted = flow[advancing] * _KEY + acked[advancing]
        position = np.searchsorted(unique, wanted)
        position = np.minimum(position, len(unique) - 1)
        match = (unique[position] == wanted) & (times_sent[position] == 1)
        arrival, left = advancing[match], departure[position[match]]
        again = (origin == CLIENT) & (length > 0) & (duplicate == 0) & (offset < _highest_before(origin, end, length, flags, flow))
        resent = np.cumsum(again)
        # Karn's algorithm: neither the segment nor anything before its acknowledgement was sent again
        ahead = (arrival > left) & (resent[arrival] == resent[left]) & ~again[left] & (time[arrival] >= time[left])
        arrival, left = arrival[ahead], left[ahead]
        pair = np.unique(left, return_index=True)[1]  # the first acknowledgement of each segment
        arrival, left = arrival[pair], left[pair]
        np.minimum.at(rtt, flow[arrival], time[arrival] - time[left])
        np.add.at(samples, flow[arrival], 1)
    return np.where(rtt == big, -1, rtt), samples


def _highest_before(origin: Ints, end: Ints, length: Ints, flags: Ints, flow: Ints) -> Ints:
    """The highest byte that the client had sent before each slot."""
    sent = (origin == CLIENT) & (length > 0) & ((flags & RST) == 0)
    return shifted(running_max(np.where(sent, end, UNKNOWN), flow), flow, UNKNOWN)


def _unsuspicious(packets: Packets, row: Ints, kind: Ints) -> Bools:
    """Bare acknowledgements, and TLS handshake or application records (never alerts or plaintext, which injectors send)."""
    out: Bools = packets.payload_length[row] == 0
    if not packets.arena:
        return out
    captured = packets.payload_captured[row] > 0
    arena = np.frombuffer(packets.arena, np.uint8)
    first = arena[np.where(captured, packets.payload_offset[row], 0)]
    out |= captured & (kind == CLIENT_HELLO) & ((first == 0x16) | (first == 0x17))
    return out


def _timestamps(packets: Packets, row: Ints, flow: Ints, origin: Ints, syn: Ints, syn_ack: Ints, count: int) -> Ints:
    """1 where both sides' SYNs carry timestamps (RFC 7323 section 2.2), 0 where one does not, else by the segments seen; -1 unknown."""
    carries = packets.ts_value[row] >= 0
    plain = (tcp_flags(packets, row) & RST) == 0
    client_has = count_where((origin == CLIENT) & plain & carries, flow, count) > 0
    server_has = count_where((origin == SERVER) & plain & carries, flow, count) > 0
    client_speaks = count_where((origin == CLIENT) & plain, flow, count) > 0
    server_speaks = count_where((origin == SERVER) & plain, flow, count) > 0
    out = np.where(client_has & server_has, 1, np.where(client_speaks & server_speaks, 0, -1)).astype(np.int64)
    both = (syn >= 0) & (syn_ack >= 0)
    if len(row):
        known = carries[np.maximum(syn, 0)] & carries[np.maximum(syn_ack, 0)]
        out[both] = known[both].astype(np.int64)
    return out
