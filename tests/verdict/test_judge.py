"""Verdicts as a whole: what they must not depend on, and where they may only get weaker."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.explain import explain
from dpiprobe.verdict.model import Judgement
from tests.verdict.scene import CLIENT, PAGE, SERVER, Scene, Talk, alert, captured, database

Guilty = Callable[[Talk], object]
GUILTY: dict[str, Guilty] = {
    "burst": lambda t: t.wait(5).forged("RA", copies=3, ipid=0x4242, window=1541, df=True).wait(45).them("A").wait(1).answer(),
    "in-path": lambda t: t.wait(5).forged("RA"),
    "alert": lambda t: t.wait(5).forged("PA", alert(40)).wait(0.05).own("A").own("FA"),
    "page": lambda t: t.wait(5).forged("FPA", PAGE).wait(0.05).own("A").own("FA"),
    "drop": lambda t: t.again(200, 400, 800, 1600, 3200),
    "prohibited": lambda t: t.wait(5).icmp(*((1, 1) if t.scene.v6 else (3, 13)), t.hello_packets[0]).again(200, 400, 800, 1600),
}


def scene_of(
    guilty: Guilty, *, v6: bool = False, client: str = CLIENT, server: str = SERVER, port: int = 40_000, server_port: int = 443
) -> Scene:
    """The guilty connection three times between connections of another name."""
    scene = Scene(v6=v6)
    ends: dict[str, Any] = {"server_port": server_port} if v6 else {"client": client, "server": server, "server_port": server_port}
    for i in range(4):
        scene.works(at=60_000 * i, port=port + 2 * i, **ends)
        if i:
            guilty(scene.talk("odd.example", 60_000 * i + 20_000, port=port + 2 * i + 1, **ends).handshake().hello())
    scene.works(at=270_000, port=port + 20, **ends)
    return scene


def words(judgements: list[Judgement]) -> list[tuple[object, ...]]:
    return [
        (
            j.flow,
            j.outcome,
            j.verdict,
            j.because,
            j.mechanism,
            j.technique,
            tuple(j.techniques),
            j.trigger,
            j.position,
            j.confidence,
            j.signature,
        )
        for j in judgements
    ]


@pytest.mark.parametrize("kind", GUILTY)
def test_addresses_and_ports_do_not_matter(kind: str) -> None:
    here = scene_of(GUILTY[kind]).explain().judgements
    there = scene_of(GUILTY[kind], client="203.0.113.200", server="192.0.2.1", port=51_000, server_port=8443).explain().judgements
    assert words(here) == words(there)


@pytest.mark.parametrize("kind", GUILTY)
def test_unrelated_flows_do_not_matter(kind: str) -> None:
    scene = scene_of(GUILTY[kind])
    alone = {j.flow: w for j, w in zip(scene.explain().judgements, words(scene.explain().judgements), strict=True)}
    for at in (15_000.0, 80_300.0, 200_000.0):
        scene.works("elsewhere.example", at=at, client="192.0.2.77", server="203.0.113.50")
    explanation = scene.explain()
    mine = [t.judgement(explanation) for t in scene.talks if t.name != "elsewhere.example"]
    assert sorted(w[1:] for w in words(mine)) == sorted(w[1:] for w in alone.values())


RANK = {"insufficient": 0, "down": 0, "ok": 0, "contested": 1, "blocked": 2}


@cache
def whole(kind: str) -> tuple[Scene, dict[int, Judgement]]:
    scene = scene_of(GUILTY[kind])
    return scene, by_port(scene.ordered())


def by_port(rows: list[tuple[int, bytes]]) -> dict[int, Judgement]:
    explanation = explain(captured(rows), database=database())
    return {int(explanation.flows.client_port[j.flow]): j for j in explanation.judgements}


def related(a: str, b: str) -> bool:
    return a == b or a.startswith(b + ".") or b.startswith(a + ".")


@pytest.mark.parametrize("kind", GUILTY)
@settings(max_examples=15, deadline=None)
@given(share=st.floats(0, 1), first=st.booleans())
def test_a_part_of_the_capture_may_say_less_never_more_or_other(kind: str, share: float, first: bool) -> None:
    scene, full = whole(kind)
    rows = scene.ordered()
    cut = int(share * len(rows))
    for port, part in by_port(rows[:cut] if first else rows[cut:]).items():
        if part.verdict in ("blocked", "contested"):
            assert full[port].verdict in ("blocked", "contested"), (port, part.reasons)
            assert part.technique is not None
            assert full[port].technique is not None
            assert any(related(part.technique, t) for t in full[port].techniques), (part.technique, full[port].techniques)


@pytest.mark.parametrize("kind", GUILTY)
def test_ipv6_may_say_less_never_more_or_other(kind: str) -> None:
    four = scene_of(GUILTY[kind]).explain().judgements
    six = scene_of(GUILTY[kind], v6=True).explain().judgements
    for a, b in zip(four, six, strict=True):
        assert RANK[b.verdict] <= RANK[a.verdict]
        if b.verdict in ("blocked", "contested"):
            assert a.technique is not None
            assert b.technique is not None
            assert related(a.technique, b.technique)


@pytest.mark.parametrize("kind", GUILTY)
def test_the_guilty_are_found_in_the_whole_capture(kind: str) -> None:
    scene = scene_of(GUILTY[kind])
    explanation = scene.explain()
    found = {t.judgement(explanation).verdict for t in scene.talks if t.name == "odd.example"}
    assert found == {"blocked"}
    assert {t.judgement(explanation).verdict for t in scene.talks if t.name == "fine.example"} == {"ok"}


@pytest.mark.parametrize("kind", GUILTY)
def test_every_accusation_names_packets_and_says_why(kind: str) -> None:
    explanation = scene_of(GUILTY[kind]).explain()
    for judgement in explanation.judgements:
        if judgement.verdict == "blocked":
            assert judgement.reasons
            proof = [e for e in judgement.evidence if e.sufficient]
            assert proof
            assert all(e.slots and e.reason for e in proof)


def test_the_same_capture_gives_the_same_records() -> None:
    scene = scene_of(GUILTY["burst"])
    assert list(scene.explain().records) == list(scene.explain().records)


def test_without_a_working_control_the_name_is_not_blamed() -> None:
    scene = Scene()
    talk = scene.talk("odd.example", 0).handshake().hello().wait(5).forged("RA", copies=3, ipid=0x4242, window=1541, df=True)
    judged = talk.wait(45).them("A").wait(1).answer().judged
    assert (judged.verdict, judged.mechanism, judged.trigger) == ("blocked", "tls.reset", "unknown")


def test_a_box_that_let_one_hello_pass_has_swallowed_none() -> None:
    """The hello was lost behind the box in one trial; in another the forged reset was."""
    scene = Scene()
    scene.works(at=0)
    scene.talk("odd.example", 1000).handshake().hello().wait(5).forged("RA")
    scene.works(at=60_000)
    scene.talk("odd.example", 70_000).handshake().hello().acknowledge().answer().request().response().close()
    first = scene.talks[1].judged
    assert (first.verdict, first.technique, first.position) == ("blocked", "rst", "unknown")


def test_an_unreachable_capture_of_nothing_is_judged_as_nothing() -> None:
    assert not Scene().explain().judgements
