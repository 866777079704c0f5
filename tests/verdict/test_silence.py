"""Silence that is dropping, and silence that is not: design section 4 (b) with each of its conditions taken away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verdict.scene import Scene, Talk, record

COPIES = (200, 400, 800, 1600, 3200)


def dropped(scene: Scene, at: float = 10_000, copies: tuple[float, ...] = COPIES, **settings: Any) -> Talk:
    return scene.talk("odd.example", at, **settings).handshake().hello().again(*copies)


def scene_with(*controls: float, **settings: Any) -> Scene:
    scene = Scene()
    for at in controls:
        scene.works(at=at, **settings)
    return scene


def test_a_hello_dropped_between_controls_is_blocked() -> None:
    scene = scene_with(0, 50_000)
    judged = dropped(scene).judged
    assert (judged.verdict, judged.technique, judged.mechanism, judged.outcome) == ("blocked", "drop.hello", "tls.timeout.sni", "silent")
    assert "6 copies over 6.2 s" in judged.reasons[0]
    assert "fine.example" in judged.reasons[0]


def test_confidence_grows_with_a_path_seen_alive_or_a_second_trial() -> None:
    alone, alive, twice = scene_with(0, 50_000), scene_with(0, 50_000), scene_with(0, 50_000, 150_000)
    talks = [dropped(s) for s in (alone, alive, twice)]
    alive.works("other.example", at=11_500, server="198.51.100.77")
    dropped(twice, at=100_000)
    assert [t.judged.confidence for t in talks] == ["low", "medium", "medium"]


def test_a_path_that_carried_nothing_at_all_accuses_nobody() -> None:
    scene = scene_with(0, 50_000)
    talk = dropped(scene)
    scene.talk("other.example", 10_500, server="198.51.100.77").syn().wait(1000).syn().wait(2000).syn()
    assert (talk.judged.verdict, talk.judged.because) == ("insufficient", "no-control")


@pytest.mark.parametrize(
    ("controls", "copies", "because"),
    [((0,), COPIES, "no-control"), ((50_000,), COPIES, "no-control"), ((), COPIES, "no-control"),
     ((0, 50_000), (3200,), "too-few-trials"), ((0, 50_000), (200, 400, 800), "too-few-trials")],
    ids=["none after", "none before", "none", "two copies", "under three seconds"],
)  # fmt: skip
def test_one_condition_less_is_insufficient(controls: tuple[float, ...], copies: tuple[float, ...], because: str) -> None:
    judged = dropped(scene_with(*controls), copies=copies).judged
    assert (judged.verdict, judged.because, judged.technique) == ("insufficient", because, "drop.hello")


def test_a_control_that_is_not_alike_is_none() -> None:
    judged = dropped(scene_with(0, 50_000), long=True).judged
    assert (judged.verdict, judged.because) == ("insufficient", "no-control")


def test_a_control_in_smaller_packets_is_none_where_the_path_may_lose_large_ones() -> None:
    small, large = scene_with(0, 50_000, length=1300), scene_with(0, 50_000, length=1400)
    assert dropped(small, length=1390).judged.verdict == "insufficient"
    assert dropped(large, length=1390).judged.verdict == "blocked"


def test_the_segment_that_completes_the_hello_alone_is_dropped() -> None:
    scene = scene_with(0, 50_000, long=True)
    talk = scene.talk("odd.example", 10_000, long=True).handshake().hello()
    talk.acknowledge(upto=len(talk.parts()[0][0])).again(*COPIES, part=1)
    judged = talk.judged
    assert (judged.verdict, judged.technique) == ("blocked", "drop.hello")
    assert "acknowledged its first" in judged.reasons[0]


def test_a_later_close_of_the_server_does_not_answer_the_hello() -> None:
    scene = scene_with(0, 50_000)
    talk = dropped(scene)
    talk.wait(9000).them("FA", ack=talk.hello_seq)
    assert talk.judged.verdict == "blocked"


def test_a_probe_that_died_on_the_way_is_ttl_limited() -> None:
    scene = scene_with(0, 50_000)
    talk = scene.talk("odd.example", 10_000).handshake().hello(ttl=6).again(*COPIES, ttl=6)
    assert (talk.judged.verdict, talk.judged.because) == ("insufficient", "ttl-limited")


def test_a_client_that_heard_what_the_capture_did_not_is_capture_loss() -> None:
    scene = scene_with(0, 50_000)
    talk = scene.talk("odd.example", 10_000).handshake().hello()
    talk.wait(50).them("A", lost=True).again(*COPIES)
    assert (talk.judged.verdict, talk.judged.because) == ("insufficient", "capture-loss")


def stalled(scene: Scene, at: float) -> Talk:
    talk = scene.talk("odd.example", at).handshake().hello().acknowledge().answer(1500)
    body, start = record(200), talk.us.next
    talk.own("PA", body)
    for wait in COPIES:
        talk.wait(wait).own("PA", body, seq=start)
    return talk


def test_two_stalls_between_controls_are_blocked_one_is_not() -> None:
    once, twice = scene_with(0, 50_000), scene_with(0, 50_000, 150_000)
    one, two = stalled(once, 10_000), stalled(twice, 10_000)
    stalled(twice, 100_000)
    assert (one.judged.outcome, one.judged.verdict, one.judged.because) == ("stalled", "insufficient", "too-few-trials")
    assert (two.judged.verdict, two.judged.technique, two.judged.mechanism) == ("blocked", "drop.stall", "tls.stall")


def test_two_stalls_in_one_outage_count_once() -> None:
    scene = scene_with(0, 50_000)
    talk = stalled(scene, 10_000)
    stalled(scene, 10_010)
    assert (talk.judged.verdict, talk.judged.because) == ("insufficient", "too-few-trials")


def test_a_stall_that_controls_have_too_is_nobodys() -> None:
    scene = scene_with(0, 150_000)
    talk = stalled(scene, 10_000)
    stalled(scene, 100_000)
    other = scene.talk("fine.example", 50_000).handshake().hello().acknowledge().answer(1500)
    body, start = record(200), other.us.next
    other.own("PA", body)
    for wait in COPIES:
        other.wait(wait).own("PA", body, seq=start)
    assert talk.judged.verdict == "insufficient"


def hung(scene: Scene, at: float, heard: bool) -> Talk:
    """A hello that is acknowledged and never answered; the client gives up, and the server hears that or not."""
    talk = scene.talk("odd.example", at).handshake().hello().acknowledge().wait(10_000).own("FA")
    if heard:
        return talk.wait(50).them("A")
    for pause in (250, 500, 1000, 2000):
        talk.wait(pause).own("FA", seq=(talk.us.next - 1) & 0xFFFFFFFF)
    return talk


@pytest.mark.parametrize(("third_heard", "verdict"), [(False, "blocked"), (True, "insufficient")])
def test_a_server_that_is_silent_but_there_hangs_though_two_closes_went_unheard(third_heard: bool, verdict: str) -> None:
    scene = scene_with(0, 50_000, 150_000, 250_000)
    first = hung(scene, 20_000, heard=False)
    hung(scene, 100_000, heard=third_heard)
    hung(scene, 200_000, heard=False)
    assert (first.judged.verdict, first.judged.technique) == (verdict, "drop.answer")
