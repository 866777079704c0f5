"""From trials to what is said of a name."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.names import COUNTED, MANY_TRIALS, NameJudgement, judge_names
from dpiprobe.verdict.trials import CONFIDENCE, NAMED, ORDER, Trials, joined


@dataclass
class Trial:
    """One flow. controls: names of its controls that worked"""

    server: str
    name: str | None
    number: int
    judgement: Judgement
    controls: tuple[str, ...] = ("fine.example",)


def trials_of(trials: Sequence[Trial]) -> Trials:
    """As columns, one group a flow; `joined` with nothing makes groups of them."""
    one, none = np.arange(len(trials)), np.zeros(0, np.int64)
    judged = [trial.judgement for trial in trials]
    names = [None, *sorted({n for t in trials for n in (t.name, *t.controls) if n is not None})]
    techniques = [None, *sorted({j.technique for j in judged if j.technique is not None})]
    verdict = np.array([ORDER.index(j.verdict) for j in judged], np.int64)
    technique = np.array([techniques.index(j.technique) for j in judged], np.int64)
    number = np.array([t.number for t in trials], np.int64)
    controls = np.full((len(trials), NAMED), len(names))
    for i, trial in enumerate(trials):
        proper = sorted({names.index(n) for n in trial.controls if n != trial.name})[:NAMED]
        controls[i, : len(proper)] = proper
    rows = [
        (i, verdict[i], CONFIDENCE.index(j.confidence), technique[i], j.signature is not None, len(j.reasons), number[i], 0, 0) for i, j in enumerate(judged)
    ]
    leads = np.array(rows, np.int64).reshape(-1, 9)
    name = np.array([names.index(t.name) for t in trials], np.int64)
    ok = np.array([len(t.controls) for t in trials], np.int64)
    rest = Trials([], [None], [None], none, none, none, none, np.zeros((0, NAMED), np.int64), none, none, none, none, np.zeros((0, 9), np.int64), [])
    servers = [t.server for t in trials]
    return joined([Trials(servers, names, techniques, one, name, ok, 0 * one, controls, one, number, verdict, technique, leads, [*judged]), rest])


def judged(*verdicts: str, confidence: str = "medium", controls: tuple[str, ...] = ("fine.example",)) -> NameJudgement:
    trials = [
        Judgement(i, verdict=v, confidence=confidence, technique="rst" if v in ("blocked", "contested") else None)
        for i, v in enumerate(verdicts)
    ]
    (name,) = judge_names(trials_of([Trial("198.51.100.20:443", "odd.example", i, j, controls) for i, j in enumerate(trials)]))
    return name


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("ok", "ok", "blocked"), "blocked"), (("ok", "contested", "down"), "contested"), (("ok", "down", "insufficient"), "down"),
        (("ok", "insufficient"), "ok"), (("insufficient",), "insufficient"),
    ],
)  # fmt: skip
def test_the_gravest_trial_speaks_for_the_name(verdicts: tuple[str, ...], expected: str) -> None:
    assert judged(*verdicts).verdict == expected


def test_the_counts_stand_beside_it() -> None:
    assert judged("ok", "blocked", "blocked").trials == {"ok": 1, "contested": 0, "blocked": 2, "down": 0, "insufficient": 0}


def test_three_trials_with_a_working_control_are_high_confidence() -> None:
    assert judged("blocked", "contested", "blocked").confidence == "high"
    assert judged("blocked", "blocked", "ok").confidence == "medium"
    assert judged("blocked", "blocked", "blocked", controls=()).confidence == "medium"


def test_what_most_trials_show_speaks_before_what_one_does() -> None:
    trials = [Judgement(i, verdict="blocked", confidence="high", technique=t) for i, t in enumerate(("rst", "data.blockpage", "data.blockpage"))]
    (name,) = judge_names(trials_of([Trial("198.51.100.20:443", "odd.example", i, j) for i, j in enumerate(trials)]))
    assert name.lead.technique == "data.blockpage"


def expected(trials: Sequence[Trial]) -> list[NameJudgement]:
    """The same, name by name."""
    groups: dict[tuple[str, str | None], list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        groups.setdefault((trial.server, trial.name), []).append(trial)
    out = []
    for (server, name), members in groups.items():
        counted = Counter(t.judgement.verdict for t in members)
        counts = {word: counted[word] for word in COUNTED}
        verdict = next(word for word in ORDER if counts[word])
        alike = Counter(t.judgement.technique for t in members if t.judgement.verdict == verdict)

        def telling(trial: Trial, alike: Counter[str | None] = alike) -> tuple[int, bool, int, bool, int, int]:
            j = trial.judgement
            return CONFIDENCE.index(j.confidence), j.technique is not None, alike[j.technique], j.signature is not None, len(j.reasons), -trial.number

        lead = max((t for t in members if t.judgement.verdict == verdict), key=telling).judgement
        names = sorted({n for t in members for n in t.controls if n != name})[:NAMED]
        ok = sum(len(t.controls) for t in members)
        sure = verdict in ("blocked", "contested") and counts["blocked"] + counts["contested"] >= MANY_TRIALS and ok
        reasons = [*lead.reasons]
        if len(members) > 1:
            reasons.append(f"{len(members)} trials: {', '.join(f'{n} {word}' for word, n in counts.items() if n)}")
        controls: dict[str, object] = {"names": names, "ok": ok, "failed": 0}
        flows = array("q", [t.number for t in members])
        out.append(NameJudgement(server, name, flows, verdict, lead, counts, controls, "high" if sure else lead.confidence, reasons))
    return out


NAMES = st.sampled_from((None, "", "a.example", "b.example", "ü"))
JUDGEMENTS = st.builds(
    Judgement, st.just(0), verdict=st.sampled_from(ORDER), technique=st.sampled_from((None, "rst", "fin")), confidence=st.sampled_from(CONFIDENCE),
    signature=st.sampled_from((None, "s")), reasons=st.lists(st.sampled_from(("x", "y")), max_size=2),
)  # fmt: skip
CONTROLS = st.lists(st.sampled_from([*"abcdefghijklmnop", "a.example"]), max_size=NAMED).map(tuple)
TRIALS = st.lists(st.tuples(st.sampled_from(("s:1", "s:2")), NAMES, JUDGEMENTS, CONTROLS), max_size=24)


@given(TRIALS, st.lists(st.integers(0, 3), min_size=24, max_size=24))
def test_names_are_judged_over_all_parts(rows: list[tuple[str, str | None, Judgement, tuple[str, ...]]], parts: list[int]) -> None:
    trials = [Trial(server, name, number, judgement, controls) for number, (server, name, judgement, controls) in enumerate(rows)]
    pieces = [trials_of([trial for trial, part in zip(trials, parts, strict=False) if part == p]) for p in range(4)]
    assert judge_names(joined(pieces)) == expected(trials)
    assert judge_names(joined([joined(pieces[:2]), joined(pieces[2:])])) == expected(trials)
