"""The line itself: the same packets give the same records, and what is wrong with a capture's plan costs the plan, not the capture."""

from __future__ import annotations

from dataclasses import replace

from dpiprobe.explain import explain

from .verdict.scene import Scene, database


def test_a_broken_plan_in_a_capture_costs_the_plan_only() -> None:
    scene = Scene()
    scene.works("fine.example")
    broken = replace(scene.capture(), comments=['{"format":"dpiprobe-plan/1","trials":7}'])
    *_, last = explain(broken, database=database()).records
    assert last["kind"] == "capture"
    assert last["damage"][0].startswith("explained without its plan: ")
    assert scene.verdicts() == ["ok"]


def test_the_same_packets_give_the_same_records() -> None:
    scene = Scene()
    scene.works("fine.example")
    scene.talk("odd.example", at=1000).handshake().hello().wait(3).forged("RA", copies=3).wait(60).answer()
    assert list(explain(scene.capture(), database=database()).records) == list(explain(scene.capture(), database=database()).records)


def test_records_come_flows_first_then_names_then_the_capture() -> None:
    scene = Scene()
    scene.works("fine.example")
    scene.works("else.example", at=1000)
    assert [r["kind"] for r in explain(scene.capture(), database=database()).records] == ["flow", "flow", "name", "name", "capture"]
