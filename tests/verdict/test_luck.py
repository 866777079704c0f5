"""Silence on a path that loses packets, or was out for a while: luck is told apart from dropping by how often it would strike."""

from __future__ import annotations

from tests.verdict.scene import Scene, Talk


def lossy_control(scene: Scene, at: float, repeats: int) -> Talk:
    """A connection that works, though so many of twenty segments of the server came twice, and the hello too."""
    talk = scene.talk("fine.example", at).handshake().hello()
    if repeats:
        talk.again(250).wait(50)
    talk.acknowledge(50).answer()
    data = bytes(1200)
    for i in range(20):
        start = talk.server.next
        talk.wait(5).them("PA", data)
        if i < repeats:
            talk.wait(300).them("PA", data, seq=start)
            talk.server.next = (start + len(data)) & 0xFFFFFFFF
    return talk.own("A").request().response().close()


def trial(scene: Scene, at: float, *copies: float) -> Talk:
    return scene.talk("odd.example", at).handshake().hello().again(*copies)


def on_a_path(repeats: int) -> Scene:
    scene = Scene()
    for at in (0, 50_000, 150_000):
        lossy_control(scene, at, repeats)
    return scene


def test_three_copies_on_a_path_that_loses_a_seventh_are_bad_luck() -> None:
    scene = on_a_path(repeats=2)
    judged = trial(scene, 10_000, 1500, 1700).judged
    assert (judged.verdict, judged.because, judged.technique) == ("insufficient", "too-few-trials", "drop.hello")
    assert "sent again" in " ".join(judged.reasons)


def test_the_same_copies_on_a_path_that_loses_nothing_were_dropped() -> None:
    scene = on_a_path(repeats=0)
    assert trial(scene, 10_000, 1500, 1700).judged.verdict == "blocked"


def test_so_many_copies_are_lost_by_no_luck() -> None:
    scene = on_a_path(repeats=2)
    assert trial(scene, 10_000, 250, 250, 500, 500, 1000, 1000, 2000, 2000).judged.verdict == "blocked"


def test_several_trials_are_one_joint_chance() -> None:
    scene = on_a_path(repeats=1)
    talks = [trial(scene, at, 250, 500, 1000, 2000) for at in (10_000, 100_000)]
    assert [t.judged.verdict for t in talks] == ["blocked", "blocked"]


def test_one_silent_trial_of_a_name_that_was_heard_in_others_is_an_outage() -> None:
    scene = on_a_path(repeats=0)
    scene.talk("odd.example", 30_000).handshake().hello().acknowledge().them("RA")
    judged = trial(scene, 100_000, 250, 500, 1000, 2000).judged
    assert (judged.verdict, judged.because) == ("insufficient", "too-few-trials")


def test_two_silent_trials_are_dropped_though_one_was_heard() -> None:
    scene = on_a_path(repeats=0)
    scene.talk("odd.example", 30_000).handshake().hello().acknowledge().them("RA")
    talks = [trial(scene, at, 250, 500, 1000, 2000) for at in (70_000, 100_000)]
    assert [t.judged.verdict for t in talks] == ["blocked", "blocked"]
