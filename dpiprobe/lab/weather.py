"""What a stretch of the path does to packets: delay, jitter, loss alone and in bursts, reordering, duplication, an MTU. Pure and seeded.

Rules of this file:
- A `Lane` is one direction of one stretch. `cross` is called in the order in which packets enter it and says when each comes out; an empty
  answer is a lost packet, two times are a duplicate.
- Queues keep order: jitter alone never lets a packet overtake another. Only `reorder` does.
- Losses in bursts follow the model of Gilbert (1960) and Elliott (1963) in continuous time: a good and a bad state with mean durations, so that
  a copy sent a second later meets another state than one sent a millisecond later. Bursts may be shared between lanes (an outage).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

MS = 1_000_000  # ns


@dataclass(frozen=True, slots=True)
class Burst:
    """Mean durations of the good and the bad state in ns, and the chance of loss within the bad one."""

    good: int
    bad: int
    loss: float = 1.0


@dataclass(frozen=True, slots=True)
class Weather:
    """One direction of one stretch. delay, jitter (most extra), reorder_by: ns; loss, reorder, duplicate: chances; mtu: bytes of the largest IP packet."""

    delay: int
    jitter: int = 0
    loss: float = 0.0
    reorder: float = 0.0
    reorder_by: int = 8 * MS
    duplicate: float = 0.0
    mtu: int | None = None

    @property
    def plain(self) -> bool:
        """Nothing but a delay."""
        return not (self.jitter or self.loss or self.reorder or self.duplicate or self.mtu)


class Bursts:
    """Is the state bad, asked at times that never go back."""

    def __init__(self, burst: Burst, rng: random.Random) -> None:
        self.burst, self.rng = burst, rng
        self.share = burst.bad / (burst.good + burst.bad)
        self.rate = 1 / burst.good + 1 / burst.bad
        self.bad, self.at = rng.random() < self.share, 0

    def loses(self, now: int) -> bool:
        """Whether a packet at `now` is lost."""
        stays = math.exp(-self.rate * max(0, now - self.at))
        self.at = max(now, self.at)
        self.bad = self.rng.random() < self.share + (self.bad - self.share) * stays
        return self.bad and (self.burst.loss >= 1 or self.rng.random() < self.burst.loss)


class Lane:
    """One direction of one stretch, with its memory."""

    def __init__(self, weather: Weather, rng: random.Random, bursts: Bursts | None = None) -> None:
        self.weather, self.rng, self.bursts = weather, rng, bursts
        self.latest = 0

    def cross(self, now: int, size: int) -> tuple[int, ...]:
        """When a packet of `size` IP bytes that enters at `now` comes out; () where it is lost."""
        weather, rng = self.weather, self.rng
        if self.bursts is not None and self.bursts.loses(now):
            return ()
        if weather.plain:
            return (now + weather.delay,)
        if weather.mtu is not None and size > weather.mtu:
            return ()
        if weather.loss and rng.random() < weather.loss:
            return ()
        at = now + weather.delay + (rng.randrange(weather.jitter) if weather.jitter else 0)
        if weather.reorder and rng.random() < weather.reorder:
            at += rng.randrange(1, weather.reorder_by)
        else:
            at = self.latest = max(at, self.latest)
        if weather.duplicate and rng.random() < weather.duplicate:
            return at, at + rng.randrange(20 * MS)
        return (at,)
