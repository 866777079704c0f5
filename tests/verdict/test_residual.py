"""Punished because of an earlier connection: needs the interference before, silence, and an end of it."""

from __future__ import annotations

import pytest

from tests.verdict.scene import START, Scene


def story(*, forged: bool = True, worked_before: bool = True, recovers: bool = True, gap: float = 1000) -> Scene:
    scene = Scene()
    if worked_before:
        for at in (0, 300, 600):
            scene.works(at=at)
    talk = scene.talk("odd.example", 10_000).handshake().hello().wait(5)
    talk.forged("RA") if forged else talk.wait(45).them("RA")
    for k in range(2):
        scene.talk("fine.example", 10_000 + gap + k * 9000).syn().wait(1000).syn().wait(2000).syn()
    if recovers:
        scene.works(at=10_000 + gap + 40_000)
    return scene


def punished(scene: Scene) -> list[tuple[str, str | None]]:
    explanation = scene.explain()
    return [(j.verdict, j.technique) for j in explanation.judgements if j.outcome == "unanswered"]


def test_silence_after_a_forged_reset_that_ends_again_is_residual() -> None:
    scene = story()
    assert punished(scene) == [("blocked", "residual.drop")] * 2
    judged = next(j for j in scene.explain().judgements if j.outcome == "unanswered")
    assert (judged.trigger, judged.mechanism, judged.position) == ("earlier-flow", "tcp.timeout", "in-path")
    assert "after flow 4 of the same client had been interfered with" in judged.reasons[0]


@pytest.mark.parametrize(
    "settings",
    [{"forged": False}, {"worked_before": False}, {"recovers": False}, {"gap": 500_000}],
    ids=["the server's own reset", "never worked", "never ends", "long after"],
)
def test_one_condition_less_accuses_nobody(settings: dict[str, bool]) -> None:
    assert "blocked" not in {verdict for verdict, _ in punished(story(**settings))}


def test_another_server_is_not_punished() -> None:
    scene = story(recovers=False)
    scene.talk("fine.example", 15_000, server="198.51.100.99").syn().wait(1000).syn().wait(2000).syn()
    scene.works(at=60_000)
    explanation = scene.explain()
    other = scene.talks[-2].judgement(explanation)
    assert other.verdict == "down"


def test_a_bare_early_reset_is_proven_by_the_punishment_that_followed() -> None:
    scene = Scene()
    for at in (0, 300, 600):
        scene.works(at=at)
    talk = scene.talk("odd.example", 10_000).handshake().hello().wait(5).forged("R", ipid=0, df=True)
    assert talk.verdict == "insufficient"
    scene.talk("fine.example", 12_000).syn().wait(1000).syn().wait(2000).syn()
    scene.works(at=40_000)
    assert talk.verdict == "blocked"


def test_a_late_copy_of_a_syn_is_no_connection_that_was_punished() -> None:
    scene = Scene()
    for at in (0, 300, 600):
        scene.works(at=at)
    talk = scene.talk("odd.example", 10_000).handshake().hello().wait(5).forged("RA", copies=3, window=1541, ipid=0x4242)
    talk.wait(45).them("A").wait(1).answer()
    syn = next(packet for when, packet in scene.ordered() if when - START >= 10_000 * 10**6)
    scene.add(10_900, syn)
    scene.works(at=50_000)
    assert not [j for j in scene.explain().judgements if (j.technique or "").startswith("residual")]
