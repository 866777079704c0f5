"""The loops that are compiled for large captures find the suspects, anchors and facts that columns find; pairs of packets are told apart as any are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.capture.read import read_capture
from dpiprobe.flow.flows import Flows
from dpiprobe.flow.settle import settle, settle_grouped
from dpiprobe.observe import build, conflicts, suspect_loop
from dpiprobe.observe.flow_features import FlowFacts
from tests.conftest import ROOT
from tests.flow.test_by_flow import batch, exchanges, slots

CASES = sorted(ROOT.glob("pcaps/*/*/*.pcap*"))


def assert_same(flows: Flows) -> None:
    for one, other in zip(conflicts.carriers(flows), conflicts.carriers_by_flow(suspect_loop, flows), strict=True):
        np.testing.assert_array_equal(one, other)
    overlapping = conflicts.conflicting(flows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conflicts, "_differing_pairs", lambda flows, slots, edges, again, out: np.zeros(len(edges) - 1, bool))
        np.testing.assert_array_equal(conflicts.conflicting(flows), overlapping)
    columns, loops = build.all_at_once(flows, overlapping), build.by_flow(suspect_loop, flows, overlapping)
    for column, by_loops in zip((*columns[0], columns[2]), (*loops[0], loops[2]), strict=True):
        assert column.dtype == by_loops.dtype
        np.testing.assert_array_equal(column, by_loops)
    for name in FlowFacts.__slots__:
        np.testing.assert_array_equal(getattr(columns[1], name), getattr(loops[1], name), name)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_cases(path: Path) -> None:
    assert_same(settle(read_capture(path, "x").packets))


@given(st.lists(slots, max_size=60) | st.lists(exchanges, min_size=8, max_size=30), st.integers(0, 15), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_any_slots_at_all(rows: list[tuple[Any, ...]], low: int, quic: int) -> None:
    packets, grouped = batch(rows, quic)
    client_low = np.array([bool(low >> f & 1) for f in range(grouped.flow_count)], bool)
    assert_same(settle_grouped(packets, grouped, client_low, np.zeros(grouped.flow_count, np.int64)))
