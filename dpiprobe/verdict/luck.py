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

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, SERVER
from dpiprobe.flow.segments import count_where, running_max, shifted
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import slots_of
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.grouping import groups_of
from dpiprobe.verdict.model import Evidence
from dpiprobe.wire.packets import RST

Ints = npt.NDArray[np.int64]

CHANCE = 0.001
"""Largest probability of bad luck in a capture's connections to a server that still lets silence be a finding: fifty times stricter than the level
of design section 4 (e), since a single trial decides; policy."""
SILENT = ("hello-unacknowledged", "lost-between-the-ends")


def allow_for_losses(observed: Observed, groups: Sequence[Sequence[int]], findings: Mapping[int, list[Evidence]]) -> dict[int, str]:
    """For groups of flows, each those of one name from one client to one server: findings of silence that the path's losses explain are no longer
    sufficient. Returns why, by flow."""
    why: dict[int, str] = {}
    doubtful: list[tuple[Sequence[int], list[int]]] = []
    for group in groups:
        silent = [f for f in group if f in findings and any(map(_swallowed, findings[f])) and observed.facts.copies[f] > 0]
        if len(silent) == 1 and any(observed.flows.ack_end[g] >= 0 for g in group if g != silent[0]):
            why |= _take_back(silent, findings, "; in this trial alone: in another one the server heard this name's hello")
        elif silent:
            doubtful.append((group, silent))
    for (_, silent), (sent, again, flows) in zip(doubtful, _segments(observed, [group for group, _ in doubtful]), strict=True):
        lost = min(1.0, 2 * (again + 1) / (sent + 2))  # Laplace's rule of succession
        if again and flows * lost ** sum(int(observed.facts.copies[f]) for f in silent) > CHANCE:
            share = f"{again} of {sent} segments of other connections to this server were sent again"
            why |= _take_back(silent, findings, f"; but {share}: such a path may lose all copies")
    return why


def _swallowed(evidence: Evidence) -> bool:
    return evidence.kind in SILENT and evidence.technique == "drop.hello" and evidence.sufficient


def _take_back(silent: Sequence[int], findings: Mapping[int, list[Evidence]], why: str) -> dict[int, str]:
    for f in silent:
        for evidence in filter(_swallowed, findings[f]):
            evidence.sufficient = False
            evidence.reason += why
    return dict.fromkeys(silent, "too-few-trials")


def _segments(observed: Observed, groups: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """By group: segments with data between its two hosts in connections that are not of the group, how many of them brought nothing new, and how many
    connections the two have in all."""
    if not groups:
        return []
    flows = observed.flows
    pairs = groups_of(flows.client, flows.server)
    asked = np.zeros(len(pairs), np.bool_)
    asked[pairs.of[[group[0] for group in groups]]] = True
    members = np.flatnonzero(asked[pairs.of])
    sent, again = np.zeros(len(flows), np.int64), np.zeros(len(flows), np.int64)
    sent[members], again[members] = _sent_again(observed, members)
    own, whose = np.concatenate([np.array(group, np.int64) for group in groups]), np.repeat(np.arange(len(groups)), [*map(len, groups)])
    pair = pairs.of[[group[0] for group in groups]]
    rest: list[list[int]] = []
    for of_flow in (sent, again):
        of_pair, of_group = np.zeros(len(pairs), np.int64), np.zeros(len(groups), np.int64)
        np.add.at(of_pair, pairs.of[members], of_flow[members])
        np.add.at(of_group, whose, of_flow[own])
        rest.append((of_pair[pair] - of_group).tolist())
    return list(zip(*rest, np.bincount(pairs.of)[pair].tolist(), strict=True))


def _sent_again(observed: Observed, of: Ints) -> tuple[Ints, Ints]:
    """Of each of these flows: segments with data, and those that lie below what their side had sent before."""
    flows, columns, count = observed.flows, columns_of(observed), len(of)
    slots, place = slots_of(flows, of)
    end, origin = flows.end[slots], flows.origin[slots]
    data = (columns.length[slots] > 0) & ((columns.flags[slots] & RST) == 0) & (flows.duplicate[slots] == 0)
    sent, again = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for side in (CLIENT, SERVER):
        mine = data & (origin == side)
        before = shifted(running_max(np.where(mine, end, 0), place), place, 0)
        sent += count_where(mine, place, count)
        again += count_where(mine & (end <= before), place, count)
    return sent, again
