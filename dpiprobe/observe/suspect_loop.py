"""What `suspects.py`, `build.py` and `flow_features.gather_facts` find in all flows, told flow by flow: the form that is compiled for large captures.

Rules of this file (as in `wire/loop.py`): written once as plain Python over arrays of integers; every element goes through `int()`; no dicts, objects,
slices or exceptions. What the words mean stands in those files, and a test holds both equal; docs/decisions/0006 says why there are two forms.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, UNKNOWN
from dpiprobe.wire.loop import Decorator, _plain
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, TCP

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)

Column = MutableSequence[int]

CARRIES, REPEATS = 1, 2
FIRST_ANSWERS = 4  # suspects.FIRST_ANSWERS


@jit
def carriers(
    captured: Sequence[int], row: Sequence[int], origin: Sequence[int], flags: Sequence[int], offset: Sequence[int], end: Sequence[int],
    duplicate: Sequence[int], transport: Sequence[int], start: Sequence[int], stop: Sequence[int], count: int, kinds: Column,
) -> int:  # fmt: skip
    """Per slot: CARRIES where the server's payload is in the capture, REPEATS where it also begins before the end of what came. How many repeat."""
    found = 0
    for f in range(count):
        highest, tcp = UNKNOWN, int(transport[f]) == TCP
        for i in range(int(start[f]), int(stop[f])):
            kinds[i] = 0
            if not tcp or int(origin[nth(i)]) != SERVER or int(flags[nth(i)]) & RST or int(duplicate[nth(i)]) != 0 or int(captured[nth(int(row[nth(i)]))]) <= 0:
                continue
            kinds[i] = CARRIES
            if int(offset[nth(i)]) < highest:
                kinds[i] = REPEATS
                found += 1
            highest = max(highest, int(end[nth(i)]))
    return found


SLOT, TRIGGER, ANSWERED, PREVIOUS, HAD_FIN, REACHES = range(6)
"""Rows of `rows`, one number a suspect; as in `Suspects`. REACHES: the two bits below."""
ROWS = 6
ACKNOWLEDGED, FULL_TTL = 1, 2
UNACKED, COPIES, FIRST_COPY, LAST_COPY, LAST_SERVER, LAST_CLIENT, UNHEARD = range(7)
"""Rows of `facts`, one number a flow; as in `FlowFacts`."""
FACTS = 7
COPY, CLIENT_WORD, CLIENT_RESET, SERVER_WORD, SERVER_RESET, STRAY_WORD, STRAY_RESET, ERROR = range(8)
"""What a packet of a flow is, as in `FlowFacts.sort`: a copy that the capture made, else who sent it, and whether it is a reset; from ERROR on: ICMP."""


@jit
def suspects(
    ttl: Sequence[int], row: Sequence[int], origin: Sequence[int], flags: Sequence[int], length: Sequence[int], offset: Sequence[int],
    end: Sequence[int], acked: Sequence[int], duplicate: Sequence[int], overlapping: Sequence[int], hello: Sequence[int],
    hello_start: Sequence[int], hello_end: Sequence[int], server_acked: Sequence[int], start: Sequence[int], stop: Sequence[int], count: int,
    rows: Sequence[Column], facts: Sequence[Column], sort: Column,
) -> int:  # fmt: skip
    """Fill `rows` with the suspects of `count` flows, `facts`, and the `sort` of each slot. How many suspects there are; `rows` has room for every slot."""
    found = 0
    for f in range(count):
        first, last = int(start[f]), int(stop[f])
        begins, ends, heard = int(hello_start[f]), int(hello_end[f]), int(server_acked[f])
        unacked = max(heard, begins) if begins != UNKNOWN and heard < ends else UNKNOWN
        facts[UNACKED][f] = unacked
        _count(origin, flags, length, offset, end, duplicate, unacked, heard, first, last, f, facts, sort)
        head = found
        found = _select(origin, flags, length, offset, end, duplicate, overlapping, int(hello[f]), begins, ends, first, last, found, rows)
        if found > head:
            _reaches(ttl, row, origin, flags, offset, end, acked, first, last, head, found, rows)
    return found


@jit
def _count(
    origin: Sequence[int], flags: Sequence[int], length: Sequence[int], offset: Sequence[int], end: Sequence[int], duplicate: Sequence[int],
    unacked: int, heard: int, first: int, last: int, f: int, facts: Sequence[Column], sort: Column,
) -> None:  # fmt: skip
    """`flow_features.gather_facts` of one flow."""
    copies = unheard = 0
    first_copy = last_copy = last_server = last_client = -1
    for i in range(first, last):
        if int(duplicate[nth(i)]) != 0:
            sort[nth(i)] = COPY
            continue
        who, said = int(origin[nth(i)]), not int(flags[nth(i)]) & RST
        sort[nth(i)] = CLIENT_WORD + 2 * who + (0 if said else 1)
        if who == CLIENT:
            last_client = i
            fin = 1 if int(flags[nth(i)]) & FIN else 0
            if said and (int(length[nth(i)]) > 0 or fin) and int(end[nth(i)]) + fin > heard:
                unheard += 1
            if said and unacked != UNKNOWN and int(length[nth(i)]) > 0 and int(offset[nth(i)]) <= unacked < int(end[nth(i)]):
                copies += 1
                last_copy = i
                if first_copy < 0:
                    first_copy = i
        elif who == SERVER and said:
            last_server = i
    facts[COPIES][f], facts[FIRST_COPY][f], facts[LAST_COPY][f] = copies, first_copy, last_copy
    facts[LAST_SERVER][f], facts[LAST_CLIENT][f], facts[UNHEARD][f] = last_server, last_client, unheard


@jit
def _select(
    origin: Sequence[int], flags: Sequence[int], length: Sequence[int], offset: Sequence[int], end: Sequence[int], duplicate: Sequence[int],
    overlapping: Sequence[int], hello: int, begins: int, ends: int, first: int, last: int, found: int, rows: Sequence[Column],
) -> int:  # fmt: skip
    """The suspects of one flow with their anchors; how many there are of all flows so far."""
    copy = syn = client_said = server_said = client_any = server_any = -1
    client_fin = server_fin = answers = 0
    for i in range(first, last):
        who, flag, size = int(origin[nth(i)]), int(flags[nth(i)]), int(length[nth(i)])
        client, server = who == CLIENT, who == SERVER
        after = server and size > 0 and 0 <= hello < i
        chosen = who in (STRAY, ICMP_ERROR) or ((client or server) and flag & (RST | FIN) != 0)
        chosen = chosen or (server and int(overlapping[nth(i)]) != 0) or (after and answers < FIRST_ANSWERS)
        if chosen and int(duplicate[nth(i)]) == 0:
            rows[SLOT][found] = i
            rows[TRIGGER][found] = copy if copy >= 0 else syn
            rows[ANSWERED][found] = server_said if client else client_said
            rows[PREVIOUS][found] = client_any if client else server_any
            rows[HAD_FIN][found] = client_fin if client else server_fin
            found += 1
        if after:
            answers += 1
        if client:
            client_any = i
            if not flag & RST:
                client_said = i
                if begins != UNKNOWN and size > 0 and int(offset[nth(i)]) < ends and int(end[nth(i)]) > begins:
                    copy = i
            if flag & (SYN | ACK | RST) == SYN:
                syn = i
            if flag & FIN:
                client_fin = 1
        elif server or who == STRAY:
            server_any = i
            if server:
                if not flag & RST:
                    server_said = i
                if flag & FIN:
                    server_fin = 1
    return found


@jit
def _reaches(
    ttl: Sequence[int], row: Sequence[int], origin: Sequence[int], flags: Sequence[int], offset: Sequence[int], end: Sequence[int],
    acked: Sequence[int], first: int, last: int, head: int, found: int, rows: Sequence[Column],
) -> None:  # fmt: skip
    """What `build.reaches_server` asks of the client's suspects of one flow, rows[head:found]."""
    most, any_client = 0, False
    for i in range(first, last):
        if int(origin[nth(i)]) == CLIENT:
            value = int(ttl[nth(int(row[nth(i)]))])
            most = max(most, value) if any_client else value
            any_client = True
    later, k = UNKNOWN, found - 1
    for i in range(last - 1, first - 1, -1):
        if k >= head and int(rows[SLOT][k]) == i:
            reaches = 0
            if int(origin[nth(i)]) == CLIENT:
                own_end = int(end[nth(i)]) + (1 if int(flags[nth(i)]) & FIN else 0)
                if own_end > int(offset[nth(i)]) and later >= own_end and not int(flags[nth(i)]) & RST:
                    reaches |= ACKNOWLEDGED
                if int(ttl[nth(int(row[nth(i)]))]) >= most:
                    reaches |= FULL_TTL
            rows[REACHES][k] = reaches
            k -= 1
        if int(origin[nth(i)]) == SERVER and not int(flags[nth(i)]) & RST:
            later = max(later, int(acked[nth(i)]))
