"""Which packets of a batch somebody might have forged: selected once, before any signature is asked.

Resets, closes, ICMP errors and strays; the first payload packets that a server sends after the trigger; plaintext alerts; data that
fills a place in the stream with other bytes than before. Also the client's own resets and closes, which clauses need to rule
things out. Copies that the capture made are left out. What is not selected is ordinary and stays in the flow's counters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, UNKNOWN, Flows, tcp_flags
from dpiprobe.flow.segments import running_max, shifted
from dpiprobe.wire.packets import FIN, RST, TCP

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FIRST_ANSWERS = 4
"""Payload packets of a server after the trigger that are looked at: a page, a redirect or an alert comes first, and an injector's
copies beside it. Policy, not measurement."""

OVERLAPS = 64
"""Earlier packets that one packet's bytes are compared with; bounds the work of a flow that repeats itself. Policy."""


def select(flows: Flows, overlapping: Bools) -> Ints:
    """Slots of suspects, ascending (so by flow, then by capture order)."""
    flags = tcp_flags(flows.packets, flows.row)
    length = flows.packets.payload_length[flows.row]
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
    again = np.flatnonzero(carries & (flows.offset < highest))
    for f in np.unique(flows.flow[again]).tolist():
        mine = np.flatnonzero(carries[flows.start[f] : flows.stop[f]]) + flows.start[f]
        first, same_as = _originals(flows, mine)
        repeated = again[slice(*np.searchsorted(again, (flows.start[f], flows.stop[f])).tolist())]
        by_offset = first[np.argsort(flows.offset[first], kind="stable")]
        begins = flows.offset[by_offset]
        longest = int((flows.end[first] - flows.offset[first]).max())
        for slot in repeated[np.isin(repeated, first)].tolist():
            near = by_offset[np.searchsorted(begins, flows.offset[slot] - longest) : np.searchsorted(begins, flows.end[slot])]
            for other in near[(near < slot) & (flows.end[near] > flows.offset[slot])][:OVERLAPS].tolist():
                if _differ(flows, slot, other):
                    out[slot] = out[other] = True
        out[mine] = out[same_as]
    return out


def _originals(flows: Flows, slots: Ints) -> tuple[Ints, Ints]:
    """The slots whose place and payload no earlier one of them has, and for each slot the one it is equal to."""
    seen: dict[tuple[int, bytes], int] = {}
    same_as = [seen.setdefault((int(flows.offset[s]), flows.packets.payload(int(flows.row[s]))), s) for s in slots.tolist()]
    return np.array(list(seen.values()), np.int64), np.array(same_as, np.int64)


def _differ(flows: Flows, a: int, b: int) -> bool:
    low = max(int(flows.offset[a]), int(flows.offset[b]))
    first = flows.packets.payload(int(flows.row[a]))[low - int(flows.offset[a]) :]
    second = flows.packets.payload(int(flows.row[b]))[low - int(flows.offset[b]) :]
    size = min(len(first), len(second))
    return size >= 2 and first[:size] != second[:size] and sum(x != y for x, y in zip(first[:size], second[:size], strict=True)) >= 2
