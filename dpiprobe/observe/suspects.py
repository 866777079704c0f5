"""Which packets of a batch somebody might have forged: selected once, before any signature is asked.

Resets, closes, ICMP errors and strays; the first payload packets that a server sends after the trigger; plaintext alerts; data that
fills a place in the stream with other bytes than before. Also the client's own resets and closes, which clauses need to rule
things out. Copies that the capture made are left out. What is not selected is ordinary and stays in the flow's counters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, Flows
from dpiprobe.wire.packets import FIN, RST

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FIRST_ANSWERS = 4
"""Payload packets of a server after the trigger that are looked at: a page, a redirect or an alert comes first, and an injector's
copies beside it. Policy, not measurement."""


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
