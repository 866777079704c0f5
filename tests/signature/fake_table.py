"""A suspect table from plain rows, for tests: each row is a dict of its features; what a row leaves out is unknown there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.table import ORIGINS, Values
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES, Feature
from dpiprobe.wire.packets import ACK, FIN, RST, SYN

LETTERS = {"S": SYN, "F": FIN, "R": RST, "A": ACK}
DTYPES: dict[str, Any] = {"ratio": np.float64, "flag": np.bool_, "bytes": object, "text": object}


def column(feature: Feature, cells: Sequence[Any]) -> Values:
    """Cells as a column; None is unknown, choices are given as words."""
    known = np.array([c is not None for c in cells], np.bool_)
    plain = [feature.choices.index(c) if feature.kind == "choice" and c is not None else c for c in cells]
    dtype = DTYPES.get(feature.kind, np.int64)
    data = np.zeros(len(cells), dtype)
    for i, cell in enumerate(plain):
        if cell is not None:
            data[i] = cell
    return Values(data, known)


class FakeTable:
    """Implements observe.table.SuspectTable."""

    def __init__(self, flows: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> None:
        self._rows, self._flows = rows, flows
        self.flow = np.array([r.get("flow", 0) for r in rows], np.int64)
        self.number = np.array([r.get("number", i + 1) for i, r in enumerate(rows)], np.int64)
        self.time = np.array([r.get("time", i * 1_000) for i, r in enumerate(rows)], np.int64)
        self.origin = np.array([ORIGINS[r.get("from", "server")] for r in rows], np.int64)
        self.flags = np.array([sum(LETTERS[c] for c in r.get("flags", "")) for r in rows], np.int64)
        self.flow_count = len(flows)
        self.trigger_kind = np.array([f.get("trigger_kind", 1) for f in flows], np.int64)
        self.reaches_server = np.array([r.get("reaches_server", False) for r in rows], np.bool_)

    def feature(self, name: str) -> Values:
        return column(PACKET_FEATURES[name], [r.get(name) for r in self._rows])

    def part(self, rows: npt.NDArray[np.int64]) -> FakePart:
        return FakePart(self, rows)

    def flow_feature(self, name: str) -> Values:
        return column(FLOW_FEATURES[name], [f.get(name) for f in self._flows])

    def flow_feature_of(self, name: str, flows: npt.NDArray[np.int64]) -> Values:
        whole = self.flow_feature(name)
        return Values(whole.data[flows], whole.known[flows])


class FakePart:
    """Implements observe.table.Part."""

    def __init__(self, table: FakeTable, rows: npt.NDArray[np.int64]) -> None:
        self._table, self._rows = table, rows

    def feature(self, name: str) -> Values:
        values = self._table.feature(name)
        return Values(values.data[self._rows], values.known[self._rows])


def table(*rows: dict[str, Any], flows: Sequence[dict[str, Any]] | None = None) -> FakeTable:
    """A table of these rows; flows without facts of their own carry a ClientHello."""
    count = max((r.get("flow", 0) for r in rows), default=0) + 1
    return FakeTable(flows if flows is not None else [{}] * count, rows)
