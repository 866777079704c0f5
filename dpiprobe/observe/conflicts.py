"""Data that contradict each other: packets of a server that fill a place in its stream with other bytes than before."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import SERVER, UNKNOWN, Flows
from dpiprobe.flow.segments import running_max, shifted
from dpiprobe.observe import suspect_loop
from dpiprobe.wire.compiled import at_hand
from dpiprobe.wire.packets import RST, TCP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

OVERLAPS = 64
"""Earlier packets that one packet's bytes are compared with; bounds the work of a flow that repeats itself. Policy."""

LOOK = 16
"""Bytes that two packets are compared by first: no part of a large capture keeps fewer (`flow.table_loop.HEAD`)."""


def conflicting(flows: Flows) -> Bools:
    """Slots of server payload that put other bytes where another packet of the server put some: both of each pair.

    Two or more bytes must differ: a keep-alive probe may carry one garbage byte (RFC 9293 section 3.8.4).
    """
    out = np.zeros(len(flows.row), bool)
    loops = at_hand(suspect_loop)
    carries, again = carriers_by_flow(loops, flows) if loops is not None else carriers(flows)
    if not again.any():
        return out
    repeated = np.zeros(len(flows), bool)
    repeated[flows.flow[again]] = True
    slots = _touching(flows, np.flatnonzero(carries & repeated[flows.flow]))
    edges = np.flatnonzero(np.concatenate(([True], np.diff(flows.flow[slots]) != 0, [True]))) if len(slots) else np.zeros(1, np.int64)
    decided = _differing_pairs(flows, slots, edges, again, out)
    for begin, stop in zip(edges[:-1][~decided].tolist(), edges[1:][~decided].tolist(), strict=True):
        _compare(flows, slots[begin:stop], again, out)
    return out


def carriers(flows: Flows) -> tuple[Bools, Bools]:
    """Slots of the server's payload in the capture, and those of them that begin before the end of what came."""
    carries = (
        (flows.origin == SERVER)
        & (flows.transport[flows.flow] == TCP)
        & (flows.packets.payload_captured[flows.row] > 0)
        & ((flows.flags & RST) == 0)
        & (flows.duplicate == 0)
    )
    highest = shifted(running_max(np.where(carries, flows.end, UNKNOWN), flows.flow), flows.flow, UNKNOWN)
    return carries, carries & (flows.offset < highest)


def carriers_by_flow(loops: Any, flows: Flows) -> tuple[Bools, Bools]:
    """The same by loops."""
    kinds = np.empty(len(flows.row), np.int64)
    loops.carriers(
        flows.packets.payload_captured, flows.row, flows.origin, flows.flags, flows.offset, flows.end, flows.duplicate, flows.transport,
        flows.start, flows.stop, len(flows), kinds,
    )  # fmt: skip
    return kinds > 0, kinds == suspect_loop.REPEATS


def _differing_pairs(flows: Flows, slots: Ints, edges: Ints, again: Bools, out: Bools) -> Bools:
    """Which flows (slots[edges[i]:edges[i + 1]]) have two packets here, of the same place, that differ by their first bytes; marked in `out`: what
    an injector's answer and the server's own look like."""
    begin, pairs = edges[:-1], np.diff(edges) == 2
    decided = np.zeros(len(begin), bool)
    which = np.flatnonzero(pairs)
    one, other = slots[begin[which]], slots[begin[which] + 1]
    alike = (flows.offset[one] == flows.offset[other]) & again[other]
    which, one, other = which[alike], one[alike], other[alike]
    packets, arena = flows.packets, np.frombuffer(flows.packets.arena, np.uint8)
    if len(which):
        size = np.minimum(_sizes_at_hand(packets, flows.row[one]), _sizes_at_hand(packets, flows.row[other]))
        place = np.arange(LOOK)
        first, second = (arena[np.minimum(packets.payload_offset[flows.row[s]][:, None] + place, len(arena) - 1)] for s in (one, other))
        differ = ((first != second) & (place < size[:, None])).sum(axis=1) >= 2
        decided[which[differ]] = True
        out[one[differ]] = out[other[differ]] = True
    return decided


def _sizes_at_hand(packets: Packets, rows: Ints) -> Ints:
    captured = packets.payload_captured[rows]
    return captured if packets.kept is None else np.minimum(captured, packets.kept[rows])


def _compare(flows: Flows, slots: Ints, again: Bools, out: Bools) -> None:
    """Mark in `out` which packets of one flow put other bytes where another one of them put some."""
    packets = flows.packets
    every, repeats = slots.tolist(), again[slots].tolist()
    offsets, ends = flows.offset[slots].tolist(), flows.end[slots].tolist()
    here = range(len(every))
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
