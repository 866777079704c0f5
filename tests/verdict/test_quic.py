"""QUIC Initials that stay unanswered for one name, and everything else that leaves Initials unanswered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dpiprobe.explain import explain
from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.quic_initial import build_initial, crypto_frame, initial_keys
from dpiprobe.verdict.model import Judgement

from .scene import CLIENT, SERVER, Scene, captured, database, datagram

BACK_OFF = (0, 1000, 3000, 7000)
"""ms: probe timeouts of RFC 9002 with its initial round trip, doubled."""


class Quic:
    """QUIC conversations of one client with one server; `near` and `far` are the captures of both ends."""

    def __init__(self) -> None:
        self.near, self.far = Scene(), Scene()
        self.count = 0

    def speak(
        self, name: str, at: float, *, copies: Sequence[float] = BACK_OFF, answered: bool = False, arrives: bool = True, lost: bool = False, size: int = 1200
    ) -> int:
        """Initials for a name; answered: the server answers the last · arrives: they come to the server · lost: only its answer does not."""
        self.count += 1
        port, dcid = 50_000 + self.count, self.count.to_bytes(8, "big")
        message = client_hello(name, b"tests")[5:]
        for number, after in enumerate((0.0,) if answered else copies):
            packet = datagram(CLIENT, SERVER, port, 443, build_initial(crypto_frame(0, message), dcid, number=number, size=size))
            self.near.add(at + after, packet)
            if arrives:
                self.far.add(at + after + 25, packet)
            if answered or lost:
                reply = build_initial(b"\x02\0\0\0\0", b"", scid=b"server00", number=number, keys=initial_keys(dcid, 1, "server"))
                back = datagram(SERVER, CLIENT, 443, port, reply)
                self.far.add(at + after + 25, back)
                if answered:
                    self.near.add(at + after + 50, back)
        return port

    def controls(self, times: Sequence[float]) -> None:
        """Another name, answered."""
        for at in times:
            self.speak("fine.example", at, answered=True)

    def judged(self, port: int, *, both: bool = False, controls: Sequence[str] = ()) -> Judgement:
        far = captured(self.far.ordered()) if both else None
        found = explain(captured(self.near.ordered()), database=database(), server_side=far, controls=controls)
        return next(j for j in found.judgements if int(found.flows.client_port[j.flow]) == port)


def between(trials: int, controls: int, **settings: object) -> tuple[Quic, int]:
    """Silent trials of a name between answered ones of another."""
    quic = Quic()
    quic.controls([i * 100.0 for i in range(controls // 2)])
    ports = [quic.speak("odd.example", 10_000 + i * 60_000, **settings) for i in range(trials)]  # type: ignore[arg-type]
    quic.controls([12_000 + trials * 60_000 + i * 100.0 for i in range(controls - controls // 2)])
    return quic, ports[0]


def test_a_name_whose_initials_stay_unanswered_is_dropped() -> None:
    quic, port = between(3, 6)
    found = quic.judged(port)
    assert (found.verdict, found.technique, found.mechanism, found.signature) == ("blocked", "quic.drop", "quic.timeout.sni", "quic.drop")
    assert (found.trigger, found.position) == ("name", "in-path")
    assert "4 Initials over 7.0 s" in found.reasons[0] and "fine.example" in found.reasons[0]


def test_one_trial_against_few_controls_may_be_a_dead_machine_behind_a_balancer() -> None:
    quic, port = between(1, 6)
    found = quic.judged(port)
    assert (found.verdict, found.because, found.technique) == ("insufficient", "too-few-trials", "quic.drop")


def test_one_trial_against_many_controls_is_none() -> None:
    quic, port = between(1, 20)
    assert quic.judged(port).verdict == "blocked"


def test_one_initial_alone_says_nothing() -> None:
    quic, port = between(3, 6, copies=(0,))
    found = quic.judged(port)
    assert (found.verdict, found.because) == ("insufficient", "too-few-trials")


def test_copies_made_by_the_capture_are_no_retransmissions() -> None:
    quic, _port = between(3, 6, copies=(0,))
    rows = sorted((t + k * 2000, p) for t, p in quic.near.ordered() for k in range(4))
    found = explain(captured(rows), database=database())
    assert {j.verdict for j in found.judgements} == {"ok", "insufficient"}


def test_quic_that_is_dropped_for_all_names_has_no_control() -> None:
    quic = Quic()
    port = quic.speak("odd.example", 0)
    for i in range(6):
        quic.speak("fine.example", 10_000 * (i + 1))
    found = quic.judged(port)
    assert (found.verdict, found.because) == ("insufficient", "no-control")
    assert "udp-filtered" in found.could_be


@pytest.mark.parametrize("times", [[0.0, 100, 200, 300, 400, 500], [300_000.0, 300_100, 300_200, 300_300, 300_400, 300_500]], ids=["before", "after"])
def test_controls_on_one_side_in_time_are_not_enough(times: list[float]) -> None:
    quic = Quic()
    quic.controls(times)
    ports = [quic.speak("odd.example", 10_000 + 60_000.0 * i) for i in range(3)]
    assert quic.judged(ports[0]).because == "no-control"


def test_a_name_that_is_answered_at_other_times_is_not_dropped() -> None:
    quic, port = between(2, 6)
    quic.speak("odd.example", 400_000, answered=True)
    quic.speak("odd.example", 401_000, answered=True)
    assert quic.judged(port).verdict == "insufficient"


def test_larger_datagrams_than_the_controls_may_be_too_large() -> None:
    quic, port = between(3, 6, size=1400)
    assert quic.judged(port).verdict == "insufficient"


def test_a_path_that_is_dead_meanwhile_is_no_filter() -> None:
    quic, port = between(3, 6)
    for i in range(3):
        for k in range(6):
            packet = datagram(CLIENT, "198.51.100.99", 40_000, 443, build_initial(b"\x01", b"elsewhere", number=6 * i + k))
            quic.near.add(10_500 + 60_000 * i + 500 * k, packet)
    assert quic.judged(port).verdict == "insufficient"


def test_with_the_servers_capture_it_is_seen_where_they_were_lost() -> None:
    quic, port = between(1, 4, arrives=False)
    found = quic.judged(port, both=True)
    assert (found.verdict, found.technique, found.direction, found.confidence) == ("blocked", "quic.drop", "to-server", "high")
    quic, port = between(1, 4, lost=True)
    found = quic.judged(port, both=True)
    assert (found.verdict, found.technique, found.direction) == ("blocked", "quic.drop", "to-client")


def test_with_the_servers_capture_a_silent_server_is_cleared() -> None:
    quic, port = between(3, 6)
    found = quic.judged(port, both=True)
    assert (found.verdict, found.technique) == ("down", None)
