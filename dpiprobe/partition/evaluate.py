"""One part of a large capture -> what it has to say: lines of its flows, trials of its names, counts.

Rules of this file: it explains nothing itself; `explain_flows` is the line for parts as for whole captures. What it gives can be sent to
another process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.explain import Explanation, explain_flows
from dpiprobe.partition.reading import Parts
from dpiprobe.plan.plan import Plan
from dpiprobe.report.flow_lines import FlowLines, Written
from dpiprobe.signature.database import Database
from dpiprobe.signature.ledger import Entries, Ledger, beyond_one_client
from dpiprobe.verdict.expected import Expected
from dpiprobe.verdict.grouping import groups_of
from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.records import gather_names
from dpiprobe.verdict.trials import ORDER, Trials, joined

Ints = npt.NDArray[np.int64]
Record = dict[str, Any]
Key = tuple[str, str | None, str]
TOGETHER = 16
"""Parts whose trials are joined at once; policy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides what is said. `plan`: read from the capture's comments once · `designated`: whether a plan or the caller fixes controls
    lines: flow records are wanted as lines; else only what a summary shows · interesting: none of flows that are ok · expected: certificates"""

    database: Database
    plan: Plan | None = None
    controls: tuple[str, ...] = ()
    designated: bool = False
    lines: bool = True
    interesting: bool = False
    expected: tuple[Expected, ...] = ()


@dataclass(slots=True)
class Said:
    """What a part, or several, had to say.

    lines: with the flows' numbers from 0 · verdicts, techniques, signatures: flows by word
    trials: of names
    telling: of each (server, name, verdict other than ok) the first flow, from 1, and its line · asked: names that flows asked for, in small letters
    ledger: what this part knows for others, and asked them
    """

    lines: list[Written] = field(default_factory=list)
    trials: list[Trials] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    techniques: Counter[str] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)
    telling: dict[Key, tuple[int, bytes]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)

    def add(self, other: Said) -> None:
        """Take in what another part said, but for its lines."""
        self.trials += other.trials
        if len(self.trials) >= TOGETHER:
            self.join()
        self.verdicts.update(other.verdicts)
        self.techniques.update(other.techniques)
        self.signatures.update(other.signatures)
        self.asked |= other.asked
        for key, told in other.telling.items():
            if key not in self.telling or told < self.telling[key]:
                self.telling[key] = told

    def join(self) -> None:
        """Make one of what was taken in."""
        if len(self.trials) > 1:
            self.trials = [joined(self.trials)]


def evaluate(parts: Parts, bucket: int, settings: Settings, others: Entries | None = None, told: Mapping[Key, tuple[int, bytes]] | None = None) -> Said:
    """Explain the flows of one bucket. `others`: what the other buckets have to say to what this one asked before · `told`: what was told of other
    buckets for certain"""
    said = Said(ledger=Ledger(beyond_one_client(settings.database.signatures), others))
    flows = parts.take(bucket)
    if not len(flows):
        return said
    explanation = explain_flows(
        flows, replace(parts.capture, comments=[]), database=settings.database, plan=settings.plan, controls=settings.controls,
        designated=settings.designated, ledger=said.ledger, expected=settings.expected,
    )  # fmt: skip
    _count(said, explanation, settings)
    trials = gather_names(flows, explanation.judgements, explanation.controls, explanation.planned)
    if settings.lines:
        _write(said, explanation, settings.interesting)
    else:
        _tell(said, explanation, trials, told or {})
    for judgement in trials.judged:
        if judgement is not None:  # nobody asks for more of those that may speak for a name
            judgement.evidence, judgement.observations = [], ()
    said.trials = [trials]
    explanation.observed.forget()
    return said


def _count(said: Said, explanation: Explanation, settings: Settings) -> None:
    """Flows by what is said of them."""
    judgements, triggers = explanation.judgements, explanation.flows.triggers
    said.verdicts.update(judgement.verdict for judgement in judgements.others)
    said.techniques.update(judgement.technique for judgement in judgements.others if judgement.technique)
    said.signatures.update(judgement.signature for judgement in judgements.others if judgement.signature)
    if len(judgements.fine.flow):
        said.verdicts["ok"] += len(judgements.fine.flow)
    if settings.controls:
        said.asked |= {trigger.server_name.lower() for trigger in triggers if trigger is not None and trigger.server_name}


def _write(said: Said, explanation: Explanation, interesting: bool) -> None:
    """The lines of all flows, or of the interesting ones."""
    flows, judgements = explanation.flows, explanation.judgements
    write = FlowLines(explanation.capture.name, flows)
    others = [judgement for judgement in judgements.others if judgement.verdict != "ok"] if interesting else judgements.others
    parts = [write.others(others, explanation.matches)]
    if not interesting:
        parts.append(write.fine(judgements.fine))
    for part in parts:
        said.lines.append(part._replace(flow=part.flow if flows.numbers is None else flows.numbers[part.flow]))


def _tell(said: Said, explanation: Explanation, trials: Trials, told: Mapping[Key, tuple[int, bytes]]) -> None:
    """Of each (server, name, verdict other than ok) the line of the first flow, unless an earlier one was told. trials: of these flows"""
    flows, grouping, others = explanation.flows, explanation.controls.grouping, explanation.judgements.others
    chosen = np.fromiter(map(attrgetter("flow"), others), np.int64, len(others))
    bad = np.flatnonzero(trials.verdict[chosen] != ORDER.index("ok"))
    chosen = chosen[bad]
    facts = trials.server[trials.group[chosen]], grouping.name[chosen], trials.verdict[chosen]
    first = groups_of(*facts).first
    new: dict[Key, tuple[int, Judgement]] = {}
    columns = (bad[first], trials.number[chosen[first]] + 1, *(fact[first] for fact in facts))
    for i, number, server, name, verdict in zip(*(column.tolist() for column in columns), strict=True):
        key = trials.servers[server], grouping.texts[name], ORDER[verdict]
        before = told.get(key)
        if before is None or number < before[0]:
            new[key] = number, others[i]
    lines = FlowLines(explanation.capture.name, flows).others([judgement for _, judgement in new.values()], explanation.matches).lines()
    said.telling = {key: (number, line) for (key, (number, _)), line in zip(new.items(), lines, strict=True)}
