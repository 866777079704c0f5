"""From trials to what is said of a name."""

from __future__ import annotations

import pytest

from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.names import judge_name, trials_of


def judged(*verdicts: str, confidence: str = "medium", controls: int = 3) -> tuple[str, str, dict[str, int]]:
    trials = [
        Judgement(i, verdict=v, confidence=confidence, technique="rst" if v in ("blocked", "contested") else None)
        for i, v in enumerate(verdicts)
    ]
    name = judge_name([trials_of("198.51.100.20:443", "odd.example", list(enumerate(trials)), {"names": ["fine.example"], "ok": controls, "failed": 0})])
    return name.verdict, name.confidence, name.trials


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("ok", "ok", "blocked"), "blocked"), (("ok", "contested", "down"), "contested"), (("ok", "down", "insufficient"), "down"),
        (("ok", "insufficient"), "ok"), (("insufficient",), "insufficient"),
    ],
)  # fmt: skip
def test_the_gravest_trial_speaks_for_the_name(verdicts: tuple[str, ...], expected: str) -> None:
    assert judged(*verdicts)[0] == expected


def test_the_counts_stand_beside_it() -> None:
    assert judged("ok", "blocked", "blocked")[2] == {"ok": 1, "contested": 0, "blocked": 2, "down": 0, "insufficient": 0}


def test_three_trials_with_a_working_control_are_high_confidence() -> None:
    assert judged("blocked", "contested", "blocked")[1] == "high"
    assert judged("blocked", "blocked", "ok")[1] == "medium"
    assert judged("blocked", "blocked", "blocked", controls=0)[1] == "medium"


def test_what_most_trials_show_speaks_before_what_one_does() -> None:
    trials = [Judgement(i, verdict="blocked", confidence="high", technique=t) for i, t in enumerate(("rst", "data.blockpage", "data.blockpage"))]
    assert judge_name([trials_of("198.51.100.20:443", "odd.example", list(enumerate(trials)), {})]).lead.technique == "data.blockpage"
