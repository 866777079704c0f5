"""Punished because of an earlier connection: flows that got nowhere after another flow of the same client had been interfered with.

Rules of this file:
- It needs an earlier flow with interference (found or suspected), the same client address, server address and port, not long before, and
  one that worked before that: else the server may simply be down.
- `blocked` needs the end of the punishment as well: a flow that works again, no longer after than punishment is known to last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpiprobe.flow.flows import Flows
from dpiprobe.verdict.model import Evidence, Judgement, Outcome
from dpiprobe.verdict.view import FlowView

LONGEST_PUNISHMENT = 420_000_000_000
"""ns. The longest residual blocking with a source: 420 s (techniques.md residual table, TSPU SNI-II and QUIC [T]); 180 s for the Great Firewall [S]."""


def punished(
    flow: int,
    view: FlowView,
    outcomes: Sequence[Outcome],
    judgements: Sequence[Judgement | None],
    starts: Sequence[int],
    neighbours: Sequence[int],
) -> Evidence | None:
    """The finding for a flow that carried no trigger (or whose name is fine) and got nowhere; `neighbours`: flows of the same client, server, port."""
    begin = starts[flow]
    if _late_copy(flow, view.flows, neighbours):
        return None
    culprits = [
        g
        for g in neighbours
        if g != flow
        and starts[g] < begin
        and begin - starts[g] <= LONGEST_PUNISHMENT
        and (found := judgements[g]) is not None
        and found.technique is not None
        and found.verdict in ("blocked", "contested", "insufficient")
        and not found.technique.startswith(("residual", "address", "proxy"))
    ]
    if not culprits:
        return None
    culprit = culprits[-1]
    if not any(outcomes[g].word == "worked" and starts[g] < starts[culprits[0]] for g in neighbours):
        return None
    recovered = [
        g for g in neighbours if starts[g] > begin and outcomes[g].word == "worked" and starts[g] - starts[culprit] <= LONGEST_PUNISHMENT
    ]
    technique = "residual.rst" if outcomes[flow].word in ("refused", "reset") else "residual.drop"
    slots = [s for s in view.slots if view.origin[view.at(s)] == 0][:8] if technique == "residual.drop" else view.server_resets[:8]
    after = (begin - starts[culprit]) / 1e9
    reason = f"nothing got through {after:.1f} s after flow {view.flows.label(culprit)} of the same client had been interfered with"
    if recovered:
        reason += f"; flow {view.flows.label(recovered[0])} worked again {(starts[recovered[0]] - starts[culprit]) / 1e9:.1f} s after it"
    proven = bool(recovered) and judgements[culprit].verdict == "blocked"  # type: ignore[union-attr]
    return Evidence("residual", technique, slots or [view.slots.start], reason, proven)


def _late_copy(flow: int, flows: Flows, neighbours: Sequence[int]) -> bool:
    """The flow's SYN is that of another flow of the same ports, come late (a duplicate on the way): nobody opened a connection."""
    syn = int(flows.syn[flow])
    if syn < 0:
        return False
    seq, row = flows.packets.seq, flows.row
    return any(
        g != flow and flows.client_port[g] == flows.client_port[flow] and flows.syn[g] >= 0 and seq[row[int(flows.syn[g])]] == seq[row[syn]]
        for g in neighbours
    )


def punishment_followed(flow: int, flows: Flows, outcomes: Sequence[Outcome]) -> bool:
    """After this flow a connection of the same client to the same address and port got nowhere, although one before and one later worked."""
    begin = flows.time(int(flows.start[flow]))
    same = (flows.client == flows.client[flow]) & (flows.server == flows.server[flow]) & (flows.server_port == flows.server_port[flow])
    before = after = later = False
    for g in np.flatnonzero(same).tolist():
        since = flows.time(int(flows.start[g])) - begin
        word = outcomes[g].word
        if since < 0:
            before |= word == "worked"
        elif word == "unanswered" and since <= LONGEST_PUNISHMENT:
            after = True
        elif word == "worked" and since <= LONGEST_PUNISHMENT:
            later |= after
    return before and after and later
