"""Sequence numbers as stream offsets, and what each side had in order when a packet came.

Rules of this file:
- Offset 0 is the first byte after the SYN. Offsets are 32-bit differences to one base a side: a flow of more than 2 GiB wraps
  and is read modulo 2^32 (its later packets are then misplaced; the handshake and its surroundings are not).
- Resets never move a stream, nor does a FIN that brings the side's very first payload: forged ones would carry us along.
- Copies that the capture itself made (a mirror port, two interfaces) are marked, so that nobody counts them as evidence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, SERVER, UNKNOWN
from dpiprobe.flow.segments import first_where, running_max, shifted
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MIRROR_WINDOW = 1_000_000
"""ns within which an equal packet is a capture duplicate (captures.md: the doubled captures lie below 1 ms)."""


def wrapped_difference(a: Ints, b: Ints) -> Ints:
    """a - b modulo 2^32, in -2^31 .. 2^31-1 (RFC 9293 section 3.4)."""
    return ((a - b + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def bases(packets: Packets, row: Ints, flow: Ints, origin: Ints, count: int) -> tuple[Ints, Ints]:
    """Raw sequence number of offset 0 for each side of each flow, or -1.

    From the SYN and from the SYN/ACK that the client acknowledged (the first one where it acknowledged none); else from what the
    other side acknowledged first; else from the side's first packet.
    """
    flags, seq, ack = packets.flags[row], packets.seq[row], packets.ack[row]
    client, server = origin == CLIENT, origin == SERVER
    plain = (flags & (SYN | RST)) == 0
    client_base = _first_value(client & ((flags & (SYN | ACK | RST)) == SYN), (seq + 1) & 0xFFFFFFFF, flow, count)
    syn_ack = server & ((flags & (SYN | ACK | RST)) == (SYN | ACK))
    first_ack = _first_value(client & plain & ((flags & ACK) != 0), ack, flow, count)
    believed = syn_ack & ((seq + 1) & 0xFFFFFFFF == first_ack[flow])
    server_base = _first_value(believed, (seq + 1) & 0xFFFFFFFF, flow, count)
    for mask, values in (
        (syn_ack, (seq + 1) & 0xFFFFFFFF),
        (client & plain & ((flags & ACK) != 0), ack),
        (server & plain, seq),
    ):
        fallback = _first_value(mask, values, flow, count)
        server_base = np.where(server_base < 0, fallback, server_base)
    for mask, values in ((syn_ack, ack), (client & plain, seq), (server & plain & ((flags & ACK) != 0), ack)):
        fallback = _first_value(mask, values, flow, count)
        client_base = np.where(client_base < 0, fallback, client_base)
    return client_base, server_base


def _first_value(mask: Bools, values: Ints, flow: Ints, count: int) -> Ints:
    slot = first_where(mask, flow, count)
    return np.where(slot >= 0, values[slot], -1) if len(values) else np.full(count, -1, np.int64)


def offsets(packets: Packets, row: Ints, flow: Ints, origin: Ints, client_base: Ints, server_base: Ints) -> tuple[Ints, Ints, Ints]:
    """Per slot: offset of the payload, its end, and the offset acknowledged in the other side's stream (UNKNOWN without an ACK flag)."""
    flags = packets.flags[row]
    own = np.where(origin == CLIENT, client_base[flow], server_base[flow])
    other = np.where(origin == CLIENT, server_base[flow], client_base[flow])
    side = (origin == CLIENT) | (origin == SERVER)
    start = (packets.seq[row] + ((flags & SYN) != 0)) & 0xFFFFFFFF
    offset = np.where(side & (own >= 0), wrapped_difference(start, own), UNKNOWN)
    end = np.where(offset != UNKNOWN, offset + packets.payload_length[row], UNKNOWN)
    acked = np.where(side & (other >= 0) & ((flags & ACK) != 0), wrapped_difference(packets.ack[row], other), UNKNOWN)
    return offset, end, acked


def capture_copies(packets: Packets, row: Ints, flow: Ints, origin: Ints) -> Ints:
    """1 for slots equal to an earlier one of their flow in every header field within MIRROR_WINDOW, in flows whose SYNs, SYN/ACKs or
    data are doubled too: three equal resets alone are a device's habit, a doubled handshake is the capture's."""
    copies = np.zeros(len(row), np.int64)
    if not len(row):
        return copies
    columns = [
        packets.seq,
        packets.ack,
        packets.flags,
        packets.ip_id,
        packets.window,
        packets.payload_length,
        packets.ts_value,
        packets.source_port,
        packets.tos,
    ]
    keys = [c[row] for c in columns]
    order = np.lexsort((np.arange(len(row)), *keys, origin, flow))
    same = np.ones(len(row) - 1, bool)
    for key in (*keys, origin, flow):
        same &= np.diff(key[order]) == 0
    gap = np.diff(packets.time[row][order])
    same &= (gap >= 0) & (gap <= MIRROR_WINDOW)
    # a copy of an IPv6 packet or of one with ID 0 may be a real repetition; such packets only count together with others
    later = order[1:][same]
    copies[later] = 1
    unforgeable = (packets.flags[row] & RST) == 0
    handshake_or_data = unforgeable & (((packets.flags[row] & SYN) != 0) | (packets.payload_length[row] > 0))
    doubled = np.zeros(int(flow.max()) + 1, bool)
    doubled[flow[(copies == 1) & handshake_or_data]] = True
    copies[~doubled[flow]] = 0
    return copies


def in_order(packets: Packets, row: Ints, flow: Ints, origin: Ints, offset: Ints, end: Ints, side: int) -> tuple[Ints, Ints]:
    """For each slot: the next in-order byte of `side` just before it; and per slot after it. Exact also with holes.

    A running maximum serves every flow whose segments leave no hole; the others are walked one by one.
    """
    flags = packets.flags[row]
    moves = (origin == side) & (offset != UNKNOWN) & ((flags & RST) == 0) & (packets.payload_length[row] > 0)
    if side == SERVER:
        first_payload = first_where(moves, flow, int(flow.max()) + 1 if len(flow) else 0)
        opening = np.zeros(len(row), bool)
        opening[first_payload[first_payload >= 0]] = True
        moves &= ~(opening & ((flags & FIN) != 0))
    reach = np.where(moves, end, 0)
    after = np.maximum(running_max(reach, flow), 0)
    before = shifted(after, flow, 0)
    holes = moves & (offset > before)
    for f in np.unique(flow[holes]).tolist():
        _walk(np.flatnonzero(flow == f) if len(flow) < 4096 else _slots_of(flow, f), moves, offset, end, before, after)
    return before, after


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
                waiting.sort()
                while waiting and waiting[0][0] <= expected:
                    expected = max(expected, waiting.pop(0)[1])
            else:
                waiting.append((low, high))
        after[slot] = expected
