"""Whether the losses that a path shows could by themselves have swallowed every copy of a hello.

Rules of this file:
- The path is what the client's other connections to the server show of it: the share of segments, of either side, that brought nothing new. A path
  that shows none is not suspected of any.
- A copy is heard where it arrives and its acknowledgement returns, so that a share of losses counts twice. Copies are lost independently; a burst
  is longer than a back-off only in an outage, which the rules of `silence` look for.
- One silent trial of many is many chances; several silent trials of one name are one joint chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, SERVER
from dpiprobe.flow.segments import count_where, running_max, shifted
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Evidence
from dpiprobe.wire.packets import RST

Ints = npt.NDArray[np.int64]

CHANCE = 0.001
"""Largest probability of bad luck in a capture's connections to a server that still lets silence be a finding: fifty times stricter than the level
of design section 4 (e), since a single trial decides; policy."""
SILENT = ("hello-unacknowledged", "lost-between-the-ends")


def allow_for_losses(observed: Observed, group: Sequence[int], findings: Sequence[list[Evidence]]) -> dict[int, str]:
    """For the flows of one name from one client to one server: findings of silence that the path's losses explain are no longer sufficient. Returns why,
    by flow."""
    silent = {f: e for f in group for e in findings[f] if e.kind in SILENT and e.sufficient and int(observed.facts.copies[f]) > 0}
    if not silent:
        return {}
    sent, again, flows = _segments(observed, group)
    if not again:
        return {}
    lost = min(1.0, 2 * (again + 1) / (sent + 2))  # Laplace's rule of succession
    chance = flows * lost ** sum(int(observed.facts.copies[f]) for f in silent)
    if chance <= CHANCE:
        return {}
    for f in silent:
        for evidence in findings[f]:
            if evidence.kind in SILENT and evidence.sufficient:
                evidence.sufficient = False
                evidence.reason += f"; but {again} of {sent} segments of other connections to this server were sent again: such a path may lose all copies"
    return dict.fromkeys(silent, "too-few-trials")


def _segments(observed: Observed, group: Sequence[int]) -> tuple[int, int, int]:
    """Segments with data between the same two hosts in connections that are not of this group, how many of them brought nothing new, and how many
    connections the two have in all."""
    flows = observed.flows
    sent, again = observed.once("segments sent again", _sent_again)
    same = (flows.client == flows.client[group[0]]) & (flows.server == flows.server[group[0]])
    others = same.copy()
    others[list(group)] = False
    return int(sent[others].sum()), int(again[others].sum()), int(same.sum())


def _sent_again(observed: Observed) -> tuple[Ints, Ints]:
    """Per flow: segments with data, and those that lie below what their side had sent before."""
    flows, columns = observed.flows, columns_of(observed)
    data = (columns.length > 0) & ((columns.flags & RST) == 0) & (flows.duplicate == 0)
    sent, again = np.zeros(len(flows), np.int64), np.zeros(len(flows), np.int64)
    for side in (CLIENT, SERVER):
        mine = data & (flows.origin == side)
        before = shifted(running_max(np.where(mine, flows.end, 0), flows.flow), flows.flow, 0)
        sent += count_where(mine, flows.flow, len(flows))
        again += count_where(mine & (flows.end <= before), flows.flow, len(flows))
    return sent, again
