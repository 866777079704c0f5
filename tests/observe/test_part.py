"""Some rows of the suspect table show what they show in the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import Observed, observe
from dpiprobe.observe.packet_features import PACKET_FUNCTIONS

CAPTURES = sorted((Path(__file__).parents[2] / "pcaps").rglob("*.pcap*"))[::9]


def table(path: Path) -> Observed:
    return observe(settle(read_capture(str(path), path.name).packets))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_part_shows_the_same_as_the_whole(path: Path) -> None:
    whole, alone = table(path), table(path)
    for rows in (np.arange(len(whole.flow))[::2], np.flatnonzero(whole.origin == 1), np.empty(0, np.int64)):
        part = alone.part(rows)
        for name in PACKET_FUNCTIONS:
            values, expected = part.feature(name), whole.feature(name)
            assert values.known.tolist() == expected.known[rows].tolist(), name
            every = np.arange(len(rows))
            assert np.asarray(values.data[every])[values.known].tolist() == np.asarray(expected.data[rows])[values.known].tolist(), name
