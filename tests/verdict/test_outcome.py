"""How a flow ends, without blame."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpiprobe.explain import explain
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.verdict import plain_outcomes
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.outcome import outcome_of
from dpiprobe.verdict.plain_outcomes import outcomes_of
from dpiprobe.verdict.view import Views
from tests.verdict.innocents import STORIES
from tests.verdict.scene import PAGE, Scene, Talk, alert, captured, database, flight, record

ENDS: dict[str, tuple[Callable[[Talk], object], str]] = {
    "answered and closed": (lambda t: t.handshake().hello().acknowledge().answer().request().response().close(), "worked"),
    "answered, still open": (lambda t: t.handshake().hello().acknowledge().answer(), "worked"),
    "reset": (lambda t: t.handshake().hello().rtt_later("RA"), "reset"),
    "reset after our close": (lambda t: t.handshake().hello().acknowledge().answer().own("FA").rtt_later("R", options=b""), "worked"),
    "reset that nobody believed": (
        lambda t: (
            t.handshake()
            .hello()
            .wait(9)
            .forged("R", seq=t.server.next - 9, believed=False)
            .wait(41)
            .them("A")
            .answer()
            .request()
            .response()
        ),
        "worked",
    ),
    "closed": (lambda t: t.handshake().hello().rtt_later("FA").own("A"), "closed"),
    "close of a server that never heard": (
        lambda t: t.handshake().hello().again(300, 700, 2000).wait(9000).them("FA", ack=t.hello_seq),
        "silent",
    ),
    "alert": (lambda t: t.handshake().hello().rtt_later("PA", alert(112)), "alert"),
    "page": (lambda t: t.handshake().hello().rtt_later("PA", PAGE), "page"),
    "silent": (lambda t: t.handshake().hello().acknowledge().wait(20_000).own("FA"), "silent"),
    "gave up at once": (lambda t: t.handshake().hello().wait(100).own("FA"), "aborted"),
    "refused": (lambda t: t.syn().wait(50).them("RA", seq=0), "refused"),
    "refused, then accepted": (lambda t: t.syn().wait(12).them("RA", seq=0).wait(38).them("SA").own("R"), "refused"),
    "refused beside the handshake, and nobody believed it": (
        lambda t: t.syn().wait(12).them("RA", seq=0).wait(38).them("SA").own("A").hello().acknowledge().answer(), "worked",
    ),
    "unreachable": (lambda t: t.icmp(3, 1, t.send(t.us, "S", ack=0)), "unreachable"),
    "connected and let go": (lambda t: t.handshake().wait(3).own("FA"), "aborted"),
    "greeting of another protocol": (lambda t: t.handshake().wait(50).them("PA", b"220 mail.example ESMTP\r\n"), "worked"),
}


@pytest.mark.parametrize("how", ENDS)
def test_how_a_flow_ends(how: str) -> None:
    tell, outcome = ENDS[how]
    scene = Scene()
    talk = scene.talk("odd.example", 0)
    tell(talk)
    scene.works(at=90_000)
    assert talk.judged.outcome == outcome


def test_data_that_nobody_hears_any_more_is_a_stall() -> None:
    talk = Scene().talk("odd.example", 0).handshake().hello().acknowledge().answer(1500)
    body, start = record(300), talk.us.next
    talk.own("PA", body)
    for wait in (300, 900, 2500):
        talk.wait(wait).own("PA", body, seq=start)
    assert talk.judged.outcome == "stalled"


def test_data_that_is_answered_late_is_none() -> None:
    talk = Scene().talk("odd.example", 0).handshake().hello().acknowledge().answer(1500)
    body, start = record(300), talk.us.next
    talk.own("PA", body)
    for wait in (300, 900, 2500):
        talk.wait(wait).own("PA", body, seq=start)
    assert talk.response().judged.outcome == "worked"


def test_a_later_segment_that_comes_first_is_no_plaintext_answer() -> None:
    talk = Scene().talk("odd.example", 0).handshake().hello().acknowledge()
    start, data = talk.server.next, flight(3000)
    talk.server.next += len(data)
    talk.them("PA", data[1400:], seq=start + 1400).own("A", ack=start).wait(300).them("A", data[:1400], seq=start).own("A")
    assert talk.request().response().judged.outcome == "worked"


def test_a_reset_is_no_refusal_where_only_the_syn_ack_is_missing() -> None:
    scene = Scene()
    scene.talk("odd.example", 0).handshake().hello().wait(5).forged("RA")
    rows = [row for i, row in enumerate(scene.ordered()) if i in (0, 4)]  # the SYN and the reset
    judged = explain(captured(rows), database=database()).judgements
    assert [(j.outcome, j.because) for j in judged] == [("unseen", "capture-loss")]


def test_what_columns_alone_tell_is_what_a_closer_look_gives() -> None:
    scene = Scene()
    for i, story in enumerate(STORIES.values()):
        scene.works("fine.example", at=i * 60_000)
        story(scene, i * 60_000 + 2000)
    observed = observe(settle(scene.capture().packets))
    views = Views(observed)
    alone = [outcome_of(views(f)) for f in range(len(observed.flows))]
    assert list(outcomes_of(observed, views)) == alone
    decided = [decided for decided, _ in plain_outcomes._certain(columns_of(observed)).values()]
    assert max(sum(words) for words in zip(*(d.tolist() for d in decided), strict=True)) == 1
    assert sum(int(d.sum()) for d in decided) > len(alone) / 2, "columns leave most flows to the closer look"
