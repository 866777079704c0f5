"""From the flows of one (server, name) to what is said of the name.

A name is `blocked` where a trial is, else `contested`, `down`, `ok`; `insufficient` only where nothing else is. The counts stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.trials import CONFIDENT, GROUP, NUMBER, ORDER, REASONS, SIGNED, TECHNIQUE, Trials

COUNTED = ("ok", "contested", "blocked", "down", "insufficient")
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


def judge_names(trials: Trials) -> list[NameJudgement]:
    """The verdict over all trials of each name, in order of the first flow."""
    count = len(trials)
    counts = np.bincount(trials.group * len(ORDER) + trials.verdict, minlength=count * len(ORDER)).reshape(count, len(ORDER))
    order = np.lexsort((trials.number, trials.group))
    edges = np.searchsorted(trials.group[order], np.arange(count + 1))
    numbers, places = trials.number[order], edges.tolist()
    leads = _leads(trials)
    found = []
    for group in np.argsort(numbers[edges[:-1]]).tolist() if count else ():
        of_verdict = dict(zip(ORDER, counts[group].tolist(), strict=True))
        flows = numbers[places[group] : places[group + 1]].tolist()
        names = [trials.names[n] for n in trials.controls[group].tolist() if n < len(trials.names)]
        controls: dict[str, Any] = {"names": names, "ok": int(trials.ok[group]), "failed": int(trials.failed[group])}
        server, name = trials.servers[int(trials.server[group])], trials.names[int(trials.name[group])]
        found.append(_judge(server, name, flows, {word: of_verdict[word] for word in COUNTED}, controls, trials.lead(leads[group])))
    return found


def _leads(trials: Trials) -> list[int]:
    """Of each group the row of the judgement that speaks for it: the surest; that names a technique; that most trials agree with; the most telling."""
    width = len(trials.techniques)
    gravest = trials.verdict == trials.gravest()[trials.group]
    alike = np.bincount(trials.group[gravest] * width + trials.technique[gravest], minlength=len(trials) * width)
    rows = trials.leads
    agree = alike[rows[:, GROUP] * width + rows[:, TECHNIQUE]]
    order = np.lexsort((-rows[:, NUMBER], rows[:, REASONS], rows[:, SIGNED], agree, rows[:, TECHNIQUE] > 0, rows[:, CONFIDENT], rows[:, GROUP]))
    best = np.searchsorted(rows[order, GROUP], np.arange(len(trials)), "right") - 1
    found: list[int] = order[best].tolist()
    return found


def _judge(server: str, name: str | None, flows: list[int], trials: dict[str, int], controls: dict[str, Any], lead: Judgement) -> NameJudgement:
    verdict = next(word for word in ORDER if trials[word])
    confidence = lead.confidence
    if verdict in ("blocked", "contested") and trials["blocked"] + trials["contested"] >= MANY_TRIALS and controls["ok"]:
        confidence = "high"
    reasons = list(lead.reasons)
    if len(flows) > 1:
        counts = ", ".join(f"{n} {word}" for word, n in trials.items() if n)
        reasons.append(f"{len(flows)} trials: {counts}")
    return NameJudgement(server, name, flows, verdict, lead, trials, controls, confidence, reasons)
