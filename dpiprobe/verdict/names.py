"""From the flows of one (server, name) to what is said of the name.

A name is `blocked` where a trial is, else `contested`, `down`, `ok`; `insufficient` only where nothing else is. The counts stand beside it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.trials import CONFIDENT, GROUP, NUMBER, ORDER, REASONS, SIGNED, TECHNIQUE, Trials

Ints = npt.NDArray[np.int64]

COUNTED = ("ok", "contested", "blocked", "down", "insufficient")
MANY_TRIALS = 3
"""Trials of one name that agree, from which a medium finding becomes a high one (with a working control)."""


@dataclass(slots=True)
class NameJudgement:
    """What is said of one name at one server. `lead`: the flow whose finding speaks for the name; `flows`: indices."""

    server: str
    server_name: str | None
    flows: Sequence[int]
    verdict: str
    lead: Judgement
    trials: dict[str, int]
    controls: dict[str, object]
    confidence: str
    reasons: list[str] = field(default_factory=list)


def judge_names(trials: Trials) -> list[NameJudgement]:
    """The verdict over all trials of each name, in order of the first flow."""
    count, words = len(trials), len(ORDER)
    flows, edges = _flows(trials)
    counts = np.bincount(trials.group * words + trials.verdict, minlength=count * words).reshape(count, words)[:, [ORDER.index(word) for word in COUNTED]]
    known = np.array([*trials.names, None], np.object_)[trials.controls].tolist()
    columns = (
        trials.server.tolist(), trials.name.tolist(), edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), known,
        (trials.controls < len(trials.names)).sum(axis=1).tolist(), trials.ok.tolist(), trials.failed.tolist(), trials.judgements(_leads(trials)),
    )  # fmt: skip
    found = []
    for server, name, begin, end, counted, names, named, ok, failed, lead in zip(*columns, strict=True):
        of_verdict = dict(zip(COUNTED, counted, strict=True))
        controls: dict[str, object] = {"names": names[:named], "ok": ok, "failed": failed}
        found.append(_judge(trials.servers[server], trials.names[name], flows[begin:end], of_verdict, controls, lead))
    return sorted(found, key=lambda name: name.flows[0])


def _flows(trials: Trials) -> tuple[array[int], Ints]:
    """The numbers of all flows, group after group and ascending in each, and where each group begins and ends. (A list takes five times the memory.)"""
    place = np.full(int(trials.number.max(initial=-1)) + 1, -1)
    place[trials.number] = np.arange(len(trials.number))
    order = place[place >= 0]
    few = trials.group[order].astype(np.uint16 if len(trials) <= 1 << 16 else np.int64)  # numpy sorts short numbers by their digits
    order = order[np.argsort(few, kind="stable")]
    return array("q", trials.number[order].astype(np.int64).tobytes()), np.searchsorted(trials.group[order], np.arange(len(trials) + 1))


def _leads(trials: Trials) -> Ints:
    """Of each group the row of the judgement that speaks for it: the surest; that names a technique; that most trials agree with; the most telling."""
    width = len(trials.techniques)
    gravest = trials.verdict == trials.gravest()[trials.group]
    alike = np.bincount(trials.group[gravest] * width + trials.technique[gravest], minlength=len(trials) * width)
    rows = trials.leads
    agree = alike[rows[:, GROUP] * width + rows[:, TECHNIQUE]]
    order = np.lexsort((-rows[:, NUMBER], rows[:, REASONS], rows[:, SIGNED], agree, rows[:, TECHNIQUE] > 0, rows[:, CONFIDENT], rows[:, GROUP]))
    best = np.searchsorted(rows[order, GROUP], np.arange(len(trials)), "right") - 1
    return np.asarray(order[best], np.int64)


def _judge(server: str, name: str | None, flows: Sequence[int], trials: dict[str, int], controls: dict[str, object], lead: Judgement) -> NameJudgement:
    verdict = lead.verdict
    confidence = lead.confidence
    if verdict in ("blocked", "contested") and trials["blocked"] + trials["contested"] >= MANY_TRIALS and controls["ok"]:
        confidence = "high"
    reasons = list(lead.reasons)
    if len(flows) > 1:
        counts = ", ".join(f"{n} {word}" for word, n in trials.items() if n)
        reasons.append(f"{len(flows)} trials: {counts}")
    return NameJudgement(server, name, flows, verdict, lead, trials, controls, confidence, reasons)
