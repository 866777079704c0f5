"""Whether the losses that a path shows, or an outage, could by themselves have swallowed every copy of a hello.

Rules of this file:
- Who drops a name drops it whenever it is asked for. Where the server heard this name's hello in other trials, one silent trial is the path's affair.
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
    silent = [f for f in group if any(_swallowed(e) for e in findings[f]) and int(observed.facts.copies[f]) > 0]
    if not silent:
        return {}
    heard = [g for g in group if g not in silent and int(observed.flows.ack_end[g]) >= 0]
    if len(silent) == 1 and heard:
        return _take_back(silent, findings, "; in this trial alone: in another one the server heard this name's hello")
    sent, again, flows = _segments(observed, group)
    if not again:
        return {}
    lost = min(1.0, 2 * (again + 1) / (sent + 2))  # Laplace's rule of succession
    chance = flows * lost ** sum(int(observed.facts.copies[f]) for f in silent)
    if chance <= CHANCE:
        return {}
    share = f"{again} of {sent} segments of other connections to this server were sent again"
    return _take_back(silent, findings, f"; but {share}: such a path may lose all copies")


def _swallowed(evidence: Evidence) -> bool:
    return evidence.kind in SILENT and evidence.technique == "drop.hello" and evidence.sufficient


def _take_back(silent: Sequence[int], findings: Sequence[list[Evidence]], why: str) -> dict[int, str]:
    for f in silent:
        for evidence in filter(_swallowed, findings[f]):
            evidence.sufficient = False
            evidence.reason += why
    return dict.fromkeys(silent, "too-few-trials")


def _segments(observed: Observed, group: Sequence[int]) -> tuple[int, int, int]:
    """Segments with data between the same two hosts in connections that are not of this group, how many of them brought nothing new, and how many
    connections the two have in all."""
    sent, again, pair, totals = observed.once("segments sent again", _of_pairs)
    all_sent, all_again, connections = totals[pair[group[0]]]
    return all_sent - sum(sent[f] for f in group), all_again - sum(again[f] for f in group), connections


def _of_pairs(observed: Observed) -> tuple[list[int], list[int], list[int], list[tuple[int, int, int]]]:
    """Per flow: what `_sent_again` says, and its pair of client and server. Per pair: the sums, and how many flows it has."""
    flows = observed.flows
    sent, again = _sent_again(observed)
    _, pair, count = np.unique(flows.client * (int(flows.server.max()) + 1) + flows.server, return_inverse=True, return_counts=True)
    sums = [np.zeros(len(count), np.int64), np.zeros(len(count), np.int64)]
    for total, of_flow in zip(sums, (sent, again), strict=True):
        np.add.at(total, pair, of_flow)
    return sent.tolist(), again.tolist(), pair.tolist(), list(zip(*(column.tolist() for column in (*sums, count)), strict=True))


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
