"""At which end a capture was taken, by which half of the handshake takes the time."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.capture.read import read_capture
from dpiprobe.cases.build import Tape
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.verdict.vantage import vantage


def seen(tmp_path: Path, tape: Tape) -> list[str | None]:
    tape.write(tmp_path / "t.pcap")
    return vantage(observe(settle(read_capture(tmp_path / "t.pcap").packets)))


def test_at_the_client_the_answer_takes_a_round_trip(tmp_path: Path) -> None:
    tape = Tape()
    tape.connection().works()
    assert seen(tmp_path, tape) == ["client"]


def test_at_the_server_the_acknowledgement_does(tmp_path: Path) -> None:
    tape = Tape()
    tape.connection().handshake_at_server().hello().acknowledge(0.1)
    assert seen(tmp_path, tape) == ["server"]


def test_in_the_middle_of_the_way_nothing_is_said(tmp_path: Path) -> None:
    tape = Tape()
    talk = tape.connection(rtt=20).syn().wait(20)
    talk._send(talk.them, "SA", ack=talk.us.next, ipid=0)
    talk.wait(30)._own("A").hello()
    assert seen(tmp_path, tape) == [None]


def test_a_round_trip_too_short_to_tell(tmp_path: Path) -> None:
    tape = Tape()
    tape.connection(rtt=0.3).works()
    assert seen(tmp_path, tape) == [None]


def test_without_a_whole_handshake_nothing_is_said(tmp_path: Path) -> None:
    tape = Tape()
    tape.connection().syn()
    assert seen(tmp_path, tape) == [None]
