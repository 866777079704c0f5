"""Which packets of a batch somebody might have forged: selected once, before any signature is asked.

Resets, closes, ICMP errors and strays; the first payload packets that a server sends after the trigger; plaintext alerts; data that
fills a place in the stream with other bytes than before. Also the client's own resets and closes, which clauses need to rule
things out. Copies that the capture made are left out. What is not selected is ordinary and stays in the flow's counters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, UNKNOWN, Flows
from dpiprobe.flow.segments import running_max, shifted
from dpiprobe.wire.packets import FIN, RST, TCP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FIRST_ANSWERS = 4
"""Payload packets of a server after the trigger that are looked at: a page, a redirect or an alert comes first, and an injector's
copies beside it. Policy, not measurement."""

OVERLAPS = 64
"""Earlier packets that one packet's bytes are compared with; bounds the work of a flow that repeats itself. Policy."""


def select(flows: Flows, overlapping: Bools) -> Ints:
    """Slots of suspects, ascending (so by flow, then by capture order)."""
    flags, length = flows.flags, flows.length
    server = flows.origin == SERVER
    chosen = (flows.origin == STRAY) | (flows.origin == ICMP_ERROR)
    chosen |= ((flows.origin == CLIENT) | server) & ((flags & (RST | FIN)) != 0)
    chosen |= overlapping & server
    slot = np.arange(len(flows.row))
    after = server & (length > 0) & (flows.hello[flows.flow] >= 0) & (slot > flows.hello[flows.flow])
    chosen |= after & (_rank(after, flows.flow) < FIRST_ANSWERS)
    return np.flatnonzero(chosen & (flows.duplicate == 0))


def _rank(mask: Bools, flow: Ints) -> Ints:
    """How many slots of the same flow held before this one."""
    total = np.cumsum(mask).astype(np.int64)
    if not len(mask):
        return total
    starts = np.concatenate(([True], np.diff(flow) != 0))
    base = np.where(starts, total - mask, 0)
    return np.asarray(total - mask - np.maximum.accumulate(base), np.int64)


def conflicting(flows: Flows) -> Bools:
    """Slots of server payload that put other bytes where another packet of the server put some: both of each pair.

    Two or more bytes must differ: a keep-alive probe may carry one garbage byte (RFC 9293 section 3.8.4).
    """
    packets = flows.packets
    out = np.zeros(len(flows.row), bool)
    carries = (
        (flows.origin == SERVER)
        & (flows.transport[flows.flow] == TCP)
        & (packets.payload_captured[flows.row] > 0)
        & ((packets.flags[flows.row] & RST) == 0)
        & (flows.duplicate == 0)
    )
    highest = shifted(running_max(np.where(carries, flows.end, UNKNOWN), flows.flow), flows.flow, UNKNOWN)
    again = carries & (flows.offset < highest)
    if not again.any():
        return out
    slots = _touching(flows, np.flatnonzero(carries & np.isin(flows.flow, flows.flow[again])))
    edges = np.flatnonzero(np.concatenate(([True], np.diff(flows.flow[slots]) != 0, [True]))) if len(slots) else np.zeros(1, np.int64)
    every, repeats = slots.tolist(), again[slots].tolist()
    offsets, ends = flows.offset[slots].tolist(), flows.end[slots].tolist()
    for begin, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        here = range(begin, stop)
        heads = [(offsets[i], *_at_hand(packets, int(flows.row[every[i]]))) for i in here]
        number = Counter(heads)  # a payload is read whole only where another one begins like it
        seen: dict[tuple[int, int, bytes], int] = {}
        same_as = [
            seen.setdefault(head if number[head] == 1 else (head[0], -1, packets.payload(int(flows.row[every[i]]))), i)
            for i, head in zip(here, heads, strict=True)
        ]
        by_offset = sorted(seen.values(), key=offsets.__getitem__)
        begins = [offsets[i] for i in by_offset]
        longest = max(ends[i] - offsets[i] for i in by_offset)
        for i in (i for i in seen.values() if repeats[i]):
            near = by_offset[bisect_left(begins, offsets[i] - longest) : bisect_left(begins, ends[i])]
            for other in [j for j in near if j < i and ends[j] > offsets[i]][:OVERLAPS]:
                if _differ(flows, every[i], every[other]):
                    out[every[i]] = out[every[other]] = True
        for i, original in zip(here, same_as, strict=True):
            out[every[i]] = out[every[original]]
    return out


def _touching(flows: Flows, slots: Ints) -> Ints:
    """Those of the slots (of one side) whose bytes lie where another one's of the same flow lie too."""
    order = slots[np.lexsort((flows.offset[slots], flows.flow[slots]))]
    flow, offset, end = flows.flow[order], flows.offset[order], flows.end[order]
    meets = offset < shifted(running_max(end, flow), flow, UNKNOWN)
    meets[:-1] |= (flow[:-1] == flow[1:]) & (end[:-1] > offset[1:])
    return np.sort(order[meets])


def _differ(flows: Flows, a: int, b: int) -> bool:
    low = max(int(flows.offset[a]), int(flows.offset[b]))
    one, other = int(flows.row[a]), int(flows.row[b])
    skip, other_skip = low - int(flows.offset[a]), low - int(flows.offset[b])
    packets = flows.packets
    if _two_differ(_at_hand(packets, one)[1][skip:], _at_hand(packets, other)[1][other_skip:]):
        return True
    return packets.kept is not None and _two_differ(packets.payload(one)[skip:], packets.payload(other)[other_skip:])


def _two_differ(first: bytes, second: bytes) -> bool:
    """Two or more bytes differ where both have one."""
    size = min(len(first), len(second))
    return size >= 2 and first[:size] != second[:size] and sum(x != y for x, y in zip(first, second, strict=False)) >= 2


def _at_hand(packets: Packets, row: int) -> tuple[int, bytes]:
    """How many payload bytes the capture holds of a packet, and those of them that need not be read again."""
    size, start = int(packets.payload_captured[row]), int(packets.payload_offset[row])
    return size, packets.arena[start : start + (size if packets.kept is None else min(size, int(packets.kept[row])))]
