"""What signatures may compare: a flow's features against those of its controls, gathered for the second pass.

Rules of this file: values come from controls that worked; a ratio is only given where the controls are designated (other names of a foreign
capture serve other content); what is not known is None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.build import Observed
from dpiprobe.observe.vocabulary import FLOW_FEATURES
from dpiprobe.signature.clause import Compare, Control, Predicate
from dpiprobe.signature.ledger import Ledger
from dpiprobe.signature.match import Match, Screen
from dpiprobe.signature.model import Signature
from dpiprobe.signature.second_pass import Context
from dpiprobe.verdict.both_ends import Ends
from dpiprobe.verdict.certificates import compare_issuers, may_show
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.control import STATES, Controls
from dpiprobe.verdict.grouping import name_of
from dpiprobe.verdict.model import Outcome
from dpiprobe.verdict.outcomes import in_columns
from dpiprobe.verdict.vantage import vantage

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
T = TypeVar("T")


CERTIFICATE = "certificate"


class Each(Generic[T]):
    """A column whose entries are worked out where somebody asks: most flows are asked nothing."""

    def __init__(self, count: int, entry: Callable[[int], T]) -> None:
        self._count, self._entry = count, entry

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, flow: int, /) -> T:
        return self._entry(flow)


def screen(observed: Observed, controls: Controls) -> Screen:
    """In which flows the controls let a signature hold that expects something of them."""
    visible: list[Bools] = []

    def possible(signature: Signature, waiting: Ints) -> Bools | None:
        asked = [clause for clause in signature.expect if isinstance(clause, Control | Compare)]
        if not asked:
            return None
        if not controls.designated and any(isinstance(clause, Compare) and clause.predicates for clause in asked):
            return np.zeros(len(waiting), np.bool_)
        states = controls.state_numbers[waiting]
        mask = np.ones(len(waiting), np.bool_)
        for words in {clause.states if isinstance(clause, Control) else ("completes",) for clause in asked}:
            mask &= np.array([state in words for state in STATES], np.bool_)[states]
        for clause in asked:
            if not np.count_nonzero(mask):
                return mask
            if isinstance(clause, Control):
                for predicate in clause.predicates:
                    mask &= _within_reach(observed, controls, predicate)[waiting]
            elif clause.certificate is not None:
                visible[:] = visible or [may_show(observed)]
                mask &= visible[0][waiting]
        return mask

    return possible


def _within_reach(observed: Observed, controls: Controls, predicate: Predicate) -> Bools:
    """Flows of which controls show values between which a median can lie that passes; all where that cannot be said."""
    test, worked = predicate.test, controls.worked
    if test.how != "in" or test.negated:
        return np.ones(len(observed.flows), np.bool_)
    values = observed.flow_feature(predicate.feature)
    known = values.known[worked.chosen]
    data, of = values.data[worked.chosen[known]].astype(np.float64), worked.pool_of_chosen[known]
    least, most = np.full(worked.pools, np.inf), np.full(worked.pools, -np.inf)
    np.minimum.at(least, of, data)
    np.maximum.at(most, of, data)
    some = np.zeros(worked.pools, np.bool_)
    for low, high in test.intervals:
        part = least <= most
        if low is not None:
            part &= most >= low
        if high is not None:
            part &= least <= high
        some |= part
    return np.asarray(some[worked.pool[controls.named.of]], np.bool_)


def _asked(pending: Iterable[Match]) -> dict[str, set[int]]:
    """Per flow feature (and for the certificate), the flows of which a clause asks it."""
    flows: dict[str, list[int]] = defaultdict(list)
    definitions: dict[str, Signature] = {}
    for match in pending:
        flows[match.signature].append(match.flow)
        definitions[match.signature] = match.definition
    asked: dict[str, set[int]] = defaultdict(set)
    for name, signature in definitions.items():
        for clause in signature.clauses:
            if isinstance(clause, Control | Compare):
                for predicate in clause.predicates:
                    asked[predicate.feature].update(flows[name])
            if isinstance(clause, Compare) and clause.certificate is not None:
                asked[CERTIFICATE].update(flows[name])
    return asked


def context_of(
    observed: Observed, outcomes: Sequence[Outcome], controls: Controls, first: Sequence[Match], ends: Mapping[int, Ends] | None = None,
    ledger: Ledger | None = None,
) -> Context:
    """Everything that second-pass clauses ask, from the first pass, the outcomes, the controls and, where there is one, the capture of the other
    end. Only flows with a pending match are compared."""
    flows = observed.flows
    count = len(flows)
    asked = _asked(m for m in first if m.pending)
    values = {name: _controls_values(observed, controls, name, sorted(waiting)) for name, waiting in asked.items() if name in FLOW_FEATURES}
    return Context(
        control=Each(count, controls.state),
        outcome=in_columns(outcomes).words,
        client=flows.client,
        server=flows.server,
        port=flows.server_port,
        name=Each(count, partial(name_of, flows)),
        start=columns_of(observed).first_time,
        matches=[m for m in first if not m.pending],
        ratios={name: _ratios(observed, controls, name, column) for name, column in values.items()} if controls.designated else {},
        control_values=values,
        certificate=compare_issuers(observed, controls, sorted(asked.get(CERTIFICATE, ()))),
        seen_at=Each(count, lambda f: observed.once("vantage", vantage)[f]),
        both_ends=[_shown(ends.get(f)) for f in range(count)] if ends is not None else (),
        table=observed,
        ledger=ledger,
        numbers=() if ledger is None else flows.numbers if flows.numbers is not None else np.arange(count),
    )


def _shown(ends: Ends | None) -> frozenset[str] | None:
    return ends.shows if ends is not None and ends.partner >= 0 else None


def _controls_values(observed: Observed, controls: Controls, name: str, waiting: Sequence[int]) -> list[float | None]:
    """The median over each waiting flow's controls."""
    column = observed.flow_feature(name)
    out: list[float | None] = [None] * len(observed.flows)
    for f in waiting:
        out[f] = controls.worked[f].median(name, lambda g: float(column.data[g]) if column.known[g] else None)
    return out


def _ratios(observed: Observed, controls: Controls, name: str, medians: Sequence[float | None]) -> list[float | None]:
    """Each flow's own value over that median."""
    column = observed.flow_feature(name)
    return [
        float(column.data[f]) / middle if middle is not None and middle > 0 and column.known[f] else None for f, middle in enumerate(medians)
    ]
