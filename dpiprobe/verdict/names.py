"""From the flows of one (server, name) to what is said of the name.

A name is `blocked` where a trial is, else `contested`, `down`, `ok`; `insufficient` only where nothing else is. The counts stand beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dpiprobe.verdict.model import Judgement

ORDER = ("blocked", "contested", "down", "ok", "insufficient")
COUNTED = ("ok", "contested", "blocked", "down", "insufficient")
CONFIDENCE = ("low", "medium", "high")
NAMED = 8
"""Names of controls that a record lists."""
MANY_TRIALS = 3
"""Trials of one name that agree, from which a medium finding becomes a high one (with a working control)."""


@dataclass(slots=True)
class NameJudgement:
    """What is said of one name at one server. `lead`: the flow whose finding speaks for the name; `flows`: indices."""

    server: str
    server_name: str | None
    flows: list[int]
    verdict: str
    lead: Judgement
    trials: dict[str, int]
    controls: dict[str, object]
    confidence: str
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Trials:
    """The trials of one name at one server, or those of some clients: what the verdict over all of them is made from.

    flows: by their number in the capture, from 0 · counts: by verdict · alike: flows of the part's verdict, by technique
    leads: the best judgement for each confidence and technique of the part's verdict, with its flow
    controls: names (the first NAMED of them, sorted), ok and failed
    """

    server: str
    server_name: str | None
    flows: list[int]
    counts: dict[str, int]
    verdict: str
    alike: Counter[str | None]
    leads: list[tuple[int, Judgement]]
    controls: dict[str, Any]

    def add(self, other: Trials) -> None:
        """Take in trials of the same name by other clients."""
        self.flows += other.flows
        self.counts = {word: n + other.counts[word] for word, n in self.counts.items()}
        names = sorted({*self.controls.get("names", ()), *other.controls.get("names", ())})[:NAMED]
        self.controls = {"names": names} | {word: self.controls.get(word, 0) + other.controls.get(word, 0) for word in ("ok", "failed")}
        mine, theirs = ORDER.index(self.verdict), ORDER.index(other.verdict)
        if theirs < mine:
            self.verdict, self.alike, self.leads = other.verdict, other.alike, other.leads
        elif theirs == mine:
            self.alike.update(other.alike)
            self.leads = _best(self.leads + other.leads)


def trials_of(server: str, name: str | None, judgements: Sequence[tuple[int, Judgement]], controls: dict[str, Any]) -> Trials:
    """Gather the trials of one name. `judgements`: each with its flow's number in the capture."""
    counted = Counter(j.verdict for _, j in judgements)
    counts = {word: counted[word] for word in COUNTED}
    verdict = next(word for word in ORDER if counts[word])
    best = [(f, j) for f, j in judgements if j.verdict == verdict]
    return Trials(server, name, [f for f, _ in judgements], counts, verdict, Counter(j.technique for _, j in best), _best(best), controls)


def _best(judgements: Sequence[tuple[int, Judgement]]) -> list[tuple[int, Judgement]]:
    """For each confidence and technique the judgement that speaks for the name."""
    leads: dict[tuple[str, str | None], tuple[int, Judgement]] = {}
    for f, j in judgements:
        key = (j.confidence, j.technique)
        if key not in leads or _telling(f, j) > _telling(*leads[key]):
            leads[key] = (f, j)
    return list(leads.values())


def _telling(flow: int, judgement: Judgement) -> tuple[bool, int, int]:
    """Of judgements with equal confidence and technique, which one speaks for the name."""
    return judgement.signature is not None, len(judgement.reasons), -flow


def judge_name(parts: Sequence[Trials]) -> NameJudgement:
    """The verdict over all trials of one name."""
    trials = {word: sum(p.counts[word] for p in parts) for word in COUNTED}
    verdict = next(word for word in ORDER if trials[word])
    alike: Counter[str | None] = Counter()
    for part in parts:
        if part.verdict == verdict:
            alike.update(part.alike)
    _, lead = max(
        (lead for part in parts if part.verdict == verdict for lead in part.leads),
        key=lambda lead: (
            CONFIDENCE.index(lead[1].confidence), lead[1].technique is not None, alike[lead[1].technique], *_telling(*lead),
        ),
    )  # fmt: skip
    flows = sorted(f for part in parts for f in part.flows)
    names = sorted({name for part in parts for name in part.controls.get("names", ())})[:NAMED]
    controls: dict[str, object] = {"names": names, "ok": sum(p.controls.get("ok", 0) for p in parts), "failed": sum(p.controls.get("failed", 0) for p in parts)}
    confidence = lead.confidence
    interfered = trials["blocked"] + trials["contested"]
    if verdict in ("blocked", "contested") and interfered >= MANY_TRIALS and controls.get("ok"):
        confidence = "high"
    reasons = list(lead.reasons)
    if len(flows) > 1:
        counts = ", ".join(f"{n} {word}" for word, n in trials.items() if n)
        reasons.append(f"{len(flows)} trials: {counts}")
    return NameJudgement(parts[0].server, parts[0].server_name, flows, verdict, lead, trials, controls, confidence, reasons)
