"""Which flows serve as controls."""

from __future__ import annotations

from dpiprobe.explain import Explanation
from tests.verdict.scene import Scene


def worked(explanation: Explanation, flow: int) -> list[int]:
    return list(explanation.controls.worked[flow])


def test_other_names_at_the_same_address_and_port_are_controls() -> None:
    scene = Scene()
    for i, settings in enumerate(
        ({}, {"server": "198.51.100.99"}, {"server_port": 8443}, {"client": "192.0.2.99"}),
    ):
        scene.works("fine.example", at=i * 1000, **settings)  # type: ignore[arg-type]
    scene.works("odd.example", at=9000)
    explanation = scene.explain()
    assert worked(explanation, 4) == [0]
    assert worked(explanation, 0) == [4]


def test_a_name_is_no_control_of_itself() -> None:
    scene = Scene()
    scene.works("odd.example", at=0)
    scene.works("odd.example", at=1000)
    assert worked(scene.explain(), 0) == []


def test_designated_names_alone_count_and_have_no_controls_themselves() -> None:
    scene = Scene()
    for i, name in enumerate(("odd.example", "fine.example", "other.example")):
        scene.works(name, at=i * 1000)
    explanation = scene.explain(controls=("fine.example",))
    assert worked(explanation, 0) == [1]
    assert worked(explanation, 1) == []


def test_a_control_that_failed_is_told_apart_from_none() -> None:
    scene = Scene()
    scene.talk("fine.example", 0).handshake().hello().rtt_later("RA")
    scene.talk("odd.example", 1000).handshake().hello().rtt_later("RA")
    controls = scene.explain().controls
    assert [controls.state(0), controls.state(1)] == ["fails", "fails"]


def test_a_client_that_hung_up_says_nothing_about_a_name() -> None:
    scene = Scene()
    scene.talk("fine.example", 0).handshake().hello().wait(3).own("RA")
    scene.works("odd.example", at=1000)
    assert scene.explain().controls.state(1) == "absent"
