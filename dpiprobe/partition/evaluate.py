"""One part of a large capture -> what it has to say: lines of its flows, trials of its names, counts.

Rules of this file: it explains nothing itself; `explain_flows` is the line for parts as for whole captures. What it gives can be sent to
another process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from dpiprobe.explain import explain_flows
from dpiprobe.partition.reading import Parts
from dpiprobe.plan.plan import Plan
from dpiprobe.report.jsonl import line
from dpiprobe.signature.database import Database
from dpiprobe.signature.ledger import Entries, Ledger, beyond_one_client
from dpiprobe.verdict.expected import Expected
from dpiprobe.verdict.names import Trials
from dpiprobe.verdict.records import flow_record, gather_names

Record = dict[str, Any]
Key = tuple[str, str | None, str]


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

    lines: (flow's number from 0, line) in order · trials: of each (server, name) · verdicts, techniques, signatures: flows by word
    telling: of each (server, name, verdict other than ok) the record of the first flow · asked: names that flows asked for, in small letters
    ledger: what this part knows for others, and asked them
    """

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    trials: dict[tuple[str, str | None], Trials] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    techniques: Counter[str] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)
    telling: dict[Key, Record] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)

    def add(self, other: Said) -> None:
        """Take in what another part said, but for its lines."""
        for name, trials in other.trials.items():
            if name in self.trials:
                self.trials[name].add(trials)
            else:
                self.trials[name] = trials
        self.verdicts.update(other.verdicts)
        self.techniques.update(other.techniques)
        self.signatures.update(other.signatures)
        self.asked |= other.asked
        for key, record in other.telling.items():
            if key not in self.telling or record["flow"] < self.telling[key]["flow"]:
                self.telling[key] = record


def evaluate(parts: Parts, bucket: int, settings: Settings, others: Entries | None = None) -> Said:
    """Explain the flows of one bucket. `others`: what the other buckets have to say to what this one asked before."""
    said = Said(ledger=Ledger(beyond_one_client(settings.database.signatures), others))
    flows = parts.take(bucket)
    if not len(flows):
        return said
    explanation = explain_flows(
        flows, replace(parts.capture, comments=[]), database=settings.database, plan=settings.plan, controls=settings.controls,
        designated=settings.designated, ledger=said.ledger, expected=settings.expected,
    )  # fmt: skip
    name = parts.capture.name
    told: set[tuple[int, int, str | None, str]] = set()
    for judgement in explanation.judgements:
        f, verdict = judgement.flow, judgement.verdict
        said.verdicts[verdict] += 1
        if judgement.technique:
            said.techniques[judgement.technique] += 1
        if judgement.signature:
            said.signatures[judgement.signature] += 1
        trigger = flows.triggers[f]
        asked = trigger.server_name if trigger else None
        if asked and settings.controls:
            said.asked.add(asked.lower())
        if verdict == "ok" and (settings.interesting or not settings.lines):
            continue
        place = (int(flows.server[f]), int(flows.server_port[f]), asked, verdict)
        first = verdict != "ok" and place not in told and not settings.lines
        if not first and not settings.lines:
            continue
        record = flow_record(name, flows, judgement, explanation.matches.get(f, []))
        if settings.lines:
            said.lines.append((flows.label(f) - 1, line(record).encode() + b"\n"))
        else:
            told.add(place)
            said.telling[record["server"], asked, verdict] = record
    for trials in gather_names(flows, explanation.judgements, explanation.controls, explanation.planned):
        trials.leads = [(flow, replace(lead, evidence=[], observations=[])) for flow, lead in trials.leads]
        said.trials[trials.server, trials.server_name] = trials
    explanation.observed.forget()
    return said
