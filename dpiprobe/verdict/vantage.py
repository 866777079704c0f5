"""At which end of a connection a capture was taken, told by which half of the handshake takes the time.

Rules of this file:
- At the client the SYN/ACK comes a round trip after the SYN and the ACK at once; at the server it is the other way round. Between the two, or
  where the round trip is too short to tell, nothing is said.
- It serves clauses `seen_at`; no verdict rests on it.
"""

from __future__ import annotations

import numpy as np

from dpiprobe.flow.flows import CLIENT
from dpiprobe.flow.segments import first_where
from dpiprobe.observe.build import Observed

SHARE = 0.2
"""Largest part of one half that the other may take; in the middle of the way both take the same. Unverified."""
LEAST = 2_000_000
"""ns that the longer half must take: a kernel alone takes 0.3 ms (boxes.md, measurements). Unverified."""


def vantage(observed: Observed) -> list[str | None]:
    """Per flow `client`, `server`, or None where the handshake does not tell."""
    flows = observed.flows
    count = len(flows)
    if not count:
        return []
    slot = np.arange(len(flows.row))
    reply = (flows.origin == CLIENT) & (flows.duplicate == 0) & (flows.syn_ack[flows.flow] >= 0) & (slot > flows.syn_ack[flows.flow])
    after = first_where(reply, flows.flow, count)
    time = flows.packets.time[flows.row]
    known = (flows.syn_ack >= 0) & (flows.last_syn >= 0) & (after >= 0)
    first = time[np.maximum(flows.syn_ack, 0)] - time[np.maximum(flows.last_syn, 0)]
    second = time[np.maximum(after, 0)] - time[np.maximum(flows.syn_ack, 0)]
    client = known & (first >= LEAST) & (second <= SHARE * first)
    server = known & (second >= LEAST) & (first <= SHARE * second)
    return ["client" if c else "server" if s else None for c, s in zip(client.tolist(), server.tolist(), strict=True)]
