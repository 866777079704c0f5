"""What a lane does to packets, one property a test."""

from __future__ import annotations

import itertools
import random

import pytest

from dpiprobe.lab.weather import MS, Burst, Bursts, Lane, Weather


def crossed(weather: Weather, count: int = 4000, gap: int = MS, size: int = 100, bursts: Bursts | None = None) -> list[tuple[int, ...]]:
    """When packets sent every `gap` come out."""
    lane = Lane(weather, random.Random(1), bursts)
    return [lane.cross(i * gap, size) for i in range(count)]


def test_a_plain_lane_delays_and_nothing_else() -> None:
    assert crossed(Weather(5 * MS), 3) == [(5 * MS,), (6 * MS,), (7 * MS,)]


def test_jitter_never_lets_a_packet_overtake() -> None:
    times = [at for (at,) in crossed(Weather(5 * MS, jitter=20 * MS))]
    assert times == sorted(times)
    assert max(at - i * MS for i, at in enumerate(times)) > 20 * MS


def test_reordering_does() -> None:
    times = [at for (at,) in crossed(Weather(5 * MS, reorder=0.05))]
    overtaken = sum(times[i] > times[i + 1] for i in range(len(times) - 1))
    assert 100 < overtaken < 300


@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_loss_is_as_asked_for(loss: float) -> None:
    lost = sum(not out for out in crossed(Weather(MS, loss=loss), 20_000))
    assert abs(lost / 20_000 - loss) < 0.006


def test_duplicates_come_later() -> None:
    twice = [out for out in crossed(Weather(MS, duplicate=0.1)) if len(out) == 2]
    assert 300 < len(twice) < 500
    assert all(first <= second for first, second in twice)


def test_packets_above_the_mtu_vanish() -> None:
    assert crossed(Weather(MS, mtu=1400), 1, size=1401) == [()]
    assert crossed(Weather(MS, mtu=1400), 1, size=1400) == [(MS,)]


def test_bursts_take_their_share_in_clusters() -> None:
    burst = Burst(900 * MS, 100 * MS)
    out = crossed(Weather(MS), 100_000, bursts=Bursts(burst, random.Random(2)))
    lost = [not o for o in out]
    assert 0.06 < sum(lost) / len(lost) < 0.14
    both = sum(a and b for a, b in itertools.pairwise(lost)) / sum(lost)
    assert both > 0.95, "a packet a millisecond after a lost one is lost too"
    later = sum(a and b for a, b in zip(lost, lost[2000:], strict=False)) / sum(lost)
    assert later < 0.3, "one that is sent two seconds later is not"
