"""What a verdict costs does not grow with the number of other flows: counted in lines of Python that run, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from dpiprobe.explain import explain
from dpiprobe.wire.build import address
from tests.verdict.innocents import STORIES
from tests.verdict.scene import CLIENT, Scene, Talk, database

Build = Callable[[Scene, int], Talk]


def dropped(scene: Scene, at: int) -> Talk:
    return scene.talk(f"n{at % 20}.example", at).handshake().hello().again(300, 700, 1400, 2800, 5600)


def fine(scene: Scene, at: int) -> Talk:
    return scene.works(f"n{at % 20}.example", at, size=400)


def lone_syn(scene: Scene, at: int) -> Talk:
    return scene.talk(None, at).syn().wait(1000).syn().wait(2000).syn()


def reset(scene: Scene, at: int) -> Talk:
    return scene.talk(f"n{at % 20}.example", at).handshake().hello().wait(4).forged("RA", ipid=7)


def stalled(scene: Scene, at: int) -> Talk:
    talk = scene.talk(f"n{at % 20}.example", at).handshake().hello().acknowledge().answer(3000)
    for gap in (10, 400, 800, 1600, 3200):
        talk.wait(gap).own("PA", b"\x17\x03\x03\x00\x02ab", seq=talk.us.next)
    return talk


def own(build: Build) -> Build:
    """The same, where every eighth flow begins another client."""

    def story(scene: Scene, at: int) -> Talk:
        before = len(scene.frames)
        talk = build(scene, at)
        client = address(f"10.9.{at // 37 // 8 // 200}.{at // 37 // 8 % 200 + 1}")
        scene.frames[before:] = [(t, n, packet.replace(address(CLIENT), client)) for t, n, packet in scene.frames[before:]]
        return talk

    return story


MIXES: dict[str, tuple[Build, ...]] = {
    "hellos dropped between controls": (fine, dropped),
    "SYNs without answer after interference": (fine, reset, lone_syn),
    "resets": (reset,),
    "stalls between controls": (fine, stalled),
    "clients with a few flows each": (own(fine), own(dropped), own(reset), own(dropped)),
    "everything": (fine, dropped, lone_syn, reset, stalled),
}


def lines_run(build: tuple[Build, ...], flows: int) -> int:
    """Lines that `explain` runs on a capture of so many flows of one client to one server."""
    scene = Scene()
    for i in range(flows):
        build[i % len(build)](scene, i * 37)
    capture, count = scene.capture(), 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    signatures = database()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        explain(capture, database=signatures)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("mix", MIXES)
def test_four_times_the_flows_take_four_times_the_lines(mix: str) -> None:
    some, many = lines_run(MIXES[mix], 60), lines_run(MIXES[mix], 240)
    assert many <= 4.4 * some, f"{some} lines for 60 flows, {many} for 240"


def test_a_verdict_is_the_same_alone_and_among_many() -> None:
    together, alone = Scene(), []
    for i, story in enumerate(STORIES.values()):
        settings: dict[str, Any] = {"client": f"10.1.{i // 200}.{i % 200 + 1}"}
        single = Scene()
        for scene, at in ((together, i * 90_000), (single, 0)):
            for name, when in (("fine.example", 0), ("other.example", 55_000)):
                scene.works(name, at + when, port=30_000 + when % 1000, **settings)
            story(scene, at + 2000, **settings)
        alone += _said(single)
    assert sorted(_said(together)) == sorted(alone)


def _said(scene: Scene) -> list[tuple[str, ...]]:
    explanation = scene.explain()
    flows = explanation.flows
    return [
        (".".join(map(str, flows.packets.addresses[int(flows.client[j.flow])])),
         j.outcome, j.verdict, str(j.because), str(j.technique), j.position, str(j.signature))
        for j in explanation.judgements
    ]  # fmt: skip
