"""The time-sequence graph of a flow."""

from __future__ import annotations

from dpiprobe.capture.read import read_capture
from dpiprobe.explain import explain
from dpiprobe.report.plot import HEIGHT, draw
from dpiprobe.signature.database import load
from tests.conftest import ROOT


def graph(case: str, flow: int, room: int | None = None) -> list[str]:
    """The graph of one flow of a recorded case."""
    explanation = explain(read_capture(ROOT / "pcaps" / "match" / case / "test.pcap"), database=load())
    record = next(r for r in explanation.records if r.get("flow") == flow)
    return draw(explanation.flows, flow - 1, record, room=room)


def test_both_directions_have_a_grid_and_a_scale() -> None:
    lines = graph("gfw-triple", 2)
    heads = [i for i, line in enumerate(lines) if line.endswith("bytes of the stream")]
    assert [lines[i].split(":")[0] for i in heads] == ["server -> client", "client -> server"]
    for head in heads:
        assert all(line[10] == "|" for line in lines[head + 1 : head + 1 + HEIGHT])
        assert lines[head + 1 + HEIGHT].lstrip().startswith("+-50.3 ms")


def test_evidence_is_marked_before_all_else() -> None:
    lines = graph("gfw-triple", 2)
    assert "*" in "".join(lines[1 : 1 + HEIGHT]) and "* evidence" in lines[-1]
    assert "S" in "".join(lines[1 : 1 + HEIGHT]) and "r data sent again" not in lines[-1]


def test_what_is_sent_again_shows_as_such() -> None:
    lines = graph("policed", 2)
    assert "r data sent again" in lines[-1] and any("r" in line[11:] for line in lines[1 : 1 + HEIGHT])


def test_it_keeps_to_the_screen() -> None:
    assert max(map(len, graph("policed", 2, 60)[:-1])) <= 60
