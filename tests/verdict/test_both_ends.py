"""Two captures of the same connections: what one end received that the other never sent."""

from __future__ import annotations

from collections.abc import Callable

from dpiprobe.explain import Explanation, explain
from dpiprobe.verdict.model import Judgement

from .scene import Scene, Talk, alert, captured, database

Story = Callable[[Talk, bool], object]
"""Tells one connection as one end saw it; the flag says which (True: the client's)."""


def both(story: Story, *, name: str = "odd.example") -> tuple[Judgement, Explanation]:
    """The story told at both ends beside connections that work, judged with the server's capture."""
    scenes = Scene(), Scene(point=1.0)
    for scene, near in zip(scenes, (True, False), strict=True):
        scene.works("fine.example", at=0)
        story(scene.talk(name, at=1000), near)
        scene.works("fine.example", at=60_000)
    far = captured(scenes[1].ordered())
    explanation = explain(captured(scenes[0].ordered()), database=database(), server_side=far)
    return explanation.judgements[1], explanation


def test_a_reset_that_the_server_never_sent_is_forged_even_at_the_servers_pace() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello().wait(50)
        if near:
            talk.forged("R", ttl=52, ipid=0, df=True)
        else:
            talk.them("A").answer()

    verdict, _ = both(story)
    assert (verdict.verdict, verdict.technique, verdict.confidence) == ("blocked", "rst.on-path", "high")
    assert "never sent it" in verdict.reasons[0] or "never sent them" in verdict.reasons[0] or "does not hold them" in verdict.reasons[0]


def test_a_reset_that_the_server_did_send_clears_everybody() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello().wait(50).them("RA")

    verdict, _ = both(story)
    assert verdict.verdict == "down"
    assert verdict.technique is None


def test_data_that_arrives_as_a_reset_was_changed_on_the_way_also_where_no_ip_id_tells() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello().acknowledge().wait(1)
        talk.them("RA", ipid=0) if near else talk.them("PA", bytes(800), ipid=0)

    verdict, _ = both(story)
    assert (verdict.verdict, verdict.technique, verdict.position) == ("blocked", "rst.rewrite", "in-path")


def test_data_that_arrives_beside_a_reset_was_not_changed() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello().acknowledge().wait(1)
        if near:
            talk.them("RA", seq=talk.server.next, ipid=0)
        talk.them("PA", bytes(800), ipid=0)

    verdict, _ = both(story)
    assert verdict.technique == "rst.on-path"


def test_an_alert_that_the_server_did_send_clears_everybody() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello().acknowledge().them("PA", alert(112)).wait(0.1).them("FA").wait(1).own("FA")

    verdict, _ = both(story)
    assert verdict.verdict == "down"


def test_resets_to_the_server_in_the_clients_name_are_forged() -> None:
    """Injection on the server's side alone: the client sees only the server's own reset for a socket that is gone."""

    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello()
        if not near:
            talk.wait(26).own("R", seq=talk.us.next, options=b"", window=8192, ipid=1, ttl=61)
        talk.wait(50).them("R", seq=talk.server.next, ipid=0, options=b"", window=0)

    verdict, explanation = both(story)
    assert verdict.verdict == "blocked"
    assert str(verdict.technique).startswith("rst")
    record = list(explanation.records)[1]
    assert any(o.get("server_packets") for o in record["observations"])


def test_a_hello_that_never_reached_the_server_was_dropped_on_the_way_there() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake()
        talk.hello(lost=not near)
        talk.again(200, 400, 800, 1600, lost=not near)

    verdict, _ = both(story)
    assert (verdict.verdict, verdict.technique, verdict.direction) == ("blocked", "drop.hello", "to-server")


def test_acknowledgements_that_never_reached_the_client_were_dropped_on_the_way_back() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello()
        for pause in (200, 400, 800, 1600):
            talk.again(pause)
            if not near:
                talk.wait(0.2).them("A")

    verdict, _ = both(story)
    assert (verdict.verdict, verdict.technique, verdict.direction) == ("blocked", "drop.hello", "to-client")


def test_an_answer_that_never_reached_the_client_was_dropped() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello().acknowledge()
        start = talk.server.next
        for pause in (1, 300, 600, 1200, 2400):
            talk.wait(pause)
            if not near:
                talk.server.next = start
                talk.them("PA", b"\x16\x03\x03\x00\x40" + bytes(64))

    verdict, _ = both(story)
    assert (verdict.verdict, verdict.technique, verdict.direction) == ("blocked", "drop.answer", "to-client")


def test_a_server_that_acknowledged_and_said_nothing_is_hung_at_both_ends() -> None:
    def story(talk: Talk, near: bool) -> None:
        talk.handshake().hello().acknowledge().wait(6000).own("FA").wait(50).them("A")

    verdict, _ = both(story)
    assert verdict.verdict == "down"


def test_a_server_capture_of_other_connections_changes_nothing() -> None:
    near, far = Scene(), Scene(point=1.0)
    near.works("fine.example", at=0)
    near.talk("odd.example", at=1000).handshake().hello().acknowledge().them("RA")
    far.works("else.example", at=0, port=50_001)
    alone = [j.verdict for j in explain(near.capture(), database=database()).judgements]
    beside = [j.verdict for j in explain(near.capture(), database=database(), server_side=far.capture()).judgements]
    assert alone == beside
