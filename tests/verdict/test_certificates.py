"""Whose certificates a flow and its controls were shown."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.capture.read import read_capture
from dpiprobe.cases.build import Tape
from dpiprobe.cases.certificate import certificate, flight
from dpiprobe.flow.flows import CLIENT_HELLO
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.tls.server import issuer
from dpiprobe.verdict.certificates import _issuer, compare_issuers, may_show
from dpiprobe.verdict.control import choose_controls
from dpiprobe.verdict.outcome import outcome_of
from dpiprobe.verdict.view import FlowView


def compared(tmp_path: Path, *talks: tuple[str, str]) -> list[str | None]:
    tape = Tape()
    for i, (name, authority) in enumerate(talks):
        talk = tape.connection(name=name, begin=1000 * i).handshake().hello().acknowledge()
        talk.says(flight(f"{i}", certificate(name, authority)), after=1.0).request().response().close()
    tape.write(tmp_path / "t.pcap")
    observed = observe(settle(read_capture(tmp_path / "t.pcap").packets))
    outcomes = [outcome_of(FlowView(observed, f)) for f in range(len(talks))]
    controls = choose_controls(observed, outcomes, [None] * len(talks))
    return compare_issuers(observed, controls, range(len(talks)))


def test_the_issuer_is_read_from_a_certificate() -> None:
    assert b"Some CA" in (issuer(certificate("a.example", "Some CA")) or b"")
    assert issuer(b"\x30\x03abc") is None


def test_another_authority_than_that_of_all_controls(tmp_path: Path) -> None:
    assert compared(tmp_path, ("a.example", "Public"), ("b.example", "Box"), ("c.example", "Public"))[1] == "differs"


def test_the_same_authority(tmp_path: Path) -> None:
    assert compared(tmp_path, ("a.example", "Public"), ("b.example", "Public")) == ["same", "same"]


def test_controls_that_do_not_agree_say_nothing(tmp_path: Path) -> None:
    assert compared(tmp_path, ("a.example", "Public"), ("b.example", "Box"), ("c.example", "Other"))[1] is None


def test_one_name_alone_has_no_control(tmp_path: Path) -> None:
    assert compared(tmp_path, ("a.example", "Public"), ("a.example", "Other")) == [None, None]


def test_who_may_not_show_a_certificate_shows_none() -> None:
    told = 0
    for path in sorted((Path(__file__).parents[2] / "pcaps").rglob("*.pcap*"))[::3]:
        observed = observe(settle(read_capture(str(path), path.name).packets))
        may, seen = may_show(observed), dict[int, bytes | None]()
        hidden = [f for f in range(len(may)) if not may[f] and observed.flows.trigger_kind[f] == CLIENT_HELLO]
        told += len(hidden)
        assert [f for f in hidden if _issuer(observed, f, seen) is not None] == [], path
    assert told > 100
