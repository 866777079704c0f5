"""What a view of one flow says about itself."""

from __future__ import annotations

from dpiprobe.explain import explain
from dpiprobe.verdict.view import FlowView
from tests.verdict.scene import Scene, database, flight


def view(scene: Scene, flow: int = 0) -> FlowView:
    return FlowView(explain(scene.capture(), database=database()).observed, flow)


def test_bytes_acknowledged_but_unseen_are_capture_loss() -> None:
    whole, lossy = Scene(), Scene()
    for scene in (whole, lossy):
        talk = scene.talk(at=0).handshake().hello().acknowledge()
        talk.them("A", flight(1300), lost=scene is lossy).own("A")
    assert not view(whole).lost
    assert view(lossy).lost


def test_a_fin_is_not_taken_for_a_lost_byte() -> None:
    scene = Scene()
    scene.works(at=0)
    assert not view(scene).lost


def test_a_hello_that_left_to_die_is_ttl_limited() -> None:
    limited, honest = Scene(), Scene()
    limited.talk(at=0).handshake().hello(ttl=6)
    honest.talk(at=0).handshake().hello()
    assert view(limited).ttl_limited
    assert not view(honest).ttl_limited


def test_an_unanswered_syn_is_not_one_direction_but_a_lone_dialogue_is() -> None:
    unanswered, lone = Scene(), Scene()
    unanswered.talk(at=0).syn().wait(1000).syn()
    talk = lone.talk(at=0).syn().wait(50)
    talk.them("SA", lost=True).own("A").hello()
    assert not view(unanswered).one_direction
    assert view(lone).one_direction


def test_a_close_that_cannot_have_reached_the_server_is_no_close() -> None:
    scene = Scene()
    talk = scene.talk(at=0).handshake().hello()
    talk.own("FA", ttl=4)
    assert view(scene).closed_by_us == -1
    talk.wait(3).own("FA")
    assert view(scene).closed_by_us >= 0
