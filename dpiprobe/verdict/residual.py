"""Punished because of an earlier connection: flows that got nowhere after another flow of the same client had been interfered with.

Rules of this file:
- It needs an earlier flow with interference (found or suspected), the same client address, server address and port, not long before, and
  one that worked before that: else the server may simply be down.
- `blocked` needs the end of the punishment as well: a flow that works again, no longer after than punishment is known to last.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from dpiprobe.flow.flows import Flows
from dpiprobe.verdict.model import Evidence, Judgement, Outcome
from dpiprobe.verdict.view import FlowView

LONGEST_PUNISHMENT = 420_000_000_000
"""ns. The longest residual blocking with a source: 420 s (techniques.md residual table, TSPU SNI-II and QUIC [T]); 180 s for the Great Firewall [S]."""



class Place:
    """The flows of one client to one server and port, by their start; outcomes are looked up once."""

    def __init__(self, flows: Flows, members: Sequence[int], outcomes: Sequence[Outcome], starts: Sequence[int]) -> None:
        self.flows, self.outcomes, self.starts = flows, outcomes, starts
        self.members = sorted(sorted(members), key=starts.__getitem__)
        self._worked = [(starts[g], g) for g in self.members if outcomes[g].word == "worked"]
        self._unanswered = [(starts[g], g) for g in self.members if outcomes[g].word == "unanswered"]

    @cached_property
    def _openings(self) -> Counter[tuple[int, int]]:
        return Counter(opening for g in self.members if (opening := self._opening(g)) is not None)

    def _opening(self, flow: int) -> tuple[int, int] | None:
        """Port and sequence number of the flow's SYN."""
        syn = int(self.flows.syn[flow])
        return (int(self.flows.client_port[flow]), int(self.flows.packets.seq[self.flows.row[syn]])) if syn >= 0 else None

    def late_copy(self, flow: int) -> bool:
        """The flow's SYN is that of another flow of the same ports, come late (a duplicate on the way): nobody opened a connection."""
        opening = self._opening(flow)
        return opening is not None and self._openings[opening] > 1

    def worked_before(self, when: int) -> bool:
        """A flow that began before then worked."""
        return bool(self._worked) and self._worked[0][0] < when

    def next_working(self, after: int) -> int | None:
        """The first flow that began after that time and worked."""
        at = bisect_right(self._worked, after, key=lambda one: one[0])
        return self._worked[at][1] if at < len(self._worked) else None

    def punishment_followed(self, flow: int) -> bool:
        """After this flow a connection got nowhere, although one before and one later worked."""
        begin = self.starts[flow]
        at = bisect_left(self._unanswered, begin, key=lambda one: one[0])
        if not self.worked_before(begin) or at == len(self._unanswered):
            return False
        failed, end = self._unanswered[at], begin + LONGEST_PUNISHMENT
        last = bisect_right(self._worked, end, key=lambda one: one[0])
        return failed[0] <= end and last > 0 and self._worked[last - 1] > failed


class Culprits:
    """Flows of a place that were interfered with (or are suspected to have been), by their start."""

    def __init__(self, place: Place, judgements: Sequence[Judgement | None]) -> None:
        self._flows = [g for g in place.members if (found := judgements[g]) is not None and _interfered(found)]
        self._starts = [place.starts[g] for g in self._flows]

    def before(self, begin: int) -> tuple[int, int] | None:
        """The first and the last of them that a punishment at that time could be for."""
        low, high = bisect_left(self._starts, begin - LONGEST_PUNISHMENT), bisect_left(self._starts, begin)
        return (self._flows[low], self._flows[high - 1]) if low < high else None


def _interfered(found: Judgement) -> bool:
    return (
        found.technique is not None
        and found.verdict in ("blocked", "contested", "insufficient")
        and not found.technique.startswith(("residual", "address", "proxy"))
    )


def punished(view: FlowView, place: Place, culprits: Culprits, judgements: Sequence[Judgement | None]) -> Evidence | None:
    """The finding for a flow that carried no trigger (or whose name is fine) and got nowhere."""
    flow, starts = view.f, place.starts
    begin = starts[flow]
    found = culprits.before(begin)
    if found is None or place.late_copy(flow) or not place.worked_before(starts[found[0]]):
        return None
    culprit = found[1]
    recovered = place.next_working(begin)
    if recovered is not None and starts[recovered] - starts[culprit] > LONGEST_PUNISHMENT:
        recovered = None
    technique = "residual.rst" if place.outcomes[flow].word in ("refused", "reset") else "residual.drop"
    slots = [s for s in view.slots if view.origin[view.at(s)] == 0][:8] if technique == "residual.drop" else view.server_resets[:8]
    after = (begin - starts[culprit]) / 1e9
    reason = f"nothing got through {after:.1f} s after flow {view.flows.label(culprit)} of the same client had been interfered with"
    if recovered is not None:
        reason += f"; flow {view.flows.label(recovered)} worked again {(starts[recovered] - starts[culprit]) / 1e9:.1f} s after it"
    proven = recovered is not None and judgements[culprit].verdict == "blocked"  # type: ignore[union-attr]
    return Evidence("residual", technique, slots or [view.slots.start], reason, proven)
