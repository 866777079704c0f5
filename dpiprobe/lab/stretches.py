"""The two stretches of a condition's path as four lanes, the same in namespaces and on the virtual clock.

Rules of this file: pure; the box stands between the stretches, and a lane is one direction of one of them.
"""

from __future__ import annotations

import random

from dpiprobe.lab.conditions import Condition
from dpiprobe.lab.weather import Bursts, Lane, Weather


def lanes(condition: Condition, rng: random.Random, losses: tuple[float, float] | None = None) -> dict[tuple[str, str], Lane]:
    """The four lanes: (side, `in`) from that side to the box, (side, `out`) from the box to it.

    The condition's losses are shared out between the two stretches; `losses` (near, far) stand in their stead. What is lost in bursts, or in an
    outage of both directions, is lost on the stretch that a packet enters first; the MTU is the far stretch's.
    """
    half = 1 - (1 - condition.loss) ** 0.5
    near, far = losses or (half, half)
    outage = Bursts(condition.outage, rng) if condition.outage is not None else None

    def lane(delay: int, loss: float, mtu: int | None, *, first: bool) -> Lane:
        weather = Weather(delay, condition.jitter, loss, condition.reorder / 2, duplicate=condition.duplicate / 2, mtu=mtu)
        return Lane(weather, rng, (Bursts(condition.bursts, rng) if condition.bursts is not None else outage) if first else None)

    return {
        ("client", "in"): lane(condition.near[0], near, None, first=True),
        ("server", "out"): lane(condition.far[0], far, condition.mtu, first=False),
        ("server", "in"): lane(condition.far[1], far, condition.mtu, first=True),
        ("client", "out"): lane(condition.near[1], near, None, first=False),
    }
