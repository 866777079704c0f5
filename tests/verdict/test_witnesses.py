"""Questions that are searched for, not walked through: the answers are those of a walk."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dpiprobe.flow.flows import CLIENT, SERVER
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import Observed, observe
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.witnesses import ALIVE, DEAD, QUIET, Traffic, Witness, Witnesses
from dpiprobe.wire.packets import RST
from tests.verdict.innocents import STORIES
from tests.verdict.scene import Scene

NAMES: tuple[str | None, ...] = ("a.example", "b.example", "c.example", None)


def some(dice: random.Random) -> list[Witness]:
    return [
        (dice.choice(NAMES), dice.choice((100, 200, 300)), dice.choice((None, dice.randrange(50))), dice.randrange(50))
        for _ in range(dice.randrange(7))
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(300))
def test_witnesses_say_what_each_of_them_says(seed: int) -> None:
    dice = random.Random(seed)
    everybody = some(dice)
    asked = Witnesses(everybody)
    for _ in range(30):
        moment, later, size, own = dice.randrange(50), dice.randrange(50), dice.choice((99, 100, 150, 200, 300, 301)), dice.choice(NAMES)
        fit = [one for one in everybody if one[1] >= size and one[0] != own]
        heard = [one for one in fit if one[2] is not None and one[2] < moment]
        began = [one for one in fit if one[3] > moment]
        within = [one for one in fit if moment < one[3] and one[2] is not None and one[2] < later]
        assert asked.before(moment, size, own) == bool(heard)
        assert asked.after(moment, size, own) == bool(began)
        assert asked.between(moment, later, size, own) == bool(within)
        assert [*asked.names(moment, size, own)] == sorted({name or "no name" for name, *_ in heard + began})


def way(observed: Observed, flow: int, begin: int, end: int) -> str:
    """What `Traffic.during` says, packet by packet."""
    flows, columns = observed.flows, columns_of(observed)
    received = elsewhere = False
    for slot in range(len(flows.row)):
        other = flows.flow[slot]
        if flows.client[other] != flows.client[flow] or columns.flags[slot] & RST or not begin <= columns.time[slot] <= end:
            continue
        received |= bool(flows.origin[slot] == SERVER and other != flow)
        elsewhere |= bool(flows.origin[slot] == CLIENT and flows.server[other] != flows.server[flow])
    return ALIVE if received else DEAD if elsewhere else QUIET


@pytest.mark.parametrize("back", [False, True], ids=["in order", "a clock that runs back"])
def test_the_way_of_a_client_is_what_its_packets_say(back: bool) -> None:
    scene, dice = Scene(), random.Random(int(back))
    for i, story in enumerate(STORIES.values()):
        client, server = f"192.0.2.{i % 3 + 1}", f"198.51.100.{i % 4 + 1}"
        scene.works("fine.example", at=i * 700, client=client, server=server)
        story(scene, i * 700 + 300)
        scene.talk("gone.example", i * 700 + 500, client=client, server="198.51.100.77").syn().wait(300).syn()
    packets = scene.capture().packets
    if back:
        packets.time[len(packets) // 2 :] -= 5_000_000_000
    observed = observe(settle(packets))
    asked = []
    for _ in range(250):
        begin = int(dice.choice(packets.time)) + dice.choice((-(10**7), 0, 1))
        asked.append((dice.randrange(len(observed.flows)), begin, begin + dice.choice((-5, 0, 10**7, 10**8, 10**9, 10**10))))
    told = [way(observed, *one) for one in asked]
    assert Traffic(observed).during_all(*np.array(asked, np.int64).T) == told
    assert [Traffic(observed).during(*one) for one in asked[:20]] == told[:20]
    assert {*told} == {ALIVE, DEAD, QUIET}
