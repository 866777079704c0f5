"""What `stream.streams` says of all flows, told flow by flow: the form that is compiled for large captures.

Alone responsible for saying it in few passes over memory; what the words mean stands there, and a test holds both equal. docs/decisions/0006 says
why there are two.

Rules of this file (as in `wire/loop.py`): written once as plain Python over arrays of integers; every element goes through `int()`; no dicts, objects,
slices or exceptions. Slots of flow f are start[f] to stop[f]. `nth`: see `wire/compiled.py`.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, UNKNOWN
from dpiprobe.wire.loop import Decorator, _plain
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, TCP, UDP

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)

Column = MutableSequence[int]

ORIGIN, FLAGS, LENGTH, OFFSET, END, ACKED, CLIENT_NEXT, CLIENT_AFTER, SERVER_NEXT, SERVER_AFTER, ALIKE, COPIED = range(12)
"""Rows of `slots`, one number a slot; as in `Flows`. *_AFTER: the next in-order byte just behind the packet · ALIKE: 1 where another packet of the flow
is equal in sequence and acknowledgement number, flags, length and IP ID; means nothing in flows where nothing may have come twice · COPIED: the slots
that are ALIKE, one after the other, of flows where a SYN or data are: elsewhere is no copy (`stream.capture_copies`)."""
SLOT_ROWS = 12
CLIENT_BASE, SERVER_BASE, CLIENT_HOLE, SERVER_HOLE = range(4)
"""Rows of `ends`, one number a flow: sequence number of offset 0 or -1; 1 where a side's segments leave a hole: *_NEXT and *_AFTER are not yet right there."""
END_ROWS = 4
M32 = 0xFFFFFFFF
HALF = 1 << 31
MIX, MASK = 1000003, (1 << 30) - 1
OPENING = SYN | ACK | RST


@jit
def streams(
    protocol: Sequence[int], raw_flags: Sequence[int], seq: Sequence[int], ack: Sequence[int], ip_id: Sequence[int], payload: Sequence[int],
    row: Sequence[int], lower: Sequence[int], joined: Sequence[int], client_low: Sequence[int], start: Sequence[int], stop: Sequence[int],
    count: int, places: Column, slots: Sequence[Column], ends: Sequence[Column],
) -> int:  # fmt: skip
    """Fill `slots` and `ends` of `count` flows; how many slots are COPIED.

    places: a hash table of -1, a power of two long and at least twice as long as the longest flow
    """
    origin, flags, length, alike, copied = slots[ORIGIN], slots[FLAGS], slots[LENGTH], slots[ALIKE], slots[COPIED]
    found = 0
    for f in range(count):
        first, last = int(start[f]), int(stop[f])
        client_is = int(client_low[f])
        for i in range(first, last):
            r = int(row[nth(i)])
            flags[nth(i)] = int(raw_flags[nth(r)]) if int(protocol[nth(r)]) == TCP else 0
            length[nth(i)] = int(payload[nth(r)])
            kind = int(joined[nth(i)])
            if kind == 2:
                origin[nth(i)] = STRAY
            elif kind == 3:
                origin[nth(i)] = ICMP_ERROR
            else:
                origin[nth(i)] = CLIENT if int(lower[nth(i)]) == client_is else SERVER
        _bases(seq, ack, row, first, last, f, slots, ends)
        if _offsets(protocol, seq, ack, row, first, last, f, slots, ends) and _mark_alike(seq, ack, ip_id, row, first, last, places, slots):
            for i in range(first, last):
                if int(alike[nth(i)]) != 0:
                    copied[nth(found)] = i
                    found += 1
    return found


@jit
def _bases(
    seq: Sequence[int],
    ack: Sequence[int],
    row: Sequence[int],
    first: int,
    last: int,
    f: int,
    slots: Sequence[Column],
    ends: Sequence[Column],
) -> None:
    """`stream.bases` of one flow."""
    origin, flags = slots[ORIGIN], slots[FLAGS]
    syn_seen = syn_ack_seen = ack_seen = server_seen = client_seen = False
    client_base = client_next = client_last = -1
    answered = server_base = server_next = server_last = -1
    for i in range(first, last):
        who, flag = int(origin[nth(i)]), int(flags[nth(i)])
        if who not in (CLIENT, SERVER):
            continue
        r = int(row[nth(i)])
        number, told = int(seq[nth(r)]), int(ack[nth(r)])
        opening, plain, acks = flag & OPENING, (flag & (SYN | RST)) == 0, (flag & ACK) != 0
        if who == CLIENT:
            if opening == SYN and not syn_seen:
                syn_seen, client_base = True, (number + 1) & M32
            if plain and acks and not ack_seen:
                ack_seen, answered = True, told
        elif opening == SYN | ACK and not syn_ack_seen:
            syn_ack_seen, client_next, server_next = True, told, (number + 1) & M32
        if plain and not server_seen and (who == SERVER or acks):
            server_seen, server_last = True, number if who == SERVER else told
        if plain and not client_seen and (who == CLIENT or acks):
            client_seen, client_last = True, number if who == CLIENT else told
        if syn_seen and syn_ack_seen and ack_seen and server_seen and client_seen:
            break
    for i in range(first, last):
        if int(origin[nth(i)]) == SERVER and (int(flags[nth(i)]) & OPENING) == SYN | ACK and (int(seq[nth(int(row[nth(i)]))]) + 1) & M32 == answered:
            server_base = answered
            break
    if server_base < 0:
        server_base = server_next if server_next >= 0 else server_last
    if client_base < 0:
        client_base = client_next if client_next >= 0 else client_last
    ends[CLIENT_BASE][f] = client_base
    ends[SERVER_BASE][f] = server_base


@jit
def _offsets(
    protocol: Sequence[int], seq: Sequence[int], ack: Sequence[int], row: Sequence[int], first: int, last: int, f: int,
    slots: Sequence[Column], ends: Sequence[Column],
) -> bool:  # fmt: skip
    """`stream.offsets` and `stream.in_order` of one flow; the latter as a running maximum. Whether a SYN or data may have come twice: not where each
    ends beyond all that its side had sent before."""
    origin, flags, length, offset, end, acked = slots[ORIGIN], slots[FLAGS], slots[LENGTH], slots[OFFSET], slots[END], slots[ACKED]
    client_next, client_after, server_next, server_after = slots[CLIENT_NEXT], slots[CLIENT_AFTER], slots[SERVER_NEXT], slots[SERVER_AFTER]
    client_base, server_base = int(ends[CLIENT_BASE][f]), int(ends[SERVER_BASE][f])
    client_sent = server_sent = client_reach = server_reach = client_hole = server_hole = 0
    client_top = server_top = UNKNOWN
    opened = twice = False
    for i in range(first, last):
        who, flag, size, r = int(origin[nth(i)]), int(flags[nth(i)]), int(length[nth(i)]), int(row[nth(i)])
        at, told = UNKNOWN, UNKNOWN
        client_next[nth(i)], server_next[nth(i)] = client_reach, server_reach
        if who in (CLIENT, SERVER):
            own, other = (client_base, server_base) if who == CLIENT else (server_base, client_base)
            if own >= 0:
                begin = (int(seq[nth(r)]) + (1 if flag & SYN else 0)) & M32
                at = ((begin - own + HALF) & M32) - HALF
            if int(protocol[nth(r)]) == UDP:
                if who == CLIENT:
                    at = client_sent
                    client_sent += size
                else:
                    at = server_sent
                    server_sent += size
            if other >= 0 and flag & ACK:
                told = ((int(ack[nth(r)]) - other + HALF) & M32) - HALF
            if not flag & RST and (size > 0 or flag & SYN):
                top = client_top if who == CLIENT else server_top
                if at == UNKNOWN or at + size <= top or flag == 0:
                    twice = True
                elif who == CLIENT:
                    client_top = at + size
                else:
                    server_top = at + size
            if at != UNKNOWN and size > 0 and not flag & RST:
                if who == CLIENT:
                    if at > client_reach:
                        client_hole = 1
                    client_reach = max(client_reach, at + size)
                else:
                    if opened or not flag & FIN:
                        if at > server_reach:
                            server_hole = 1
                        server_reach = max(server_reach, at + size)
                    opened = True
        else:
            twice = True
        offset[nth(i)], acked[nth(i)] = at, told
        end[nth(i)] = at + size if at != UNKNOWN else UNKNOWN
        client_after[nth(i)], server_after[nth(i)] = client_reach, server_reach
    ends[CLIENT_HOLE][f] = client_hole
    ends[SERVER_HOLE][f] = server_hole
    return twice


@jit
def _mark_alike(
    seq: Sequence[int],
    ack: Sequence[int],
    ip_id: Sequence[int],
    row: Sequence[int],
    first: int,
    last: int,
    places: Column,
    slots: Sequence[Column],
) -> bool:
    """Mark the packets of one flow that have their like in it; whether any of them is a SYN or data. Places that hold an earlier flow's slot are free."""
    flags, length, alike, telling = slots[FLAGS], slots[LENGTH], slots[ALIKE], False
    mask = 2
    while mask < 2 * (last - first):
        mask *= 2
    mask -= 1
    for i in range(first, last):
        r = int(row[nth(i)])
        alike[nth(i)] = 0
        mark = (int(seq[nth(r)]) & MASK) * MIX + (int(ack[nth(r)]) & MASK)
        mark = ((mark & MASK) * MIX + (int(flags[nth(i)]) << 16) + int(length[nth(i)])) ^ int(ip_id[nth(r)])
        spot = (mark ^ (mark >> 15)) & mask
        while int(places[nth(spot)]) >= first:
            j = int(places[nth(spot)])
            q = int(row[nth(j)])
            if (
                int(seq[nth(q)]) == int(seq[nth(r)]) and int(ack[nth(q)]) == int(ack[nth(r)]) and int(flags[nth(j)]) == int(flags[nth(i)])
                and int(length[nth(j)]) == int(length[nth(i)]) and int(ip_id[nth(q)]) == int(ip_id[nth(r)])
            ):  # fmt: skip
                alike[nth(i)] = alike[nth(j)] = 1
                telling = telling or (not int(flags[nth(i)]) & RST and (int(length[nth(i)]) > 0 or int(flags[nth(i)]) & SYN != 0))
                break
            spot = (spot + 1) & mask
        else:
            places[nth(spot)] = i
    return telling
