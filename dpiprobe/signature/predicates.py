"""Predicates over the whole suspect table, each judged once however many signatures ask it.

Rules of this file:
- Three values: a row passes, may pass (a feature it was asked for is unknown there), or fails.
- Masks are cached by (feature, test); tests are frozen data, so equal questions of different signatures are one question.
- Payloads are compared and searched last, and only in rows that passed all else; each row at most once for each pattern.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.table import SuspectTable, Values
from dpiprobe.signature.clause import Packets, Predicate
from dpiprobe.signature.values import Test
from dpiprobe.wire.packets import ACK, FIN, RST, SYN

Bools = npt.NDArray[np.bool_]
Answer = tuple[Bools, Bools]
"""(passes, may pass)"""

FOUR_FLAGS = SYN | FIN | RST | ACK
"""`flags: RA` speaks of these four alone: PSH, URG and the congestion bits differ between stacks for no reason (RFC 9293 section 3.1)."""


class Questions:
    """All that was asked of one suspect table so far."""

    def __init__(self, table: SuspectTable) -> None:
        self.table = table
        self.rows = len(table.flow)
        self._flags = np.maximum(table.flags, 0)  # UDP has none
        self._rows: dict[tuple[str, Test], Answer] = {}
        self._searched: dict[tuple[str, Test], Bools] = {}
        self._flows: dict[tuple[str, Test], Answer] = {}
        self._selections: dict[tuple[object, ...], Answer] = {}

    def values(self, feature: str) -> Values:
        """The column itself."""
        return self.table.feature(feature)

    def of_rows(self, predicate: Predicate, wanted: Bools | None = None) -> Answer:
        """A packet feature over the rows; a test of payloads only says something of the rows `wanted`."""
        key = (predicate.feature, predicate.test)
        if predicate.test.how != "in":
            return self._of_payloads(key, np.ones(self.rows, np.bool_) if wanted is None else wanted)
        if key not in self._rows:
            self._rows[key] = _answer(self.table.feature(predicate.feature), predicate.test)
        return self._rows[key]

    def _of_payloads(self, key: tuple[str, Test], wanted: Bools) -> Answer:
        values, test = self.table.feature(key[0]), key[1]
        if key not in self._rows:
            self._rows[key] = np.zeros(self.rows, np.bool_), ~values.known
            self._searched[key] = np.zeros(self.rows, np.bool_)
        passes, searched = self._rows[key][0], self._searched[key]
        new = np.flatnonzero(wanted & values.known & ~searched)
        if len(new):
            passes[new] = test.mask(values.data[new])
            searched[new] = True
        return self._rows[key]

    def of_flows(self, predicate: Predicate) -> Answer:
        """A flow feature over the flows."""
        key = (predicate.feature, predicate.test)
        if key not in self._flows:
            self._flows[key] = _answer(self.table.flow_feature(predicate.feature), predicate.test)
        return self._flows[key]

    def flows_where(self, predicates: tuple[Predicate, ...]) -> Answer:
        """Flows for which all hold."""
        passes = np.ones(self.table.flow_count, np.bool_)
        possible = np.ones(self.table.flow_count, np.bool_)
        for predicate in predicates:
            yes, maybe = self.of_flows(predicate)
            passes = passes & yes
            possible &= yes | maybe
        return passes, possible & ~passes

    def selection(self, clause: Packets, *, only_held: bool = False) -> Answer:
        """Rows that the clause's predicates select, wherever they stand; a row whose grouping key is unknown may pass.

        only_held: nobody asks whether a clause that is not held is failed or not visible (an `expect` must hold); payloads are then not searched
        in rows that may pass at most
        """
        key = (only_held, clause.origins, clause.exact, clause.some, clause.lacks, clause.reached_server, clause.predicates, clause.same)
        if key not in self._selections:
            self._selections[key] = self._select(clause, only_held)
        return self._selections[key]

    def _select(self, clause: Packets, only_held: bool) -> Answer:
        table = self.table
        possible = np.zeros(self.rows, np.bool_)
        for origin in clause.origins:
            possible |= table.origin == origin
        if clause.exact is not None:
            possible &= ((self._flags & FOUR_FLAGS) == clause.exact) & (table.flags >= 0)
        if clause.some:
            possible &= (self._flags & clause.some) != 0
        if clause.lacks:
            possible &= (self._flags & clause.lacks) == 0
        if clause.reached_server is not None:
            possible &= table.reaches_server == clause.reached_server
        passes = possible.copy()
        for predicate in sorted(clause.predicates, key=lambda predicate: predicate.test.how != "in"):
            wanted = passes if only_held else possible
            if not wanted.any():
                break
            yes, maybe = self.of_rows(predicate, wanted)
            passes &= yes
            possible &= yes | maybe
        for feature in clause.same:
            passes &= table.feature(feature).known
        return passes, possible & ~passes


def _answer(values: Values, test: Test) -> Answer:
    return test.mask(values.data) & values.known, ~values.known
