"""Findings are only looked for where they can be: that loses none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import Observed, observe, server_round_trips
from dpiprobe.verdict.candidates import Candidates
from dpiprobe.verdict.evidence import RULES, find
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import OPT_TIMESTAMPS
from tests.verdict.innocents import STORIES
from tests.verdict.scene import PAGE, Scene, Talk, alert

FORGERIES: dict[str, Callable[[Talk], object]] = {
    "resets": lambda t: t.handshake().hello().wait(9).forged("RA", copies=3, step=1460).wait(41).them("A").answer(),
    "a page": lambda t: t.handshake().hello().wait(9).forged("FPA", PAGE, window=502).wait(41).answer(),
    "an alert": lambda t: t.handshake().hello().wait(9).forged("PA", alert(112)).wait(41).answer(),
    "a reset before the hello": lambda t: t.handshake().forged("R").hello().acknowledge().answer(),
    "a refused SYN": lambda t: t.syn().wait(4).them("RA", ack=t.us.next),
    "an ICMP error": lambda t: t.handshake().hello().icmp(3, 13, t.hello_packets[0]),
}


def scene_of(*stories: Callable[[Scene, float], object]) -> Observed:
    scene = Scene()
    for i, story in enumerate(stories):
        scene.works("fine.example", at=i * 60_000)
        story(scene, i * 60_000 + 2000)
    return observe(settle(scene.capture().packets))


def missed(observed: Observed) -> list[str]:
    """Findings that the candidates would have lost."""
    samples = np.maximum(server_round_trips(observed.flows)[1], 3)
    rules = Candidates(observed, samples).rules()
    out = []
    for f in range(len(observed.flows)):
        view, possible = FlowView(observed, f), [rule for rule in RULES if rules[rule][f]]
        if find(view, int(samples[f]), possible) != (full := find(view, int(samples[f]))):
            out.append(f"flow {f}: {full} though only {possible}")
    return out


def test_every_rule_has_its_candidates() -> None:
    assert tuple(Candidates(scene_of(), np.zeros(0, np.int64)).rules()) == RULES


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forgery_is_overlooked(name: str) -> None:
    observed = scene_of(lambda scene, at: FORGERIES[name](scene.talk("odd.example", at)))
    samples = np.full(len(observed.flows), 3)
    assert missed(observed) == []
    assert any(find(FlowView(observed, f), 3) for f in range(len(observed.flows))) or name == "a reset before the hello"
    assert sum(map(sum, Candidates(observed, samples).rules().values())) >= 1


def test_no_story_is_overlooked() -> None:
    assert missed(scene_of(*STORIES.values())) == []


def test_a_flow_that_simply_works_is_no_candidate() -> None:
    scene = Scene()
    scene.works("fine.example")
    observed = observe(settle(scene.capture().packets))
    assert not any(map(any, Candidates(observed, np.full(1, 3)).rules().values()))
    assert OPT_TIMESTAMPS & int(observed.flows.packets.options[0])
