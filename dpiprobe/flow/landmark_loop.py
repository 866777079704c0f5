"""What `landmarks.landmarks` says of all flows, told flow by flow: the form that is compiled for large captures.

Rules of this file: those of `stream_loop.py`, whose `slots` it reads; docs/decisions/0006 says why there are two forms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dpiprobe.flow.flows import CLIENT, CLIENT_HELLO, SERVER, UNKNOWN
from dpiprobe.flow.stream_loop import (
    ACKED,
    CLIENT_AFTER,
    END,
    FLAGS,
    LENGTH,
    M32,
    MASK,
    MIX,
    OFFSET,
    OPENING,
    ORIGIN,
    SERVER_AFTER,
    SERVER_NEXT,
    Column,
)
from dpiprobe.wire.loop import Decorator, _plain
from dpiprobe.wire.packets import ACK, FIN, RST, SYN

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)

SYN_AT, LAST_SYN, SYN_ACK, HANDSHAKE, HELLO, HELLO_DONE, ANSWER, ACK_END, CLIENT_FIN, SERVER_FIN, CLIENT_RST, SERVER_RST = range(12)
SERVER_ACKED, CLIENT_ACKED, CLIENT_SEEN, SERVER_SEEN, RTT, SAMPLES, TIMESTAMPS = range(12, 19)
"""Rows of `marks`, one number a flow; as in `Flows`."""
MARK_ROWS = 19


@jit
def landmarks(
    seq: Sequence[int], ts_value: Sequence[int], ts_echo: Sequence[int], time: Sequence[int], payload_offset: Sequence[int],
    payload_captured: Sequence[int], arena: Sequence[int], row: Sequence[int], duplicate: Sequence[int], server_base: Sequence[int],
    hello_start: Sequence[int], hello_end: Sequence[int], kinds: Sequence[int], start: Sequence[int], stop: Sequence[int], count: int,
    slots: Sequence[Column], places: Column, resent: Column, sent: Column, marks: Sequence[Column],
) -> None:  # fmt: skip
    """Fill `marks` of `count` flows. `places`: as in `streams`, -1 all over again · `resent`, `sent`: room, one number a slot."""
    for f in range(count):
        first, last, begins = int(start[f]), int(stop[f]), int(hello_start[f])
        for k in range(SERVER_ACKED):
            marks[k][f] = -1
        sends = _openings(seq, ts_value, row, duplicate, int(server_base[f]), first, last, f, slots, marks)
        if begins != UNKNOWN:
            _hello(duplicate, begins, int(hello_end[f]), first, last, f, slots, marks)
        _reaches(duplicate, int(hello_end[f]), first, last, f, slots, marks)
        _handshake_trip(ts_value, ts_echo, time, row, sends, f, marks)
        if _departures(duplicate, first, last, places, slots, resent, sent):
            readable = int(kinds[f]) == CLIENT_HELLO and len(arena) > 0
            _arrivals(
                time, payload_offset, payload_captured, arena, row, duplicate, readable, first, last, f, slots, places, resent, sent, marks
            )


@jit
def _openings(
    seq: Sequence[int], ts_value: Sequence[int], row: Sequence[int], duplicate: Sequence[int], server_base: int, first: int, last: int, f: int,
    slots: Sequence[Column], marks: Sequence[Column],
) -> int:  # fmt: skip
    """SYNs, SYN/ACK, the client's ACK of it, first FINs and RSTs, timestamps. How often the client sent its SYN."""
    origin, flags, acked = slots[ORIGIN], slots[FLAGS], slots[ACKED]
    syn = syn_ack = any_syn_ack = client_fin = server_fin = client_rst = server_rst = -1
    client_has = server_has = client_speaks = server_speaks = False
    sends = 0
    for i in range(first, last):
        who, flag = int(origin[nth(i)]), int(flags[nth(i)])
        if who not in (CLIENT, SERVER):
            continue
        own = int(duplicate[nth(i)]) == 0
        if who == CLIENT:
            if own:
                if flag & OPENING == SYN:
                    sends += 1
                    if syn < 0:
                        syn = i
                if client_fin < 0 and flag & FIN:
                    client_fin = i
                if client_rst < 0 and flag & RST:
                    client_rst = i
            if not flag & RST:
                client_speaks = True
                client_has = client_has or int(ts_value[nth(int(row[nth(i)]))]) >= 0
        else:
            if own:
                if flag & OPENING == SYN | ACK:
                    if any_syn_ack < 0:
                        any_syn_ack = i
                    if syn_ack < 0 and (int(seq[nth(int(row[nth(i)]))]) + 1) & M32 == server_base:
                        syn_ack = i
                if server_fin < 0 and flag & FIN:
                    server_fin = i
                if server_rst < 0 and flag & RST:
                    server_rst = i
            if not flag & RST:
                server_speaks = True
                server_has = server_has or int(ts_value[nth(int(row[nth(i)]))]) >= 0
    if syn_ack < 0:
        syn_ack = any_syn_ack
    last_syn = handshake = -1
    for i in range(first, last if syn_ack < 0 else syn_ack):
        if int(origin[nth(i)]) == CLIENT and int(flags[nth(i)]) & OPENING == SYN:
            last_syn = i
    if syn_ack >= 0:
        for i in range(syn_ack + 1, last):
            flag = int(flags[nth(i)])
            if int(origin[nth(i)]) == CLIENT and flag & (SYN | RST) == 0 and flag & ACK and int(acked[nth(i)]) >= 0 and int(duplicate[nth(i)]) == 0:
                handshake = i
                break
    marks[SYN_AT][f], marks[LAST_SYN][f], marks[SYN_ACK][f], marks[HANDSHAKE][f] = syn, last_syn, syn_ack, handshake
    marks[CLIENT_FIN][f], marks[SERVER_FIN][f], marks[CLIENT_RST][f], marks[SERVER_RST][f] = client_fin, server_fin, client_rst, server_rst
    stamped = 1 if client_has and server_has else 0 if client_speaks and server_speaks else -1
    if syn >= 0 and syn_ack >= 0:
        stamped = 1 if int(ts_value[nth(int(row[nth(syn)]))]) >= 0 and int(ts_value[int(row[syn_ack])]) >= 0 else 0
    marks[TIMESTAMPS][f] = stamped
    return sends


@jit
def _hello(
    duplicate: Sequence[int], begins: int, ends: int, first: int, last: int, f: int, slots: Sequence[Column], marks: Sequence[Column]
) -> None:
    """The packets that begin and complete the trigger, and the first payload that answers it."""
    origin, flags, length, offset, end = slots[ORIGIN], slots[FLAGS], slots[LENGTH], slots[OFFSET], slots[END]
    client_after, server_next = slots[CLIENT_AFTER], slots[SERVER_NEXT]
    hello = done = answer = -1
    for i in range(first, last):
        speaks = int(origin[nth(i)]) == CLIENT and int(length[nth(i)]) > 0 and not int(flags[nth(i)]) & RST and int(duplicate[nth(i)]) == 0
        if speaks and int(offset[nth(i)]) <= begins < int(end[nth(i)]):
            hello = i
            break
    for i in range(max(hello, first), last):
        if int(length[nth(i)]) <= 0 or int(flags[nth(i)]) & RST or int(duplicate[nth(i)]) != 0:
            continue
        if int(origin[nth(i)]) == CLIENT:
            if done < 0 and int(client_after[nth(i)]) >= ends:
                done = i
        elif answer < 0 and int(origin[nth(i)]) == SERVER and 0 <= hello < i and int(end[nth(i)]) > int(server_next[nth(hello)]):
            answer = i
        if done >= 0 and (answer >= 0 or hello < 0):
            break
    marks[HELLO][f], marks[HELLO_DONE][f], marks[ANSWER][f] = hello, done, answer


@jit
def _reaches(duplicate: Sequence[int], ends: int, first: int, last: int, f: int, slots: Sequence[Column], marks: Sequence[Column]) -> None:
    """How far each side acknowledged and was seen, and who first acknowledged the trigger's end."""
    origin, flags, acked, client_after, server_after = slots[ORIGIN], slots[FLAGS], slots[ACKED], slots[CLIENT_AFTER], slots[SERVER_AFTER]
    hello, ack_end = int(marks[HELLO][f]), -1
    server_acked = client_acked = UNKNOWN
    client_seen = server_seen = 0
    for i in range(first, last):
        who, told = int(origin[nth(i)]), int(acked[nth(i)])
        if int(flags[nth(i)]) & RST:
            told = UNKNOWN
        if who == CLIENT:
            client_seen, client_acked = max(client_seen, int(client_after[nth(i)])), max(client_acked, told)
        elif who == SERVER:
            server_seen, server_acked = max(server_seen, int(server_after[nth(i)])), max(server_acked, told)
            if ack_end < 0 and told != UNKNOWN and told >= ends and 0 <= hello < i and int(duplicate[nth(i)]) == 0:
                ack_end = i
    marks[ACK_END][f], marks[SERVER_ACKED][f], marks[CLIENT_ACKED][f] = ack_end, server_acked, client_acked
    marks[CLIENT_SEEN][f], marks[SERVER_SEEN][f] = client_seen, server_seen


@jit
def _handshake_trip(
    ts_value: Sequence[int], ts_echo: Sequence[int], time: Sequence[int], row: Sequence[int], sends: int, f: int, marks: Sequence[Column]
) -> None:
    """The round trip that SYN and SYN/ACK show."""
    marks[RTT][f], marks[SAMPLES][f] = -1, 0
    left, came, syn = int(marks[LAST_SYN][f]), int(marks[SYN_ACK][f]), int(marks[SYN_AT][f])
    if left < 0 or came < 0:
        return
    a, b = int(row[nth(left)]), int(row[came])
    clear = sends == 1
    if not clear:
        stamp = int(ts_value[nth(a)])
        clear = int(ts_echo[nth(b)]) == stamp and stamp > 0 and stamp != int(ts_value[int(row[max(syn, 0)])])
    if clear and int(time[nth(b)]) >= int(time[nth(a)]):
        marks[RTT][f], marks[SAMPLES][f] = int(time[nth(b)]) - int(time[nth(a)]), 1


@jit
def _departures(
    duplicate: Sequence[int], first: int, last: int, places: Column, slots: Sequence[Column], resent: Column, sent: Column
) -> bool:
    """Note where each of the client's segments left: in `places` by its end, in `sent` how often (negative for one that repeats bytes, which gives
    no sample); in `resent` how many that repeat bytes had left before each slot or with it. False where nothing left."""
    origin, flags, length, offset, end = slots[ORIGIN], slots[FLAGS], slots[LENGTH], slots[OFFSET], slots[END]
    highest, again, any_left = UNKNOWN, 0, False
    mask = 2
    while mask < 2 * (last - first):
        mask *= 2
    mask -= 1
    for i in range(first, last):
        sent[nth(i)] = 0
        if int(origin[nth(i)]) == CLIENT and int(length[nth(i)]) > 0:
            repeats = int(duplicate[nth(i)]) == 0 and int(offset[nth(i)]) < highest
            if repeats:
                again += 1
            if not int(flags[nth(i)]) & RST:
                ends = int(end[nth(i)])
                highest = max(highest, ends)
                if int(duplicate[nth(i)]) == 0 and ends > 0:
                    any_left = True
                    sent[nth(i)] = -1 if repeats else 1
                    mark = (ends & MASK) * MIX
                    spot = (mark ^ (mark >> 17)) & mask
                    while int(places[nth(spot)]) >= first and int(end[int(places[nth(spot)])]) != ends:
                        spot = (spot + 1) & mask
                    if int(places[nth(spot)]) >= first:
                        sent[int(places[nth(spot)])] = -1
                    else:
                        places[nth(spot)] = i
        resent[nth(i)] = again
    return any_left


@jit
def _arrivals(
    time: Sequence[int], payload_offset: Sequence[int], payload_captured: Sequence[int], arena: Sequence[int], row: Sequence[int],
    duplicate: Sequence[int], readable: bool, first: int, last: int, f: int, slots: Sequence[Column], places: Sequence[int], resent: Sequence[int],
    sent: Column, marks: Sequence[Column],
) -> None:  # fmt: skip
    """The round trips that acknowledgements of the client's segments show, each segment's first one. `readable`: payload tells TLS from what injectors send."""
    origin, flags, length, end, acked = slots[ORIGIN], slots[FLAGS], slots[LENGTH], slots[END], slots[ACKED]
    least, samples = int(marks[RTT][f]), int(marks[SAMPLES][f])
    settled = 0  # what nothing ends at, or what gave its sample already: no later acknowledgement of it tells more
    mask = 2
    while mask < 2 * (last - first):
        mask *= 2
    mask -= 1
    for i in range(first, last):
        told = int(acked[nth(i)])
        if int(origin[nth(i)]) != SERVER or told <= 0 or told == settled or int(flags[nth(i)]) & (RST | FIN | SYN) or int(duplicate[nth(i)]) != 0:
            continue
        r = int(row[nth(i)])
        if int(length[nth(i)]) != 0:
            if not readable or int(payload_captured[nth(r)]) <= 0:
                continue
            opens = int(arena[int(payload_offset[nth(r)])])
            if opens not in (0x16, 0x17):
                continue
        mark = (told & MASK) * MIX
        spot = (mark ^ (mark >> 17)) & mask
        while int(places[nth(spot)]) >= first and int(end[int(places[nth(spot)])]) != told:
            spot = (spot + 1) & mask
        left = int(places[nth(spot)])
        if left < first or int(sent[nth(left)]) != 1:
            settled = told
            continue
        if left >= i or int(resent[nth(left)]) != int(resent[nth(i)]):
            continue
        trip = int(time[nth(r)]) - int(time[nth(int(row[nth(left)]))])
        if trip >= 0:
            sent[nth(left)] = 0
            settled = told
            samples += 1
            if least < 0 or trip < least:
                least = trip
    marks[RTT][f], marks[SAMPLES][f] = least, samples
