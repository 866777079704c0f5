"""Findings are asked of all flows at once: that says what a plain look at each flow says."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import Observed, observe, server_round_trips
from dpiprobe.verdict.findings import findings_of
from dpiprobe.verdict.model import Evidence
from dpiprobe.verdict.view import FlowView, Views
from dpiprobe.wire.packets import OPT_TIMESTAMPS
from tests.verdict.innocents import STORIES
from tests.verdict.plain_rules import Told, plain
from tests.verdict.scene import PAGE, REDIRECT, Scene, Talk, alert, flight

FORGERIES: dict[str, Callable[[Talk], object]] = {
    "resets": lambda t: t.handshake().hello().wait(9).forged("RA", copies=3, step=1460).wait(41).them("A").answer(),
    "a page": lambda t: t.handshake().hello().wait(9).forged("FPA", PAGE, window=502).wait(41).answer(),
    "an alert": lambda t: t.handshake().hello().wait(9).forged("PA", alert(112)).wait(41).answer(),
    "a reset before the hello": lambda t: t.handshake().forged("R").hello().acknowledge().answer(),
    "a refused SYN": lambda t: t.syn().wait(4).them("RA", ack=t.us.next),
    "an ICMP error": lambda t: t.handshake().hello().icmp(3, 13, t.hello_packets[0]),
}
STEPS: tuple[Callable[[Talk], object], ...] = (
    lambda t: t.forged("RA"), lambda t: t.forged("R", ipid=0), lambda t: t.forged("R", copies=2, ipid=0), lambda t: t.forged("RA", copies=3, step=1460),
    lambda t: t.forged("FPA", PAGE), lambda t: t.forged("PA", alert(112)), lambda t: t.forged("FPA", REDIRECT), lambda t: t.forged("FA"),
    lambda t: t.forged("PA", flight(400)), lambda t: t.forged("RA", ack=t.us.next - 1), lambda t: t.rtt_later("A"), lambda t: t.wait(50).answer(),
    lambda t: t.acknowledge(), lambda t: t.own("FA"), lambda t: t.rtt_later("FA"), lambda t: t.own("R"), lambda t: t.again(20), lambda t: t.hello(),
    lambda t: t.wait(2), lambda t: t.wait(30), lambda t: t.wait(-4), lambda t: t.rtt_later("PA", alert(40)),
    lambda t: t.rtt_later("R", window=0, ipid=0), lambda t: t.forged("RA", ack=t.us.next - len(t.hello_data)),
)  # fmt: skip


def scene_of(*stories: Callable[[Scene, float], object]) -> Observed:
    scene = Scene()
    for i, story in enumerate(stories):
        scene.works("fine.example", at=i * 60_000)
        story(scene, i * 60_000 + 2000)
    return observe(settle(scene.capture().packets))


def told_of(found: list[Evidence]) -> list[Told]:
    return [(e.kind, e.technique, tuple(e.slots), e.sufficient, e.repeatable) for e in found]


def differences(observed: Observed) -> list[str]:
    """Flows of which the two ways say something else."""
    samples = np.maximum(server_round_trips(observed.flows)[1], 3)
    at_once = findings_of(observed, samples, Views(observed))
    out = []
    for f in range(len(observed.flows)):
        alone = plain(FlowView(observed, f), int(samples[f])) if len(observed.rows(f)) else []
        if (told := told_of(at_once.get(f, []))) != sorted(alone, key=lambda one: ORDER.index(one[0])):
            out.append(f"flow {f}: {told}, but alone {alone}")
    return out


ORDER = (
    "early-arrival", "genuine-answer-after", "impossible-sequence", "timestamps-missing", "conflicting-data", "icmp-prohibited", "icmp-unreachable",
    "early-refusal",
)  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forgery_is_overlooked(name: str) -> None:
    observed = scene_of(lambda scene, at: FORGERIES[name](scene.talk("odd.example", at)))
    assert differences(observed) == []
    assert findings_of(observed, np.full(len(observed.flows), 3), Views(observed)) or name == "a reset before the hello"


def test_no_story_is_overlooked() -> None:
    assert differences(scene_of(*STORIES.values())) == []


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_in_whatever_order(seed: int) -> None:
    dice = random.Random(seed)

    def anything(scene: Scene, at: float) -> None:
        server = f"198.51.100.{int(at) // 60_000 + 1}"  # each with a round trip of its own
        talk = scene.talk("odd.example", at, server=server, timestamps=dice.random() < 0.7, long=dice.random() < 0.3)
        talk.syn() if dice.random() < 0.1 else talk.handshake()
        talk.hello() if dice.random() < 0.9 else None
        for step in dice.choices(STEPS, k=dice.randrange(2, 9)):
            step(talk)

    observed = scene_of(*[anything] * 40)
    assert differences(observed) == []
    assert findings_of(observed, np.full(len(observed.flows), 3), Views(observed))


def test_a_flow_that_simply_works_has_none() -> None:
    scene = Scene()
    scene.works("fine.example")
    observed = observe(settle(scene.capture().packets))
    assert findings_of(observed, np.full(1, 3), Views(observed)) == {}
    assert OPT_TIMESTAMPS & int(observed.flows.packets.options[0])
