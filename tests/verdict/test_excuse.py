"""What cannot be blamed: `down` with the server's own marks, `insufficient` with the reason as a word, and what else it could be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verdict.scene import PAGE, Scene, Talk, alert, flight


def between(tell: Callable[[Talk], object], *, controls: bool = True, **settings: Any) -> Talk:
    scene = Scene()
    if controls:
        scene.works(at=0, **settings)
        scene.works(at=300, **settings)
        scene.works(at=60_000, **settings)
    talk = scene.talk("odd.example", 10_000, **settings).handshake().hello()
    tell(talk)
    return talk


def said(talk: Talk) -> tuple[str, str, str | None, str | None]:
    judged = talk.judged
    return judged.outcome, judged.verdict, judged.because, judged.technique


def test_a_reset_with_the_servers_marks_is_the_servers_policy() -> None:
    talk = between(lambda t: t.acknowledge().them("RA"))
    assert said(talk) == ("reset", "down", None, None)
    assert "server-policy" in talk.judged.could_be
    assert "timestamps of this connection" in talk.judged.reasons[0]


def test_a_reset_without_any_marks_cannot_be_told() -> None:
    talk = between(lambda t: t.wait(50).them("R", options=b"", window=0, ipid=0, ttl=57))
    assert said(talk) == ("reset", "insufficient", "server-or-third-party", "rst")


def forgotten(talk: Talk) -> object:
    """The server acknowledges and answers the hello; somebody resets it there; it answers what the client still sends as any host does."""
    talk.acknowledge().answer().request().wait(50)
    return talk.them("R", options=b"", window=0, ipid=0, seq=talk.server.next)


def test_a_connection_that_the_server_forgot_may_have_been_reset_there() -> None:
    talk = between(forgotten)
    assert said(talk) == ("reset", "insufficient", "server-or-third-party", "rst")
    assert {"server-policy", "rst"} <= set(talk.judged.could_be)


def test_one_that_it_closed_before_is_its_own_affair() -> None:
    def closed(talk: Talk) -> object:
        talk.acknowledge().them("RA").wait(1)
        return talk.them("R", options=b"", window=0, ipid=0, seq=talk.server.next)

    assert said(between(closed)) == ("reset", "down", None, None)


def test_where_other_names_are_reset_too_the_address_is_down() -> None:
    scene = Scene()
    for i, name in enumerate(("odd.example", "fine.example", "odd.example")):
        scene.talk(name, i * 10_000).handshake().hello().wait(50).them("R", options=b"", window=0, ipid=0)
    assert scene.verdicts() == ["down"] * 3


@pytest.mark.parametrize(
    ("flags", "payload", "outcome"),
    [("FA", b"", "closed"), ("PA", alert(112), "alert"), ("PA", PAGE, "page")],
)
def test_a_refusal_after_a_round_trip_is_the_servers(flags: str, payload: bytes, outcome: str) -> None:
    talk = between(lambda t: t.rtt_later(flags, payload).wait(0.1).own("FA"))
    assert said(talk) == (outcome, "down", None, None)
    assert "server-policy" in talk.judged.could_be


def test_silence_after_an_acknowledged_hello_is_a_hung_server() -> None:
    talk = between(lambda t: t.acknowledge().wait(15_000).own("FA"))
    assert said(talk) == ("silent", "down", None, None)
    assert talk.judged.could_be == ["server-hung", "drop.answer"]


@pytest.mark.parametrize(("payload", "technique"), [(b"", "proxy.close"), (alert(40), "proxy.alert")], ids=["close", "alert"])
def test_where_round_trips_are_split_somebody_nearer_refuses_but_whose_is_unknown(payload: bytes, technique: str) -> None:
    scene = Scene()
    for at in (0.0, 1000.0, 60_000.0):
        talk = scene.talk("fine.example", at, rtt=10).handshake().hello().rtt_later("A")
        talk.wait(90).them("PA", flight(1300)).own("A").request().response().close()
    talk = scene.talk("odd.example", 10_000, rtt=10).handshake().hello().rtt_later("A").wait(0.2)
    talk.them("PA" if payload else "FA", payload).wait(0.1).own("FA")
    assert said(talk)[1:] == ("insufficient", "whose-proxy", technique)


def test_a_refused_or_unanswered_address_is_down_whatever_the_name() -> None:
    scene = Scene()
    refused = scene.talk("odd.example", 0).syn().wait(50).them("RA", seq=0, options=b"", window=0, ipid=0)
    silent = scene.talk("odd.example", 10_000, server="198.51.100.9").syn().wait(1000).syn().wait(2000).syn()
    scene.works(at=60_000)
    assert said(refused)[:2] == ("refused", "down")
    assert "address.rst" in refused.judged.could_be
    assert said(silent)[:2] == ("unanswered", "down")
    assert "address.drop" in silent.judged.could_be


def test_one_syn_without_answer_is_too_few() -> None:
    scene = Scene()
    talk = scene.talk("odd.example", 0).syn()
    scene.works(at=10_000)
    assert said(talk)[:3] == ("unanswered", "insufficient", "too-few-trials")


def test_a_client_that_ended_it_itself_blames_nobody() -> None:
    talk = between(lambda t: t.wait(5).own("RA"))
    assert said(talk)[:2] == ("aborted", "down")
    assert talk.judged.could_be == ["client-abort"]


@pytest.mark.parametrize("side", ["client", "server"])
def test_one_direction_says_nothing(side: str) -> None:
    scene = Scene()
    lost_us, lost_them = side == "server", side == "client"
    talk = scene.talk("odd.example", 0)
    talk.own("S", ack=0, lost=lost_us).wait(50).them("SA", lost=lost_them).own("A", lost=lost_us).hello(lost=lost_us)
    talk.wait(50).them("RA", lost=lost_them).wait(5000)
    scene.works(at=60_000)
    judged = talk.judged
    assert (judged.verdict, judged.because) == ("insufficient", "one-direction")


def test_a_beginning_that_is_missing_is_mid_stream() -> None:
    scene = Scene()
    talk = scene.talk("odd.example", 0)
    talk.own("S", ack=0, lost=True).wait(50).them("SA", lost=True).own("A", lost=True).hello().wait(50).them("RA", options=b"")
    assert (talk.judged.verdict, talk.judged.because) == ("insufficient", "mid-stream")


def test_a_capture_that_ends_at_the_hello_is_truncated() -> None:
    talk = Scene().talk("odd.example", 0).handshake().hello()
    assert said(talk)[:3] == ("unseen", "insufficient", "truncated")


def refused(after: float, flags: str = "RA") -> Talk:
    """A SYN that is refused so many ms after it, at an address that other names reach over 50 ms."""
    scene = Scene()
    for at in (0, 300, 60_000):
        scene.works(at=at)
    talk = scene.talk("odd.example", 10_000).syn().wait(after)
    return talk.them(flags, seq=0, options=b"", window=0, ipid=0)


def test_a_syn_that_somebody_nearer_refuses_is_not_laid_to_the_server() -> None:
    assert said(refused(12)) == ("refused", "insufficient", "server-or-third-party", "address.rst")
    assert "nearer" in refused(12).judged.reasons[0]


def test_nor_is_one_that_the_address_itself_refuses_anybody_elses() -> None:
    assert said(refused(50)) == ("refused", "down", None, None)


def test_a_reset_that_does_not_acknowledge_the_syn_does_not_answer_it() -> None:
    assert said(refused(12, "R")) == ("refused", "down", None, None)
