"""From the flows of one (server, name) to what is said of the name.

A name is `blocked` where a trial is, else `contested`, `down`, `ok`; `insufficient` only where nothing else is. The counts stand beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dpiprobe.verdict.model import Judgement

ORDER = ("blocked", "contested", "down", "ok", "insufficient")
COUNTED = ("ok", "contested", "blocked", "down", "insufficient")
CONFIDENCE = ("low", "medium", "high")
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


def judge_name(server: str, name: str | None, judgements: Sequence[Judgement], controls: dict[str, object]) -> NameJudgement:
    """The verdict over all trials of one name."""
    trials = {word: sum(1 for j in judgements if j.verdict == word) for word in COUNTED}
    verdict = next(word for word in ORDER if trials[word])
    best = [j for j in judgements if j.verdict == verdict]
    alike = Counter(j.technique for j in best)
    lead = max(
        best,
        key=lambda j: (
            CONFIDENCE.index(j.confidence), j.technique is not None, alike[j.technique], j.signature is not None, len(j.reasons), -j.flow,
        ),
    )  # fmt: skip
    confidence = lead.confidence
    interfered = trials["blocked"] + trials["contested"]
    if verdict in ("blocked", "contested") and interfered >= MANY_TRIALS and controls.get("ok"):
        confidence = "high"
    reasons = list(lead.reasons)
    if len(judgements) > 1:
        counts = ", ".join(f"{n} {word}" for word, n in trials.items() if n)
        reasons.append(f"{len(judgements)} trials: {counts}")
    return NameJudgement(server, name, [j.flow for j in judgements], verdict, lead, trials, controls, confidence, reasons)
