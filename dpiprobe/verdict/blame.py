"""What proven interference with a flow is called: technique, position and confidence of those findings that are sufficient, and whether the client
got what it asked for all the same.

Rules of this file: that somebody is to blame is decided before (`judge`); forged resets have a position only where this flow shows one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.segments import max_where
from dpiprobe.observe.build import Observed
from dpiprobe.signature.words import OUTCOMES
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Evidence, Judgement, Outcome
from dpiprobe.verdict.outcomes import in_columns
from dpiprobe.verdict.vanished import ttl_limited
from dpiprobe.verdict.view import Views
from dpiprobe.verdict.words_of import around, in_order

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FROM_BOTH_ENDS = frozenset({"not-sent-by-server", "not-sent-by-client", "lost-between-the-ends"})
"""Findings that know more of the box's place than the client's side shows."""
EXPIRED = 11
"""ICMP type: time exceeded (RFC 792)."""
LEAST_WATCH = 200_000_000
"""ns, besides three round trips, that the capture must go on behind a reset to tell that the server never acknowledged the hello; policy."""
LATE = 0.9
"""Share of the round trip from which on a reset behind the hello may come from anywhere up to the server; below 1 for jitter; unverified."""

PLACED = ("rst", "rst.on-path", "rst.in-path")
"""What forged resets are called, by how much their flow shows of their position."""
ANYWHERE, ON_PATH, IN_PATH = range(3)

Shape = tuple[tuple[str, str, str, bool], ...]
"""Of each finding of a flow its kind, technique and weight, and whether it is sufficient: of these findings what is said of it depends."""
KEPT = 1 << 12
"""Combinations of findings of which is kept what they come to: few come together; policy."""


class Findings:
    """Findings that come together in flows. proof: places of those that are sufficient, and of how a hello that was provably swallowed was refused
    forges: any proof may be a forged answer that the client believed · rulings: what was ever said of flows with these, by `Blame._situation`"""

    __slots__ = ("_shape", "forges", "proof", "rulings")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.proof = [i for i, (*_, sufficient) in enumerate(shape) if sufficient]
        self.forges = any(shape[at][1].startswith(("data", "fin")) for at in self.proof)
        if any(shape[at][1] == "drop.hello" for at in self.proof):
            self.proof += [i for i, (what, *_) in enumerate(shape) if what == "icmp-unreachable"]
        self.rulings: dict[Situation, Judgement] = {}

    def ruling(self, word: str, unseen: str | None, placed: str, kind: int, by_name: bool, believed: bool) -> Judgement:
        """The words of the verdict. word: how the flow ended · unseen: why that is not to be seen · placed: forged resets of this flow, with their position
        kind: of the trigger · by_name: the name was shown to matter · believed: what the client got was forged"""
        proof = [self._shape[at] for at in self.proof]
        techniques = in_order(tuple([placed if _forged_reset(what, technique) else technique for what, technique, *_ in proof]))
        kinds, weights = {what for what, *_ in proof}, {weight for _, _, weight, _ in proof}
        said = Judgement(0, "page" if believed and word == "worked" else word, technique=techniques[0], techniques=[*techniques])
        said.could_be = ["consented-inspection", "captive-portal"] if "unexpected-certificate" in kinds else []
        said.mechanism, said.trigger, said.direction, said.position = around(techniques[0], kind, by_name)
        if unseen is not None:
            said.because = unseen
            return said
        worked = word == "worked" and not believed and not techniques[0].startswith("mitm")
        said.verdict = "contested" if worked else "blocked"
        said.confidence = "high" if "high" in weights or len(kinds) > 1 else "low" if weights == {"low"} else "medium"
        return said


def _forged_reset(what: str, technique: str) -> bool:
    """A reset whose position this flow shows, as far as it is shown at all."""
    return technique.startswith("rst") and technique != "rst.rewrite" and what not in FROM_BOTH_ENDS


@lru_cache(KEPT)
def findings(shape: Shape) -> Findings:
    """What is known of findings that come together."""
    return Findings(shape)


Situation = tuple[int, bool, str | None]
"""What else the words of a verdict depend on: a number for a flow's outcome, trigger, forged resets and name; `believed`; `unseen`."""


class Blame:
    """Names what was done to flows of a batch. outcomes: the judge's own, which it may still change · by_name: per flow, the name was shown to matter"""

    def __init__(self, observed: Observed, outcomes: Sequence[Outcome], views: Views, by_name: Bools) -> None:
        self._observed, self._outcomes, self._views, self._by_name = observed, outcomes, views, by_name
        self._flows, self._columns = observed.flows, columns_of(observed)
        self._answer: list[int] = observed.flows.answer.tolist()

    def blame(self, f: int, word: str, found: list[Evidence]) -> Judgement | None:
        """The verdict of a flow with proof of interference, but for its signature and observations; None where there is no proof. Its lists but for the
        reasons are shared with other flows, and nobody changes them. word: its outcome"""
        if len(found) == 1:  # most often
            e = found[0]
            together = findings(((e.kind, e.technique, e.weight, e.sufficient),))
        else:
            together = findings(tuple([(e.kind, e.technique, e.weight, e.sufficient) for e in found]))
        if not together.proof:
            return None
        believed = together.forges and self._believed_forgery(f, found)
        unseen = self._outcomes[f].because or "truncated" if word == "unseen" else None
        situation = self._situation[f], believed, unseen
        said = together.rulings.get(situation)
        if said is None:
            placed, kind, by_name = PLACED[self._placed[f]], int(self._flows.trigger_kind[f]), bool(self._by_name[f])
            said = together.rulings[situation] = together.ruling(word, unseen, placed, kind, by_name, believed)
        reasons = [found[at].reason for at in together.proof]
        technique = said.technique
        if unseen is not None:
            pass
        elif technique == "rst.on-path":
            heard = self._heard[f]
            reasons.append(
                f"the server acknowledged the end of the hello in packet {heard}: it was not held back" if heard >= 0 else "the hello went on beside the reset"
            )
        elif technique == "rst.in-path":
            reasons.append("the server never acknowledged the hello: it was swallowed")
        return Judgement(
            f, said.outcome, said.verdict, said.because, said.could_be, said.mechanism, technique, said.techniques, said.trigger, said.direction,
            said.position, said.confidence, None, found, (), reasons,
        )  # fmt: skip

    @cached_property
    def _situation(self) -> list[int]:
        """Of each flow a number for all that the words of its verdict depend on besides its findings."""
        kind = self._flows.trigger_kind * len(PLACED) + self._placed
        situation: list[int] = ((kind * len(OUTCOMES) + in_columns(self._outcomes).code) * 2 + self._by_name).tolist()
        return situation

    @cached_property
    def _heard(self) -> list[int]:
        """Of each flow the number of the packet that acknowledged the end of its hello, -1 where none did."""
        flows = self._flows
        heard: list[int] = np.where(flows.ack_end >= 0, flows.packets.number[flows.row[np.maximum(flows.ack_end, 0)]], -1).tolist()
        return heard

    def _believed_forgery(self, f: int, found: Sequence[Evidence]) -> bool:
        """Forged payload (or close) that came before any genuine answer and so was what the client got."""
        for evidence in found:
            if not evidence.sufficient or not evidence.technique.startswith(("data", "fin")) or not evidence.slots:
                continue
            first = min(evidence.slots) if evidence.kind != "conflicting-data" else evidence.slots[0]
            if self._answer[f] < 0 or first <= self._answer[f]:
                return True
        return False

    @cached_property
    def _placed(self) -> Ints:
        """Of each flow which of `PLACED` forged resets are in it, as far as the flow shows their position."""
        flows = self._flows
        behind = (flows.hello >= 0) & (self._columns.last(self._columns.server_reset) > np.maximum(flows.hello, flows.syn))
        placed = np.where(behind & ((flows.ack_end >= 0) | (flows.answer >= 0)), ON_PATH, ANYWHERE)
        of, unheard = self._unheard()
        placed[of] = unheard
        return placed

    def _unheard(self) -> tuple[Ints, Ints]:
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
        placed = np.where(open_ended | late, ANYWHERE, IN_PATH)
        for i in np.flatnonzero(columns.has_errors[of]).tolist():
            view = self._views(int(of[i]))
            if any(e > view.hello and view.packet(e, "icmp_type") == EXPIRED for e in view.errors):
                placed[i] = ON_PATH
        return of, placed
