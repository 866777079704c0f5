"""What proven interference with a flow is called: technique, position and confidence of those findings that are sufficient, and whether the client
got what it asked for all the same.

Rules of this file: that somebody is to blame is decided before (`judge`); forged resets have a position only where this flow shows one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

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


Shape = tuple[tuple[str, str, str], ...]
"""Of each of some findings its kind, technique and weight."""
KEPT = 1 << 12
"""Rulings that are kept: few findings come together; policy."""


class Ruling(NamedTuple):
    """What some findings come to. page: what the client got was a forged one"""

    techniques: tuple[str, ...]
    verdict: str
    confidence: str
    could_be: tuple[str, ...]
    page: bool


@lru_cache(KEPT)
def ruling(shape: Shape, refusals: Shape, placed: str, word: str, believed: bool) -> Ruling:
    """shape: of what is proven · refusals: how a hello that was provably swallowed was refused · placed: forged resets of this flow, with their
    position · word: how the flow ended · believed: what the client got was forged"""
    techniques = []
    for kind, technique, _ in shape:
        forged_reset = technique.startswith("rst") and technique != "rst.rewrite" and kind not in FROM_BOTH_ENDS
        techniques.append(placed if forged_reset else technique)
    ordered = in_order((*techniques, *(technique for _, technique, _ in refusals)))
    kinds, weights = {kind for kind, _, _ in shape + refusals}, {weight for _, _, weight in shape + refusals}
    worked = word == "worked" and not believed and not ordered[0].startswith("mitm")
    strong = "high" in weights or len(kinds) > 1
    could_be = ("consented-inspection", "captive-portal") if "unexpected-certificate" in kinds else ()
    confidence = "high" if strong else "low" if weights == {"low"} else "medium"
    return Ruling(ordered, "contested" if worked else "blocked", confidence, could_be, believed and word == "worked")


@lru_cache(KEPT)
def _forges(shape: Shape) -> bool:
    """Any of them may be a forged answer that the client believed."""
    return any(technique.startswith(("data", "fin")) for _, technique, _ in shape)


@lru_cache(KEPT)
def _swallows(shape: Shape) -> bool:
    """Any of them says that the hello was swallowed."""
    return any(technique == "drop.hello" for _, technique, _ in shape)


class Blame:
    """Names what was done to flows of a batch. `outcomes` is the judge's own list, which it may still change."""

    def __init__(self, observed: Observed, outcomes: Sequence[Outcome], views: Views) -> None:
        self._observed, self._outcomes, self._views = observed, outcomes, views
        self._flows, self._columns = observed.flows, columns_of(observed)
        self._answer: list[int] = observed.flows.answer.tolist()

    def blame(self, judgement: Judgement, proof: list[Evidence], word: str) -> None:
        """Fill in the verdict of a flow with proof of interference. word: its outcome"""
        f = judgement.flow
        shape = tuple([(e.kind, e.technique, e.weight) for e in proof])
        refusals: Shape = ()
        if _swallows(shape):
            refused = [e for e in judgement.evidence if e.kind == "icmp-unreachable"]
            if refused:
                proof = [*proof, *refused]
                refusals = tuple([(e.kind, e.technique, e.weight) for e in refused])
        believed = _forges(shape) and self._believed_forgery(f, proof)
        techniques, verdict, confidence, could_be, page = ruling(shape, refusals, self._placed[f], word, believed)
        technique = techniques[0]
        judgement.techniques, judgement.technique = [*techniques], technique
        judgement.reasons = reasons = [e.reason for e in proof]
        if page:
            judgement.outcome = "page"
        if could_be:
            judgement.could_be += could_be
        if word == "unseen":
            judgement.verdict, judgement.because = "insufficient", self._outcomes[f].because or "truncated"
            return
        judgement.verdict, judgement.confidence = verdict, confidence
        if technique == "rst.on-path":
            heard = self._heard[f]
            reasons.append(
                f"the server acknowledged the end of the hello in packet {heard}: it was not held back" if heard >= 0 else "the hello went on beside the reset"
            )
        elif technique == "rst.in-path":
            reasons.append("the server never acknowledged the hello: it was swallowed")

    @cached_property
    def _heard(self) -> list[int]:
        """Of each flow the number of the packet that acknowledged the end of its hello, -1 where none did."""
        flows = self._flows
        heard: list[int] = np.where(flows.ack_end >= 0, flows.packets.number[flows.row[np.maximum(flows.ack_end, 0)]], -1).tolist()
        return heard

    def _believed_forgery(self, f: int, proof: Sequence[Evidence]) -> bool:
        """Forged payload (or close) that came before any genuine answer and so was what the client got."""
        for evidence in proof:
            if not evidence.technique.startswith(("data", "fin")) or not evidence.slots:
                continue
            first = min(evidence.slots) if evidence.kind != "conflicting-data" else evidence.slots[0]
            if self._answer[f] < 0 or first <= self._answer[f]:
                return True
        return False

    @cached_property
    def _placed(self) -> list[str]:
        """Of each flow: forged resets with their position, as far as the flow shows it."""
        flows = self._flows
        behind = (flows.hello >= 0) & (self._columns.last(self._columns.server_reset) > np.maximum(flows.hello, flows.syn))
        placed: list[str] = np.where(behind & ((flows.ack_end >= 0) | (flows.answer >= 0)), "rst.on-path", "rst").tolist()
        for f, word in self._unheard.items():
            placed[f] = word
        return placed

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
