"""Controls that are alike but for the name: what families of hellos say at once is what each hello says alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from dpiprobe.explain import outcomes_of, roles_of
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.verdict.alike import Alike, _Closer
from dpiprobe.verdict.control import STATES, choose_controls
from dpiprobe.verdict.view import Views
from tests.verdict.scene import START, Scene

NAMES = ("a.example", "b.example", "much-longer-than-the-others.example", "no name", None, "zoo.example")


@pytest.mark.parametrize("seed", range(40))
def test_families_say_what_each_hello_says(seed: int) -> None:
    dice = random.Random(seed)
    scene, names = Scene(), dice.sample(NAMES, 4)
    lengths = dice.choice(((None,), (None, 700, 1100), (1300, 1390), (1390,)))
    for at in range(30):
        name = dice.choice(names)
        settings: dict[str, Any] = {"client": f"192.0.2.{dice.randrange(2) + 1}", "length": dice.choice(lengths)}
        settings["long"] = settings["length"] is None and dice.random() < 0.2
        talk = scene.talk(name, at * 1000, **settings).handshake().hello()
        if dice.random() < 0.6:
            talk.acknowledge().answer()
        elif dice.random() < 0.8:
            talk.again(200, 400, 800, 1600, 3200)
    observed = observe(settle(scene.capture().packets))
    designated = dice.choice(((), ("b.example", "a.example")))
    controls = choose_controls(observed, outcomes_of(observed, Views(observed)), roles_of(observed.flows, None), designated)
    of = np.flatnonzero((controls.state_numbers == STATES.index("completes")) & (observed.flows.hello >= 0))
    if not len(of):
        return
    when = np.array([START + dice.randrange(30_000) * 1_000_000 for _ in of])
    least = np.array([dice.choice((1280, 1290, 1400, 1500)) for _ in of])
    told, alone = Alike(observed, controls, of, when, least), _Closer(observed, controls)
    asked = [*zip(of.tolist(), when.tolist(), least.tolist(), strict=True)]
    assert told.borne_out.tolist() == [alone.borne_out(*one) for one in asked]
    assert [told.names(i) for i in range(len(of))] == [alone.names(*one) for one in asked]


def test_most_hellos_need_no_closer_look() -> None:
    scene = Scene()
    for at in range(20):
        scene.works(f"name{at}.example", at=at * 1000)
    observed = observe(settle(scene.capture().packets))
    controls = choose_controls(observed, outcomes_of(observed, Views(observed)), roles_of(observed.flows, None))
    of = np.arange(20)
    told = Alike(observed, controls, of, observed.flows.packets.time[observed.flows.row[observed.flows.hello]], np.full(20, 1280))
    assert told.borne_out.tolist() == [False] + [True] * 18 + [False]
    assert told._plain.all()
