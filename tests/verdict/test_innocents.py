"""A false accusation is worse than none: innocent traffic of every kind, whole and spoilt, must never be called interference."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpiprobe.explain import explain
from dpiprobe.wire.build import address
from tests.verdict.innocents import ONCE, STORIES
from tests.verdict.scene import CLIENT, CLIENT6, PAGE, Scene, Talk, alert, captured, database, flight, record

Rows = list[tuple[int, bytes]]


def told(
    names: Sequence[str], *, v6: bool = False, timestamps: bool = True, times: int = 1, point: float = 0.0, rtt: float = 50.0
) -> Scene:
    """The stories, each between connections of another name that work: the hardest surroundings for an innocent."""
    scene = Scene(v6=v6, point=point)
    scene.works(at=0, timestamps=timestamps, rtt=rtt)
    scene.works(at=500, timestamps=timestamps, rtt=rtt)
    at = 10_000.0
    for name in names:
        for _ in range(times):
            STORIES[name](scene, at, timestamps=timestamps, rtt=rtt)
            scene.works(at=at + 80_000, timestamps=timestamps, rtt=rtt)
            at += 100_000
    return scene


def accusations(rows: Rows) -> list[str]:
    """Flows of spoilt rows that are held to be interfered with."""
    judged = explain(captured(rows), database=database()).judgements
    return [f"flow {j.flow + 1} {j.technique}: {'; '.join(j.reasons)}" for j in judged if j.verdict in ("blocked", "contested")]


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("timestamps", [True, False], ids=["timestamps", "bare"])
def test_an_innocent_story_is_no_accusation(name: str, timestamps: bool) -> None:
    scene = told([name], timestamps=timestamps)
    assert scene.accusations() == []
    assert scene.accusations(controls=("fine.example",)) == []


@pytest.mark.parametrize("name", STORIES)
def test_nor_is_it_in_ipv6(name: str) -> None:
    assert told([name], v6=True).accusations() == []


@pytest.mark.parametrize("name", sorted(set(STORIES) - ONCE))
@pytest.mark.parametrize("timestamps", [True, False], ids=["timestamps", "bare"])
def test_nor_does_repetition_make_one_guilty(name: str, timestamps: bool) -> None:
    assert told([name], timestamps=timestamps, times=3).accusations() == []


@pytest.mark.parametrize("name", sorted(set(STORIES) - ONCE))
@pytest.mark.parametrize("point", [0.5, 1.0], ids=["half way", "at the server"])
def test_nor_does_the_place_of_the_capture(name: str, point: float) -> None:
    assert told([name], timestamps=False, times=3, point=point).accusations() == []


def is_client(packet: bytes) -> bool:
    source = packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]
    return source in (address(CLIENT), address(CLIENT6))


def copies(count: int, gap: float, only: bool | None = None) -> Callable[[Rows, random.Random], Rows]:
    """Each packet (of one side) `count` times, `gap` ms apart, as mirror ports and bridges show them."""

    def spoil(rows: Rows, rng: random.Random) -> Rows:
        repeated = [(t + k * int(gap * 1e6), p) for t, p in rows for k in range(count if only is None or is_client(p) is only else 1)]
        return sorted(repeated, key=lambda row: row[0])

    return spoil


def lost(share: float, only: bool | None = None) -> Callable[[Rows, random.Random], Rows]:
    """The capture missed a share of the packets (of one side)."""
    return lambda rows, rng: [r for r in rows if rng.random() >= share or (only is not None and is_client(r[1]) is not only)]


def shuffled(distance: float) -> Callable[[Rows, random.Random], Rows]:
    """Packets stand in the file up to so many places away from where they belong."""
    return lambda rows, rng: [r for _, r in sorted((i + rng.random() * distance, r) for i, r in enumerate(rows))]


def clock_jumps(ms: float) -> Callable[[Rows, random.Random], Rows]:
    """The capture's clock is set by `ms` somewhere."""

    def spoil(rows: Rows, rng: random.Random) -> Rows:
        place = rng.randrange(len(rows))
        return [(t + (int(ms * 1e6) if i >= place else 0), p) for i, (t, p) in enumerate(rows)]

    return spoil


SPOILT: dict[str, Callable[[Rows, random.Random], Rows]] = {
    "doubled by a mirror": copies(2, 0.002),
    "tripled by a mirror": copies(3, 0.01),
    "tripled by a slow bridge": copies(3, 2),
    "server's side tripled": copies(3, 0.01, only=False),
    "cut to 54 bytes": lambda rows, rng: [(t, p[:54]) for t, p in rows],
    "cut to 96 bytes": lambda rows, rng: [(t, p[:96]) for t, p in rows],
    "client's side only": lost(1, only=False),
    "server's side only": lost(1, only=True),
    "8 % not captured": lost(0.08),
    "20 % of the client not captured": lost(0.2, only=True),
    "60 % of the server not captured": lost(0.6, only=False),
    "file order shaken": shuffled(3),
    "clock set back 45 ms": clock_jumps(-45),
    "clock set back 1 s": clock_jumps(-1000),
    "clock set forward 1 s": clock_jumps(1000),
    "begins in the middle": lambda rows, rng: rows[rng.randrange(len(rows)) :],
    "ends in the middle": lambda rows, rng: rows[: rng.randrange(len(rows))],
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_capture_of_innocents_is_no_accusation(how: str) -> None:
    for name in sorted(set(STORIES) - {"two_transfers_in_one_outage", "path_is_out_for_five_seconds_at_the_hello"}):
        rng = random.Random(f"{how} {name}")
        timestamps = rng.random() < 0.5
        rows = SPOILT[how](told([name], timestamps=timestamps).ordered(), rng)
        assert accusations(rows) == [], f"{name}, timestamps {timestamps}"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=st.lists(st.sampled_from(sorted(set(STORIES) - ONCE)), min_size=1, max_size=5),
    timestamps=st.booleans(),
    v6=st.booleans(),
    rtt=st.sampled_from([2.0, 20.0, 50.0, 180.0, 600.0]),
    share=st.sampled_from([0.0, 0.0, 0.02, 0.08]),
    seed=st.integers(0, 1000),
)
def test_no_mixture_of_innocents_accuses(names: list[str], timestamps: bool, v6: bool, rtt: float, share: float, seed: int) -> None:
    rows = lost(share)(told(names, v6=v6, timestamps=timestamps, rtt=rtt).ordered(), random.Random(seed))
    assert accusations(rows) == []


def genuine(talk: Talk, moves: Sequence[str], gaps: Sequence[float], bare: bool) -> None:
    """A server that does what servers do, in any order, a round trip or more after the hello; the client reacts as kernels do."""
    talk.handshake().hello().wait(talk.rtt)
    ended = False
    for move, gap in zip(moves, gaps, strict=True):
        talk.wait(gap)
        options = b"" if bare else None
        if ended is not (move == "reset again"):
            continue
        match move:
            case "ack" | "challenge":
                talk.them("A")
            case "hello" | "data":
                talk.them("PA", flight(1200, f"{gap}") if move == "hello" else record(700, f"{gap}")).own("A")
            case "repeat":
                talk.them("PA", record(400), seq=talk.server.next)
                talk.server.next += 400
                talk.wait(200).them("PA", record(400), seq=talk.server.next - 400).own("A")
            case "alert":
                talk.them("PA", alert(int(gap) % 120))
            case "page":
                talk.them("PA", PAGE)
            case "keep alive":
                talk.them("A", b"\0", seq=talk.server.next - 1).own("A")
            case "close":
                talk.them("FA").wait(0.1).own("A")
                ended = True
            case "reset":
                talk.them("RA", options=options)
                talk.gone = ended = True
            case "bare reset":
                talk.them("R", options=b"", window=0, ipid=0)
                talk.gone = ended = True
            case "reset again":
                talk.them("R", options=b"", window=0, ipid=0)
            case "ask":
                talk.own("PA", record(100, f"{gap}")).wait(talk.rtt)
            case "leave":
                talk.own("FA").wait(talk.rtt)


MOVES = [
    "ack", "challenge", "hello", "data", "repeat", "alert", "page", "keep alive", "close", "reset", "bare reset", "reset again", "ask", "leave",
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    moves=st.lists(st.sampled_from(MOVES), min_size=1, max_size=8),
    gap=st.lists(st.floats(0, 4000), min_size=8, max_size=8),
    quick=st.booleans(),
    timestamps=st.booleans(),
    bare=st.booleans(),
    v6=st.booleans(),
    times=st.integers(1, 3),
    ttl=st.integers(40, 64),
)
def test_whatever_a_genuine_server_does_is_no_accusation(
    moves: list[str], gap: list[float], quick: bool, timestamps: bool, bare: bool, v6: bool, times: int, ttl: int
) -> None:
    scene = Scene(v6=v6)
    for at in (0.0, 500.0, 400_000.0):
        scene.works(at=at, timestamps=timestamps)
    for i in range(times):
        talk = scene.talk("odd.example", 10_000 + 100_000 * i, timestamps=timestamps)
        genuine(talk, moves, [g / 400 if quick else g for g in gap[: len(moves)]], bare)
        scene.works(at=90_000 + 100_000 * i, timestamps=timestamps, hops=64 - ttl)
    assert scene.accusations() == []
