"""Lines that are made for many flows at once are those that each flow's record has."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpiprobe.flow.flows import Flows, Trigger
from dpiprobe.report import flow_lines, line_loop
from dpiprobe.report.flow_lines import FlowLines
from dpiprobe.report.jsonl import line
from dpiprobe.signature.match import ClauseState, Match
from dpiprobe.verdict.fine import Fine
from dpiprobe.verdict.model import Judgement, Observation
from dpiprobe.verdict.records import flow_record
from dpiprobe.wire.compiled import compiled
from tests.verdict.innocents import STORIES
from tests.verdict.scene import Scene

text = st.text() | st.text("a%\"\\\n\u2028\udc80\ud800é", max_size=5)
maybe = st.none() | text
texts = st.lists(text, max_size=3)


def some_flows() -> Flows:
    scene = Scene()
    for i in range(4):
        scene.works(f"n{i}.example", i * 1000)
    scene.talk(None, 5000).syn()
    return scene.explain().flows


FLOWS = some_flows()
SLOTS = st.lists(st.integers(0, len(FLOWS.row) - 1), max_size=4)
TRIGGERS = st.none() | st.builds(Trigger, st.just(1), maybe, st.none() | texts, maybe, maybe)
OBSERVATIONS = st.builds(Observation, text, SLOTS, st.just({}) | st.builds(lambda n: {"server_packets": n}, st.lists(st.integers())))
STATES = st.builds(ClauseState, st.sampled_from(("held", "failed", "not_visible")), st.lists(st.integers(0, 1 << 40), max_size=3).map(tuple))
JUDGEMENTS = st.builds(
    Judgement, st.integers(0, len(FLOWS) - 1), text, text, maybe, texts, maybe, maybe, texts, text, text, text, text, maybe, st.just([]),
    st.lists(OBSERVATIONS, max_size=3), texts,
)  # fmt: skip


def matches(clauses: Sequence[dict[str, ClauseState]], name: str) -> list[Match]:
    definition: Any = SimpleNamespace()
    return [Match(name, 0, states, (), (), definition) for states in clauses]


@pytest.fixture(params=["plain", "loop", "compiled"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without loops, with plain ones, with compiled ones."""
    loops = {"plain": None, "loop": line_loop, "compiled": compiled(line_loop)}[request.param]
    if request.param == "compiled" and loops is None:
        pytest.skip("numba is not installed")
    monkeypatch.setattr(flow_lines, "at_hand", lambda module: loops)


FEW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # numba compiles at the first call


@FEW
@given(text, st.lists(JUDGEMENTS, max_size=5), st.lists(st.dictionaries(text, STATES, max_size=3), max_size=2), text, st.data())
def test_any_flow(capture: str, judgements: list[Judgement], clauses: list[dict[str, ClauseState]], name: str, data: st.DataObject) -> None:
    triggers = FLOWS.triggers
    FLOWS.triggers = [data.draw(TRIGGERS) for _ in triggers]
    FLOWS.numbers = data.draw(st.none() | st.just(np.arange(len(FLOWS)) * 1000))
    found = {judgement.flow: matches(clauses, name) for judgement in judgements[:2]}
    try:
        expected = [line(flow_record(capture, FLOWS, j, found.get(j.flow, []))) for j in judgements]
        assert [made.decode() for made in FlowLines(capture, FLOWS).others(judgements, found).lines()] == [one + "\n" for one in expected]
    finally:
        FLOWS.triggers, FLOWS.numbers = triggers, None


@FEW
@given(text, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1 << 40), st.integers(-1, len(FLOWS.row) - 1)), max_size=len(FLOWS)))
def test_flows_that_worked(capture: str, facts: list[tuple[int, int, int]]) -> None:
    fine = Fine(np.arange(len(facts)), *(np.array([fact[i] for fact in facts], np.int64) for i in range(3)))
    expected = [line(flow_record(capture, FLOWS, fine.judgement(f), [])) for f in range(len(facts))]
    made = FlowLines(capture, FLOWS).fine(fine)
    assert [text.decode() for _, text in sorted(zip(made.flow.tolist(), made.lines(), strict=True))] == [one + "\n" for one in expected]


def test_flows_of_many_kinds() -> None:
    for story in STORIES.values():
        scene = Scene()
        story(scene, 0)
        found = scene.explain()
        write = FlowLines("x", found.flows)
        pieces = write.fine(found.judgements.fine), write.others(found.judgements.others, found.matches)
        made = {flow: text for piece in pieces for flow, text in zip(piece.flow.tolist(), piece.lines(), strict=True)}
        expected = [line(flow_record("x", found.flows, j, found.matches.get(j.flow, []))).encode() + b"\n" for j in found.judgements]
        assert [made[f] for f in range(len(found.flows))] == expected


def test_lines_of_some_flows_are_those_among_all() -> None:
    """Of matches that are shown together only those asked for are made."""
    for story in STORIES.values():
        scene = Scene()
        for client in range(3):
            story(scene, client * 10**9)
        found = scene.explain()
        others = found.judgements.others
        made = FlowLines("x", found.flows).others(others, found.matches).lines()
        for some in (others[1::2], others[::-3], others[:0]):
            alone = FlowLines("x", found.flows).others(some, found.matches)
            place = {judgement.flow: i for i, judgement in enumerate(others)}
            assert alone.lines() == [made[place[judgement.flow]] for judgement in some]
