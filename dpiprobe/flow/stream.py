"""Sequence numbers as stream offsets, and what each side had in order when a packet came.

Rules of this file:
- Offset 0 is the first byte after the SYN. Offsets are 32-bit differences to one base a side: a flow of more than 2 GiB wraps
  and is read modulo 2^32 (its later packets are then misplaced; the handshake and its surroundings are not).
- Resets never move a stream, nor does a FIN that brings the side's very first payload: forged ones would carry us along.
- A QUIC conversation has no sequence numbers: its offsets count the payload bytes of each side's datagrams as captured.
- Copies that the capture itself made (a mirror port, two interfaces) are marked, so that nobody counts them as evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, UNKNOWN, tcp_flags
from dpiprobe.flow.group import Grouped
from dpiprobe.flow.segments import first_where, running_max, shifted
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, UDP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MIRROR_WINDOW = 5_000_000
"""ns within which an equal packet is a capture duplicate. Doubled captures lie below 1 ms; two interfaces with a busy bridge between them
need more, and no stack sends again so soon (RFC 8985 section 7.2: a probe timeout is 10 ms at least); unverified."""


def wrapped_difference(a: Ints, b: Ints) -> Ints:
    """a - b modulo 2^32, in -2^31 .. 2^31-1 (RFC 9293 section 3.4)."""
    return ((a - b + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


@dataclass(slots=True)
class Streams:
    """Columns of `Flows` by these names, and: client_after, server_after (the next in-order byte of each side just behind the packet);
    alike (slots that can have an equal one in their flow)."""

    origin: Ints
    flags: Ints
    length: Ints
    offset: Ints
    end: Ints
    acked: Ints
    client_next: Ints
    client_after: Ints
    server_next: Ints
    server_after: Ints
    client_base: Ints
    server_base: Ints
    alike: Ints


def streams(packets: Packets, grouped: Grouped, client_low: Bools) -> Streams:
    """Sides, flags and streams of all slots."""
    row, flow, count = grouped.row, grouped.flow, grouped.flow_count
    from_client = (grouped.lower == 1) == client_low[flow] if count else np.zeros(0, bool)
    own = np.where(from_client, CLIENT, SERVER)
    origin = np.where(grouped.joined == 2, STRAY, np.where(grouped.joined == 3, ICMP_ERROR, own)).astype(np.int64)
    flags, length = tcp_flags(packets, row), packets.payload_length[row]
    client_base, server_base = bases(packets, row, flow, origin, flags, count)
    offset, end, acked = offsets(packets, row, flow, origin, flags, length, client_base, server_base)
    client, server = (in_order(flow, moving(flow, origin, flags, length, offset, side), offset, end) for side in (CLIENT, SERVER))
    return Streams(
        origin,
        flags,
        length,
        offset,
        end,
        acked,
        *client,
        *server,
        client_base,
        server_base,
        np.flatnonzero(_may_be_equal(packets, row, flow)),
    )


def bases(packets: Packets, row: Ints, flow: Ints, origin: Ints, flags: Ints, count: int) -> tuple[Ints, Ints]:
    """Raw sequence number of offset 0 for each side of each flow, or -1.

    From the SYN and from the SYN/ACK that the client acknowledged (the first one where it acknowledged none); in a mid-stream beginning
    from what came first, the side's first packet or the other side's first acknowledgement.
    """
    seq, ack = packets.seq[row], packets.ack[row]
    client, server = origin == CLIENT, origin == SERVER
    plain = (flags & (SYN | RST)) == 0
    client_base = _first_value(client & ((flags & (SYN | ACK | RST)) == SYN), (seq + 1) & 0xFFFFFFFF, flow, count)
    syn_ack = server & ((flags & (SYN | ACK | RST)) == (SYN | ACK))
    first_ack = _first_value(client & plain & ((flags & ACK) != 0), ack, flow, count)
    believed = syn_ack & ((seq + 1) & 0xFFFFFFFF == first_ack[flow])
    server_base = _first_value(believed, (seq + 1) & 0xFFFFFFFF, flow, count)
    for fallback in (
        _first_value(syn_ack, (seq + 1) & 0xFFFFFFFF, flow, count),
        _first_value((server & plain) | (client & plain & ((flags & ACK) != 0)), np.where(server, seq, ack), flow, count),
    ):
        server_base = np.where(server_base < 0, fallback, server_base)
    for fallback in (
        _first_value(syn_ack, ack, flow, count),
        _first_value((client & plain) | (server & plain & ((flags & ACK) != 0)), np.where(client, seq, ack), flow, count),
    ):
        client_base = np.where(client_base < 0, fallback, client_base)
    return client_base, server_base


def _first_value(mask: Bools, values: Ints, flow: Ints, count: int) -> Ints:
    slot = first_where(mask, flow, count)
    return np.where(slot >= 0, values[slot], -1) if len(values) else np.full(count, -1, np.int64)


def offsets(
    packets: Packets, row: Ints, flow: Ints, origin: Ints, flags: Ints, length: Ints, client_base: Ints, server_base: Ints
) -> tuple[Ints, Ints, Ints]:
    """Per slot: offset of the payload, its end, and the offset acknowledged in the other side's stream (UNKNOWN without an ACK flag)."""
    own = np.where(origin == CLIENT, client_base[flow], server_base[flow])
    other = np.where(origin == CLIENT, server_base[flow], client_base[flow])
    side = (origin == CLIENT) | (origin == SERVER)
    start = (packets.seq[row] + ((flags & SYN) != 0)) & 0xFFFFFFFF
    offset = np.where(side & (own >= 0), wrapped_difference(start, own), UNKNOWN)
    for sender in (CLIENT, SERVER):
        datagrams = (packets.protocol[row] == UDP) & (origin == sender)
        if datagrams.any():
            offset = np.where(datagrams, _bytes_before(np.where(datagrams, length, 0), flow), offset)
    end = np.where(offset != UNKNOWN, offset + length, UNKNOWN)
    acked = np.where(side & (other >= 0) & ((flags & ACK) != 0), wrapped_difference(packets.ack[row], other), UNKNOWN)
    return offset, end, acked


def _bytes_before(length: Ints, flow: Ints) -> Ints:
    """Sum of the lengths of all earlier slots of the same flow."""
    before = np.cumsum(length) - length
    return np.asarray(before - before[np.searchsorted(flow, flow)], np.int64)


def capture_copies(packets: Packets, row: Ints, flow: Ints, of: Streams) -> Ints:
    """1 for slots equal to an earlier one of their flow in every header field and in payload within MIRROR_WINDOW, in flows whose
    handshake or client's data are doubled too: three equal resets, or a page sent three times, are a device's habit; a doubled
    handshake is the capture's. Where the capture holds the server's side alone, its data stand in for that."""
    copies = np.zeros(len(row), np.int64)
    if not len(of.alike):
        return copies
    few, origin = row[of.alike], of.origin[of.alike]
    columns = [packets.seq, packets.ack, packets.flags, packets.ip_id, packets.window, packets.payload_length, packets.ts_value, packets.tos]
    if (origin >= STRAY).any():  # a side of a flow has one port
        columns.append(packets.source_port)
    keys = [*(c[few] for c in columns), origin, flow[of.alike]]
    order = np.lexsort(keys)  # stable: equal packets stay in capture order
    same = np.ones(len(few) - 1, bool)
    for key in keys:
        same &= np.diff(key[order]) == 0
    gap = np.diff(packets.time[few][order])
    same &= (gap >= 0) & (gap <= MIRROR_WINDOW)
    for i in np.flatnonzero(same & (packets.payload_length[few[order[1:]]] > 0)).tolist():
        same[i] = packets.payload(int(few[order[i]])) == packets.payload(int(few[order[i + 1]]))
    copies[of.alike[order[1:][same]]] = 1
    return _where_doubled(copies, flow, of)


def _where_doubled(copies: Ints, flow: Ints, of: Streams) -> Ints:
    """The copies in flows whose handshake or data are doubled."""
    count = int(flow[-1]) + 1
    touched = np.zeros(count, bool)
    touched[flow[copies == 1]] = True
    here = np.flatnonzero(touched[flow])
    mine, origin, flags = flow[here], of.origin[here], of.flags[here]
    two_sided = np.zeros(count, bool)
    two_sided[mine[origin == CLIENT]] = True
    telling = ((flags & SYN) != 0) | ((of.length[here] > 0) & ((origin == CLIENT) | ~two_sided[mine]))
    doubled = np.zeros(count, bool)
    doubled[mine[(copies[here] == 1) & telling & ((flags & RST) == 0)]] = True
    copies[here[~doubled[mine]]] = 0
    return copies


def _may_be_equal(packets: Packets, row: Ints, flow: Ints) -> Bools:
    """Slots that share what a copy shares, mixed into one number, with another slot; so nearly none in most captures."""
    with np.errstate(over="ignore"):
        mark = flow * 0x9E3779B97F4A7C1 + packets.seq[row]
        for column in (packets.ack, packets.flags, packets.payload_length, packets.ip_id):
            mark = mark * 0x100000001B3 + column[row]
    ordered = np.sort(mark)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(mark, again) if len(again) else np.zeros(len(row), bool)


def moving(flow: Ints, origin: Ints, flags: Ints, length: Ints, offset: Ints, side: int) -> Bools:
    """Slots whose payload moves the stream of `side`: no reset's, and not the server's very first where it closes at once."""
    moves = (origin == side) & (offset != UNKNOWN) & ((flags & RST) == 0) & (length > 0)
    if side == SERVER and len(flow):
        first_payload = first_where(moves, flow, int(flow[-1]) + 1)
        opening = first_payload[first_payload >= 0]
        moves[opening[(flags[opening] & FIN) != 0]] = False
    return np.asarray(moves, np.bool_)


def in_order(flow: Ints, moves: Bools, offset: Ints, end: Ints) -> tuple[Ints, Ints]:
    """For each slot: the next in-order byte just before it of the side whose slots `moves` has; and per slot after it. Exact also with holes.

    A running maximum serves every flow whose segments leave no hole; the others are walked one by one.
    """
    reach = np.where(moves, end, 0)
    after = np.maximum(running_max(reach, flow), 0)
    before = shifted(after, flow, 0)
    holes = moves & (offset > before)
    walk(np.unique(flow[holes]), flow, moves, offset, end, before, after)
    return before, after


def walk(flows: Ints, flow: Ints, moves: Bools, offset: Ints, end: Ints, before: Ints, after: Ints) -> None:
    """Set right what `before` and `after` say of flows whose segments leave holes."""
    for f in flows.tolist():
        _walk(_slots_of(flow, f), moves, offset, end, before, after)


def _slots_of(flow: Ints, f: int) -> Ints:
    return np.arange(np.searchsorted(flow, f, "left"), np.searchsorted(flow, f, "right"))


def _walk(slots: Ints, moves: Bools, offset: Ints, end: Ints, before: Ints, after: Ints) -> None:
    """The exact next in-order byte of one flow: segments beyond a hole wait until it is filled."""
    expected = 0
    waiting: list[tuple[int, int]] = []
    for slot in slots.tolist():
        before[slot] = expected
        if moves[slot]:
            low, high = int(offset[slot]), int(end[slot])
            if low <= expected:
                expected = max(expected, high)
                while waiting and waiting[0][0] <= expected:
                    expected = max(expected, heappop(waiting)[1])
            else:
                heappush(waiting, (low, high))
        after[slot] = expected
