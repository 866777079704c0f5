"""What proven interference with a flow is called: technique, position and confidence of those findings that are sufficient, and whether the client
got what it asked for all the same.

Rules of this file: that somebody is to blame is decided before (`judge`); forged resets have a position only where this flow shows one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from dpiprobe.flow.segments import max_where
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Evidence, Judgement, Outcome
from dpiprobe.verdict.vanished import ttl_limited
from dpiprobe.verdict.view import Views
from dpiprobe.verdict.words_of import in_order

FROM_BOTH_ENDS = frozenset({"not-sent-by-server", "not-sent-by-client", "lost-between-the-ends"})
"""Findings that know more of the box's place than the client's side shows."""
EXPIRED = 11
"""ICMP type: time exceeded (RFC 792)."""
LEAST_WATCH = 200_000_000
"""ns, besides three round trips, that the capture must go on behind a reset to tell that the server never acknowledged the hello; policy."""
LATE = 0.9
"""Share of the round trip from which on a reset behind the hello may come from anywhere up to the server; below 1 for jitter; unverified."""


class Blame:
    """Names what was done to flows of a batch. `outcomes` is the judge's own list, which it may still change."""

    def __init__(self, observed: Observed, outcomes: Sequence[Outcome], views: Views) -> None:
        self._observed, self._outcomes, self._views = observed, outcomes, views
        self._flows, self._columns = observed.flows, columns_of(observed)
        flows = observed.flows
        self._hello: list[int] = flows.hello.tolist()
        self._syn: list[int] = flows.syn.tolist()
        self._answer: list[int] = flows.answer.tolist()
        self._ack_end: list[int] = flows.ack_end.tolist()
        self._last_reset: list[int] = self._columns.last(self._columns.server_reset).tolist()

    def blame(self, judgement: Judgement, proof: list[Evidence]) -> None:
        """Fill in the verdict of a flow with proof of interference."""
        f = judgement.flow
        outcome, swallowed = self._outcomes[f], False
        techniques: list[str] = []
        for evidence in proof:
            technique = evidence.technique
            swallowed |= technique == "drop.hello"
            if technique.startswith("rst") and technique != "rst.rewrite" and evidence.kind not in FROM_BOTH_ENDS:
                technique = self._placed(f)
            techniques.append(technique)
        if swallowed:  # how a hello was refused that was provably swallowed
            refusals = [e for e in judgement.evidence if e.kind == "icmp-unreachable"]
            techniques += [e.technique for e in refusals]
            proof = [*proof, *refusals]
        judgement.techniques = [*in_order(tuple(techniques))]
        judgement.technique = judgement.techniques[0]
        judgement.reasons = [e.reason for e in proof]
        believed = self._believed_forgery(f, proof)
        if believed and outcome.word == "worked":
            judgement.outcome = "page"
        worked = outcome.word == "worked" and not believed and not judgement.technique.startswith("mitm")
        kinds = {e.kind for e in proof}
        if "unexpected-certificate" in kinds:
            judgement.could_be += ["consented-inspection", "captive-portal"]
        if outcome.word == "unseen":
            judgement.verdict, judgement.because = "insufficient", outcome.because or "truncated"
            return
        judgement.verdict = "contested" if worked else "blocked"
        weights = {e.weight for e in proof}
        strong = "high" in weights or len(kinds) > 1
        judgement.confidence = "high" if strong else "low" if weights == {"low"} else "medium"
        position = self._position_reason(f, judgement.technique)
        if position:
            judgement.reasons.append(position)

    def _believed_forgery(self, f: int, proof: Sequence[Evidence]) -> bool:
        """Forged payload (or close) that came before any genuine answer and so was what the client got."""
        for evidence in proof:
            if not evidence.technique.startswith(("data", "fin")) or not evidence.slots:
                continue
            first = min(evidence.slots) if evidence.kind != "conflicting-data" else evidence.slots[0]
            if self._answer[f] < 0 or first <= self._answer[f]:
                return True
        return False

    def _placed(self, f: int) -> str:
        """Forged resets with their position, as far as this flow shows it."""
        hello = self._hello[f]
        if hello < 0 or self._last_reset[f] <= max(hello, self._syn[f]):
            return "rst"
        if self._ack_end[f] >= 0 or self._answer[f] >= 0:
            return "rst.on-path"
        return self._unheard[f]

    @cached_property
    def _unheard(self) -> dict[int, str]:
        """The same of all flows with a reset behind their hello where the server shows no sign of having heard that."""
        flows, columns, count = self._flows, self._columns, len(self._flows)
        behind = columns.server_reset & (np.arange(len(flows.row)) > np.maximum(flows.hello, flows.syn)[flows.flow])
        first = columns.first(behind)
        of = np.flatnonzero((flows.hello >= 0) & (first >= 0) & (flows.ack_end < 0) & (flows.answer < 0))
        rtt, sent = self._observed.server_rtt[of], columns.when(flows.hello)[of]
        watched = self._observed.facts.end_of_capture - columns.time[first[of]]
        lossy = np.isin(flows.client[of], [*columns.lossy_clients])  # that nothing was acknowledged may be the capture's loss as well
        open_ended = columns.lost[of] | lossy | (watched < np.maximum(3 * rtt, LEAST_WATCH)) | ttl_limited(self._observed, of, self._views)
        latest = max_where(columns.server_reset, columns.time, flows.flow, count, 0)[of]
        late = (rtt > 0) & (latest - sent >= LATE * rtt)
        words = dict(zip(of.tolist(), np.where(open_ended | late, "rst", "rst.in-path").tolist(), strict=True))
        for f in of[columns.has_errors[of]].tolist():
            view = self._views(f)
            if any(e > view.hello and view.packet(e, "icmp_type") == EXPIRED for e in view.errors):
                words[f] = "rst.on-path"
        return words

    def _position_reason(self, f: int, technique: str) -> str | None:
        if technique == "rst.on-path":
            if self._ack_end[f] >= 0:
                return f"the server acknowledged the end of the hello in packet {self._flows.number(self._ack_end[f])}: it was not held back"
            return "the hello went on beside the reset"
        if technique == "rst.in-path":
            return "the server never acknowledged the hello: it was swallowed"
        return None
