"""Throttling: slow by drops or by a queue on the way, against controls that somebody designated; never the server's own pace."""

from __future__ import annotations

from typing import Any

import pytest

from dpiprobe.wire.build import tcp_options
from tests.verdict.scene import MSS, Scene, Talk, flight, record

SIZE = 24_000


def transfer(scene: Scene, name: str, at: float, pace: float, **settings: Any) -> Talk:
    """A page of SIZE bytes, a segment each `pace` ms, sent when it arrives (the server's own pace)."""
    talk = scene.talk(name, at, **settings).handshake().hello().acknowledge()
    return talk.deliver(flight(SIZE, name), gap=pace).request().response().close()


def queued(scene: Scene, name: str, at: float, pace: float, **settings: Any) -> Talk:
    """The same, but the server sent everything at once: it waited on the way."""
    talk = scene.talk(name, at, **settings).handshake().hello().acknowledge()
    data, sent = flight(SIZE, name), talk.now
    stamp = (talk.server.clock + int(sent)) & 0xFFFFFFFF
    for i in range(0, SIZE, MSS):
        options = tcp_options(timestamps=(stamp, talk.server.echo)) if talk.timestamps else b""
        talk.them("A", data[i : i + MSS], options=options).wait(pace)
    return talk.own("A").close()


def policed(scene: Scene, name: str, at: float, **settings: Any) -> Talk:
    """Every third segment is lost and comes 300 ms later."""
    talk = scene.talk(name, at, **settings).handshake().hello().acknowledge()
    data, base = flight(SIZE, name), talk.server.next
    missing = [i for k, i in enumerate(range(0, SIZE, MSS)) if k % 3 == 2]
    for i in range(0, SIZE, MSS):
        if i not in missing:
            talk.them("A", data[i : i + MSS], seq=base + i).wait(1)
    for i in missing:
        talk.wait(300).them("A", data[i : i + MSS], seq=base + i)
    talk.server.next = (base + SIZE) & 0xFFFFFFFF
    return talk.own("A").close()


def judged(slow: Any, *, trials: int = 4, controls: tuple[str, ...] = ("fine.example",), control: Any = None, **settings: Any) -> list[str]:
    """Verdict and technique of each slow flow between controls."""
    scene = Scene()
    for i in range(trials):
        (control or (lambda s, n, at: transfer(s, n, at, 0.5)))(scene, "fine.example", i * 60_000)
        slow(scene, "odd.example", i * 60_000 + 30_000, **settings)
    explanation = scene.explain(controls=controls)
    found = [t.judgement(explanation) for t in scene.talks if t.name == "odd.example"]
    return sorted({f"{j.verdict} {j.technique}" for j in found})


def test_a_queue_on_the_way_is_shaping() -> None:
    assert judged(lambda s, n, at: queued(s, n, at, 120)) == ["blocked throttle.shape"]


def crawling(scene: Scene, name: str, at: float, pace: float) -> Talk:
    """The first four segments of what the server sent at once, one every `pace` ms; then the client's patience ends."""
    talk = scene.talk(name, at).handshake().hello().acknowledge()
    stamp = (talk.server.clock + int(talk.now)) & 0xFFFFFFFF
    for i in range(0, 4 * MSS, MSS):
        talk.them("A", flight(SIZE, name)[i : i + MSS], options=tcp_options(timestamps=(stamp, talk.server.echo))).wait(pace)
    return talk.own("FA")


def test_a_crawl_is_slow_however_little_comes_of_it() -> None:
    assert judged(lambda s, n, at: crawling(s, n, at, 2200)) == ["blocked throttle.shape"]


def test_few_bytes_within_a_moment_say_nothing_about_a_rate() -> None:
    assert judged(lambda s, n, at: crawling(s, n, at, 700)) == ["ok None"]


def test_drops_on_the_way_are_policing() -> None:
    assert judged(policed) == ["blocked throttle.police"]


def test_a_server_that_is_slow_for_one_name_is_not_throttled() -> None:
    assert judged(lambda s, n, at: transfer(s, n, at, 120)) == ["insufficient throttle"]


def test_without_timestamps_a_queue_cannot_be_told_from_a_slow_server() -> None:
    assert judged(lambda s, n, at: queued(s, n, at, 120, timestamps=False)) == ["insufficient throttle"]


def test_other_names_of_a_foreign_capture_are_no_controls() -> None:
    assert judged(lambda s, n, at: queued(s, n, at, 120), controls=()) == ["ok None"]


def test_two_trials_are_not_enough() -> None:
    assert judged(lambda s, n, at: queued(s, n, at, 120), trials=2) == ["ok None"]


def test_a_path_slow_for_every_name_is_nobodys() -> None:
    assert judged(lambda s, n, at: queued(s, n, at, 120), control=lambda s, n, at: queued(s, n, at, 100)) == ["ok None"]


def test_a_path_that_loses_for_every_name_is_nobodys() -> None:
    assert judged(policed, control=policed) == ["ok None"]


def test_slowness_that_losses_hide_is_told_and_blames_nobody() -> None:
    """Ten times slower than a control whose path loses packets too, and the losses take little of that time."""

    def lossy(s: Scene, n: str, at: float, pace: float) -> Talk:
        talk = s.talk(n, at).handshake().hello().acknowledge()
        data, base = flight(SIZE, n), talk.server.next
        for i in range(0, SIZE, MSS):
            if i != 4 * MSS:
                talk.them("A", data[i : i + MSS], seq=base + i).wait(pace)
        talk.wait(60).them("A", data[4 * MSS : 5 * MSS], seq=base + 4 * MSS)
        talk.server.next = (base + SIZE) & 0xFFFFFFFF
        return talk.own("A").close()

    slow = judged(lambda s, n, at: lossy(s, n, at, 120), control=lambda s, n, at: lossy(s, n, at, 0.5))
    assert slow == ["insufficient throttle"]


@pytest.mark.parametrize("size", [4_000, 30_000, 400_000])
def test_pages_of_different_size_are_not_compared(size: int) -> None:
    def page(s: Scene, n: str, at: float) -> Talk:
        talk = s.talk(n, at).handshake().hello().acknowledge()
        return talk.deliver(flight(3000, n) + record(min(size, 16_000)) * max(1, size // 16_000), burst=10).close()

    assert judged(page) in (["ok None"], ["insufficient throttle"])
