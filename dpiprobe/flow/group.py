"""Which packets belong together: both directions of one connection, port reuse apart, ICMP errors and strays joined.

Rules of this file:
- It looks at addresses, ports, SYNs and quotes, never at payload beyond the first byte of a QUIC long header.
- A SYN that does not repeat an earlier SYN's sequence number begins a new flow where its sender has spoken in this one before
  (so a mid-stream beginning, a retransmitted SYN and a simultaneous open stay what they are).
- An ICMP error joins the flow whose packet it quotes; a lone reset from a third address to a client's port joins that client's flow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.wire.packets import ACK, ICMP, ICMPV6, RST, SYN, TCP, UDP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_PORTS = 1 << 16


@dataclass(slots=True)
class Grouped:
    """Slots in final order. lower: 1 where the packet was sent by the endpoint with the smaller key; joined: 0 member, 2 stray, 3 ICMP error."""

    row: Ints
    flow: Ints
    lower: Ints
    joined: Ints
    flow_count: int
    low_key: Ints
    high_key: Ints
    transport: Ints


def endpoint_keys(packets: Packets) -> tuple[Ints, Ints]:
    """Sender's and receiver's (address index, port) as one number each."""
    return packets.source * _PORTS + packets.source_port, packets.destination * _PORTS + packets.destination_port


def group(packets: Packets) -> Grouped:
    """Flows of all TCP connections and QUIC conversations in the capture, numbered by first packet."""
    sender, receiver = endpoint_keys(packets)
    quic = _quic_rows(packets)
    members = np.flatnonzero((packets.protocol == TCP) | quic)
    low, high = np.minimum(sender, receiver)[members], np.maximum(sender, receiver)[members]
    order = np.lexsort((members, high, low, packets.protocol[members]))
    row, low, high = members[order], low[order], high[order]
    protocol = packets.protocol[row]
    new = np.ones(len(row), bool)
    if len(row):
        new[1:] = (np.diff(low) != 0) | (np.diff(high) != 0) | (np.diff(protocol) != 0)
    conversation = np.cumsum(new) - 1
    is_lower = sender[row] == low
    new |= _reused(packets, row, conversation, is_lower)
    flow = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    flow_low, flow_high, transport = low[starts], high[starts], protocol[starts]
    flow, stray = _join_strays(packets, row, flow, is_lower, flow_low, flow_high, transport)
    icmp_rows, icmp_flow, icmp_lower = _join_icmp(packets, row, flow, flow_low, flow_high, transport)
    row = np.concatenate((row, icmp_rows))
    flow = np.concatenate((flow, icmp_flow))
    lower = np.concatenate((is_lower.astype(np.int64), icmp_lower))
    joined = np.concatenate((np.where(stray, 2, 0), np.full(len(icmp_rows), 3))).astype(np.int64)
    # number flows by their first member packet
    own = joined == 0
    first = np.full(len(starts), np.iinfo(np.int64).max)
    np.minimum.at(first, flow[own], row[own])
    alive = np.flatnonzero(first < np.iinfo(np.int64).max)
    alive = alive[np.argsort(first[alive], kind="stable")]
    rank = np.full(len(starts), -1, np.int64)
    rank[alive] = np.arange(len(alive))
    flow = rank[flow] if len(flow) else flow
    final = np.lexsort((row, flow))
    return Grouped(row[final], flow[final], lower[final], joined[final], len(alive), flow_low[alive], flow_high[alive], transport[alive])


def _reused(packets: Packets, row: Ints, conversation: Ints, is_lower: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where a SYN begins a new flow inside a conversation."""
    new = np.zeros(len(row), bool)
    flags = packets.flags[row]
    lone_syn = (packets.protocol[row] == TCP) & ((flags & (SYN | ACK | RST)) == SYN)
    position = np.arange(len(row))
    starts = np.flatnonzero(np.concatenate(([True], np.diff(conversation) != 0))) if len(row) else position
    suspicious = np.flatnonzero(lone_syn)
    suspicious = suspicious[position[suspicious] != starts[conversation[suspicious]]]
    seq = packets.seq[row]
    state: dict[int, tuple[int, dict[bool, int]]] = {}  # conversation -> (where its current flow starts, SYN seq of each side)
    for i in suspicious.tolist():
        c, side = int(conversation[i]), bool(is_lower[i])
        begin, syns = state.get(c, (int(starts[c]), {}))
        if c not in state:
            head = begin
            if lone_syn[head]:
                syns[bool(is_lower[head])] = int(seq[head])
        spoke = bool((is_lower[begin:i] == side).any())
        if spoke and syns.get(side) != int(seq[i]):
            new[i] = True
            state[c] = (i, {side: int(seq[i])})
        else:
            syns[side] = int(seq[i])
            state[c] = (begin, syns)
    return new


def _quic_rows(packets: Packets) -> npt.NDArray[np.bool_]:
    """UDP packets of conversations in which somebody sent a QUIC long header (RFC 9000 section 17.2: form and fixed bit, then a known version)."""
    mask = (packets.protocol == UDP) & (packets.payload_captured >= 7)
    candidates = np.flatnonzero(mask)
    if not len(candidates):
        return np.zeros(len(packets), bool)
    arena = np.frombuffer(packets.arena, np.uint8)
    at = packets.payload_offset[candidates]
    first = arena[at].astype(np.int64)
    version = (
        (arena[at + 1].astype(np.int64) << 24)
        | (arena[at + 2].astype(np.int64) << 16)
        | (arena[at + 3].astype(np.int64) << 8)
        | arena[at + 4]
    )
    known = (version == 1) | (version == 0x6B3343CF) | ((version & 0xFFFFFF00) == 0xFF000000)  # v1 RFC 9000, v2 RFC 9369, drafts
    long_header = ((first & 0xC0) == 0xC0) & known & (arena[at + 5] <= 20)
    hits = candidates[long_header]
    sender, receiver = endpoint_keys(packets)
    low, high = np.minimum(sender, receiver), np.maximum(sender, receiver)
    wanted = {(int(low[i]), int(high[i])) for i in hits.tolist()}
    out = np.zeros(len(packets), bool)
    for i in np.flatnonzero(packets.protocol == UDP).tolist():
        out[i] = (int(low[i]), int(high[i])) in wanted
    return out


def _join_strays(
    packets: Packets, row: Ints, flow: Ints, is_lower: npt.NDArray[np.bool_], low: Ints, high: Ints, transport: Ints
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Resets from a third address: conversations of nothing but resets towards an endpoint that has a real flow at the time."""
    stray = np.zeros(len(row), bool)
    count = len(low)
    flags = packets.flags[row]
    only_resets = np.bincount(flow, minlength=count) == np.bincount(flow[(flags & RST) != 0], minlength=count)
    from_low = np.bincount(flow[is_lower], minlength=count)
    total = np.bincount(flow, minlength=count)
    one_sided = (from_low == 0) | (from_low == total)
    candidates = np.flatnonzero(only_resets & one_sided & (transport == TCP))
    if not len(candidates):
        return flow, stray
    first_slot = np.searchsorted(flow, np.arange(count), side="left")
    last_slot = np.searchsorted(flow, np.arange(count), side="right") - 1
    begin, end = packets.time[row[first_slot]], packets.time[row[last_slot]]
    real: dict[int, list[int]] = {}
    barred = set(candidates.tolist())
    for f in range(count):
        if f not in barred and transport[f] == TCP:
            real.setdefault(int(low[f]), []).append(f)
            real.setdefault(int(high[f]), []).append(f)
    out = flow.copy()
    for f in candidates.tolist():
        target = int(high[f]) if from_low[f] else int(low[f])
        source = int(low[f]) if from_low[f] else int(high[f])
        when = int(begin[f])
        fits = [
            g
            for g in real.get(target, ())
            if begin[g] <= when <= end[g] + _STRAY_WINDOW and source % _PORTS in (int(low[g]) % _PORTS, int(high[g]) % _PORTS)
        ]
        if fits:
            slots = slice(int(first_slot[f]), int(last_slot[f]) + 1)
            out[slots] = fits[-1]
            stray[slots] = True
    return out, stray


_STRAY_WINDOW = 1_000_000_000
"""ns after a flow's last packet within which a reset from a third address to its client's port still belongs to it; unverified."""


def _join_icmp(packets: Packets, row: Ints, flow: Ints, low: Ints, high: Ints, transport: Ints) -> tuple[Ints, Ints, Ints]:
    """ICMP errors with the flow they quote and 1 where the quoted packet was sent by the flow's lower endpoint."""
    errors = np.flatnonzero(((packets.protocol == ICMP) | (packets.protocol == ICMPV6)) & (packets.quote >= 0))
    none = np.empty(0, np.int64)
    if not len(errors) or not len(row):
        return none, none, none
    by_key: dict[tuple[int, int, int], list[int]] = {}
    for f in range(len(low)):
        by_key.setdefault((int(transport[f]), int(low[f]), int(high[f])), []).append(f)
    first = np.full(len(low), np.iinfo(np.int64).max)
    np.minimum.at(first, flow, row)
    quotes = packets.quotes
    rows, flows, lowers = [], [], []
    for i in errors.tolist():
        q = int(packets.quote[i])
        a = int(quotes.source[q]) * _PORTS + int(quotes.source_port[q])
        b = int(quotes.destination[q]) * _PORTS + int(quotes.destination_port[q])
        fits = by_key.get((int(quotes.protocol[q]), min(a, b), max(a, b)), [])
        fits = [f for f in fits if first[f] <= i] or fits[:1]
        if fits:
            rows.append(i)
            flows.append(max(fits, key=lambda f: int(first[f])))
            lowers.append(int(a == min(a, b)))
    return np.array(rows, np.int64), np.array(flows, np.int64), np.array(lowers, np.int64)
