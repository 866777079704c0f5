"""Which flows serve as controls."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.explain import Explanation
from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, NO_TRIGGER, OTHER_DATA, Flows, Trigger
from dpiprobe.verdict.control import STATES, choose_controls
from dpiprobe.verdict.fine import Fine
from dpiprobe.verdict.judgements import Judgements
from dpiprobe.verdict.model import Judgement, Outcome
from dpiprobe.verdict.names import judge_names
from dpiprobe.verdict.records import gather_names
from dpiprobe.verdict.trials import NAMED
from tests.verdict.scene import Scene


def worked(explanation: Explanation, flow: int) -> list[int]:
    return list(explanation.controls.worked[flow])


def test_other_names_at_the_same_address_and_port_are_controls() -> None:
    scene = Scene()
    for i, settings in enumerate(
        ({}, {"server": "198.51.100.99"}, {"server_port": 8443}, {"client": "192.0.2.99"}),
    ):
        scene.works("fine.example", at=i * 1000, **settings)  # type: ignore[arg-type]
    scene.works("odd.example", at=9000)
    explanation = scene.explain()
    assert worked(explanation, 4) == [0]
    assert worked(explanation, 0) == [4]


def test_a_name_is_no_control_of_itself() -> None:
    scene = Scene()
    scene.works("odd.example", at=0)
    scene.works("odd.example", at=1000)
    assert worked(scene.explain(), 0) == []


def test_designated_names_alone_count_and_have_no_controls_themselves() -> None:
    scene = Scene()
    for i, name in enumerate(("odd.example", "fine.example", "other.example")):
        scene.works(name, at=i * 1000)
    explanation = scene.explain(controls=("fine.example",))
    assert worked(explanation, 0) == [1]
    assert worked(explanation, 1) == []


def test_a_control_that_failed_is_told_apart_from_none() -> None:
    scene = Scene()
    scene.talk("fine.example", 0).handshake().hello().rtt_later("RA")
    scene.talk("odd.example", 1000).handshake().hello().rtt_later("RA")
    controls = scene.explain().controls
    assert [controls.state(0), controls.state(1)] == ["fails", "fails"]


def test_a_client_that_hung_up_says_nothing_about_a_name() -> None:
    scene = Scene()
    scene.talk("fine.example", 0).handshake().hello().wait(3).own("RA")
    scene.works("odd.example", at=1000)
    assert scene.explain().controls.state(1) == "absent"


KINDS = st.sampled_from((NO_TRIGGER, CLIENT_HELLO, HTTP_REQUEST, OTHER_DATA))
NAMES = st.sampled_from((None, "", *(f"{letter}.example" for letter in "abcdefghijklm")))
WORDS = st.sampled_from(("worked", "reset", "silent", "aborted", "unseen"))
ROLES = st.sampled_from((None, None, "test", "control", "random-control"))
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(443, 444), KINDS, NAMES, WORDS, ROLES), max_size=40)
Row = tuple[int, int, int, int, str | None, str, str | None]


def table(rows: Sequence[Row]) -> Any:
    """What the choice of controls asks of an observed batch."""
    columns = ("client", "server", "server_port", "trigger_kind")
    numbers = {name: np.array([row[i] for row in rows], np.int64) for i, name in enumerate(columns)}
    triggers = [Trigger(row[3], row[4]) if row[3] != NO_TRIGGER else None for row in rows]
    packets = SimpleNamespace(addresses=[bytes(4), bytes(3) + b"\1"])

    class Batch(SimpleNamespace):
        def __len__(self) -> int:
            return len(rows)

        shared: Any = None
        requests = Flows.requests

    kept: dict[str, Any] = {}
    observed = SimpleNamespace(flows=Batch(**numbers, triggers=triggers, packets=packets, numbers=None, label=lambda f: f + 1))
    observed.once = lambda key, work: kept.setdefault(key, None) or kept.update({key: work(observed)}) or kept[key]
    return observed


def plainly(rows: Sequence[Row], fixed: Collection[str], designated: bool) -> list[tuple[list[int], list[int]]]:
    """The controls of each flow that worked and that failed, name after name, by their first flow."""

    def control(row: Row) -> bool:
        return row[6] in ("control", "random-control") if row[6] is not None else (row[4] if row[3] else None) in fixed

    out: list[tuple[list[int], list[int]]] = []
    for row in rows:
        place = [(g, other) for g, other in enumerate(rows) if other[:4] == row[:4]]
        own = [(g, other) for g, other in place if other[4] == row[4]]
        if row[3] not in (CLIENT_HELLO, HTTP_REQUEST) or (designated and control(own[0][1])):
            out.append(([], []))
            continue
        names = list(dict.fromkeys(other[4] for _, other in place if other[4] != row[4]))
        serving = [(g, other) for name in names for g, other in place if other[4] == name and (control(other) or not designated)]
        worked = [g for g, other in serving if other[5] == "worked"]
        out.append((worked, [g for g, other in serving if other[5] in ("reset", "silent")]))
    return out


@given(ROWS, st.sampled_from(((), ("a.example", "b.example"))), st.booleans())
def test_controls_of_any_flows(rows: list[Row], fixed: tuple[str, ...], roles: bool) -> None:
    observed, outcomes = table(rows), [Outcome(row[5]) for row in rows]
    given_roles = [row[6] if roles else None for row in rows]
    rows = [(*row[:6], role) for row, role in zip(rows, given_roles, strict=True)]
    controls = choose_controls(observed, outcomes, given_roles, fixed)
    expected = plainly(rows, fixed, bool(fixed) or any(given_roles))
    assert [(list(w), list(f)) for w, f in zip(controls.worked, controls.failed, strict=True)] == expected
    assert [controls.state(f) for f in range(len(rows))] == ["completes" if w else "fails" if f else "absent" for w, f in expected]
    assert [STATES[n] for n in controls.state_numbers.tolist()] == [controls.state(f) for f in range(len(rows))]
    third = np.arange(len(rows)) % 3 == 0
    some = controls.worked.some(third)[controls.named.of]
    assert some.tolist() == [any(third[g] for g in w) for w, _ in expected]


@given(ROWS, st.dictionaries(st.integers(0, 39), NAMES.filter(bool)))
def test_the_controls_that_a_name_has_are_those_of_its_flows(rows: list[Row], planned: dict[int, str]) -> None:
    observed = table(rows)
    controls = choose_controls(observed, [Outcome(row[5]) for row in rows], [None] * len(rows))
    nothing = np.empty(0, np.int64)
    judgements = Judgements(Fine(nothing, nothing, nothing, nothing), [Judgement(f) for f in range(len(rows))])
    found = judge_names(gather_names(observed.flows, judgements, controls, planned))
    triggers = observed.flows.triggers
    groups: dict[tuple[str, str | None], list[int]] = {}
    for f, row in enumerate(rows):
        name = triggers[f].server_name if triggers[f] is not None else planned.get(f)
        groups.setdefault((f"0.0.0.{row[1]}:{row[2]}", name), []).append(f)
    expected = {}
    for (server, name), members in groups.items():
        pools = [{tuple(side[f]): side[f] for f in members if side[f]} for side in (controls.worked, controls.failed)]
        by_client = [{(rows[f][0], rows[f][3]): side[f] for f in members} for side in (controls.worked, controls.failed)]
        names = sorted({n for pool in pools for peers in pool for g in peers if (n := triggers[g].server_name) and n != name})[:NAMED]
        ok, failed = (sum(map(len, side.values())) for side in by_client)
        expected[server, name] = {"names": names, "ok": ok, "failed": failed}
    assert {(one.server, one.server_name): one.controls for one in found} == expected
    assert [list(one.flows) for one in found] == sorted(groups.values())
