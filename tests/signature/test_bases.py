"""Rows are divided into classes: what a clause may choose from is the same as row by row."""

from __future__ import annotations

import random

import numpy as np

from dpiprobe.observe.table import ORIGINS
from dpiprobe.signature.bases import FOUR_FLAGS, Classes
from dpiprobe.wire.packets import ACK, FIN, PSH, RST, SYN, URG
from tests.signature.fake_table import table

FLAGS = (SYN, FIN, RST, ACK, PSH, URG)


def test_a_base_is_the_rows_that_fit_one_by_one() -> None:
    chance = random.Random(5)
    flows = [{"kind": 0} for _ in range(12)]
    suspects = table(*({"flow": f // 6} for f in range(72)), flows=flows)
    suspects.trigger_kind = np.array([chance.randrange(5) for _ in flows])
    suspects.flags = np.array([-1 if chance.random() < 0.1 else sum(b for b in FLAGS if chance.random() < 0.4) for _ in range(72)])
    suspects.origin = np.array([chance.choice([*ORIGINS.values()]) for _ in range(72)])
    suspects.reaches_server = np.array([chance.random() < 0.5 for _ in range(72)])
    classes = Classes(suspects, suspects.trigger_kind.astype(np.int16))
    kind = suspects.trigger_kind[suspects.flow]
    seen = set()
    for _ in range(400):
        kinds = tuple(sorted(chance.sample(range(5), chance.randrange(1, 5))))
        origins = tuple(chance.sample(range(4), chance.randrange(1, 4)))
        exact = chance.choice((None, None, RST, RST | ACK, SYN | ACK, 0))
        some, lacks = (chance.choice((0, 0, RST, FIN | RST, PSH, ACK)) for _ in range(2))
        reached = chance.choice((None, None, True, False))
        tcp, flags = suspects.flags >= 0, suspects.flags
        fits = np.isin(kind, kinds) & np.isin(suspects.origin, origins)
        if exact is not None:
            fits &= tcp & (flags & FOUR_FLAGS == exact)
        if some:
            fits &= tcp & (flags & some != 0)
        if lacks:
            fits &= ~tcp | (flags & lacks == 0)
        if reached is not None:
            fits &= suspects.reaches_server == reached
        chosen = classes.of((kinds, origins, exact, some, lacks, reached))
        assert classes.mask(chosen).tolist() == fits.tolist()
        rows = np.arange(0, 72, 5)
        assert classes.mask(chosen, rows).tolist() == fits[rows].tolist()
        seen.add(min(len(chosen), 9))
    assert {0, 1, 9} <= seen
