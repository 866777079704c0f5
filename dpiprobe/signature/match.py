"""Signatures against flows: who matches which packets, specific before generic, claims disjoint.

Rules of this file:
- `first_pass` needs only the suspect table. A signature with second-pass clauses comes back as a *pending* match and claims nothing yet.
- Signatures compete in the one order of `Signature.specificity`; what a more specific one has claimed, the rest no longer see. So several
  injectors in one flow give several matches. Only packets from the server, strays and ICMP are ever claimed.
- What holds an `expect` or `any_of` is claimed at once. What holds the `support` of deployments is theirs too where no deployment expects it:
  it is claimed once all deployments have been judged, before the generic ones.
- Every clause of a match is held, failed, not visible or pending, with the numbers of its packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.table import CLIENT, SuspectTable
from dpiprobe.signature.clause import Packets
from dpiprobe.signature.evaluate import Evaluation, evaluate
from dpiprobe.signature.model import Signature
from dpiprobe.signature.predicates import NOTHING, Questions

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
State = Literal["held", "failed", "not_visible", "pending"]
_STATES: tuple[State, ...] = ("failed", "held", "not_visible", "pending")  # by evaluate.FAILED, HELD, NOT_VISIBLE, PENDING


class ClauseState(NamedTuple):
    """How a clause fared in one flow, and the numbers of the packets that hold it (none for a clause on the flow as a whole)."""

    state: State
    packets: tuple[int, ...] = ()


WITHOUT_PACKETS = tuple(ClauseState(state) for state in _STATES)
"""By number of the state."""


@dataclass(slots=True)
class Match:
    """A signature that one flow bears out. Nobody changes one (frozen ones take three times as long to make).

    signature: its id · flow: index in the table · clauses: by name · packets: numbers claimed, in capture order · rows: the same as rows of the table
    definition: the signature itself (words, title, confidence) · pending: second-pass clauses are still to be judged
    """

    signature: str
    flow: int
    clauses: dict[str, ClauseState]
    packets: tuple[int, ...]
    rows: tuple[int, ...]
    definition: Signature = field(repr=False, compare=False)
    pending: bool = False

    @property
    def generic(self) -> bool:
        """It names a technique, not a deployment."""
        return self.definition.generic

    @property
    def deployment(self) -> bool:
        """It names a device, a program or a country."""
        return not self.definition.generic

    def plain(self) -> dict[str, object]:
        """As it stands in a record: signature, and its clauses that are not failed support."""
        return {
            "signature": self.signature,
            "clauses": {name: {"state": state, "packets": list(packets)} for name, (state, packets) in self.clauses.items()},
        }


class Signatures(Protocol):
    """What matching needs of a database."""

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Most specific first."""
        ...


Screen = Callable[[Signature, Ints], "Bools | None"]
"""Of these flows, in which all a signature expects holds or waits for the second pass, those in which that pass may still bear it out; None: all."""


def first_pass(database: Signatures, table: SuspectTable, *, both_ends: bool = False, screen: Screen | None = None) -> list[Match]:
    """All matches that the flows alone support, by flow and then by specificity; pending ones among them.

    both_ends: a second capture will be asked; without one, signatures that need it are not tried
    screen: asked of each generic signature that waits for the second pass (one of a deployment keeps what it waits for from others' support, and a
    clause `across` looks at all flows that match)
    """
    questions = Questions(table)
    free = np.ones(questions.rows, np.bool_)  # client packets are never claimed, so clauses about them always see them
    found: list[Match] = []
    supported: list[tuple[int, tuple[int, ...]]] = []  # matches of deployments by their place in `found`, and the rows of their support
    waited_for = np.zeros(questions.rows, np.bool_)  # packets that a pending deployment expects are nobody's support
    deployments_done = False
    for signature in database.signatures:
        if signature.generic and not deployments_done:
            deployments_done = True
            _give_support(found, supported, table, free, waited_for)
        if signature.needs_both_ends and not both_ends:
            continue
        among = partial(screen, signature) if screen is not None and signature.generic and signature.second_pass and not signature.looks_across else None
        evaluation = evaluate(signature, questions, free, among)
        if evaluation is None:
            continue
        claimed = _claimed(signature, evaluation, table)
        if not signature.generic and not signature.second_pass:
            supported += _supporting(signature, evaluation, table, len(found))
        found += _matches(signature, evaluation, claimed, table)
        if len(claimed):
            if not signature.second_pass:
                free[claimed] = False
            elif not signature.generic:
                waited_for[claimed] = True
    if not deployments_done:
        _give_support(found, supported, table, free, waited_for)
    return sorted(found, key=attrgetter("flow"))  # stable: by specificity within a flow


def _claimed(signature: Signature, evaluation: Evaluation, table: SuspectTable) -> Ints:
    """The rows that the matches of one signature claim, ascending."""
    return _rows_of(evaluation, [c.name for c in (*signature.expect, *signature.any_of) if isinstance(c, Packets) and not c.shared], table)


def _rows_of(evaluation: Evaluation, names: list[str], table: SuspectTable) -> Ints:
    """The rows of these clauses in the flows that match, without the client's; ascending."""
    pieces = [evaluation.results[name].rows for name in names if len(evaluation.results[name].rows)]
    if not pieces:
        return NOTHING
    rows = pieces[0] if len(pieces) == 1 else np.unique(np.concatenate(pieces))
    matching = np.zeros(table.flow_count, np.bool_)
    matching[evaluation.flows] = True
    kept: Ints = rows[matching[table.flow[rows]] & np.not_equal(table.origin[rows], CLIENT)]
    return kept


def _supporting(signature: Signature, evaluation: Evaluation, table: SuspectTable, place: int) -> list[tuple[int, tuple[int, ...]]]:
    """Of each match the rows of its support, where it has any. place: where the first match will stand"""
    rows = _rows_of(evaluation, [c.name for c in signature.support if isinstance(c, Packets)], table)
    if not len(rows):
        return []
    own = _divided(rows, _cuts(rows, evaluation.flows, table))
    return [(place + i, some) for i, some in enumerate(own) if some]


def _matches(signature: Signature, evaluation: Evaluation, claimed: Ints, table: SuspectTable) -> list[Match]:
    second_pass, flows, results = signature.second_pass, evaluation.flows, evaluation.results
    names, name = tuple(results), signature.id
    columns = [result.state.tolist() for result in results.values()]
    alike: dict[tuple[int, ...], dict[str, ClauseState]] = {}  # flows without packets of their own often fare alike; they share one dict
    if not any(len(result.rows) for result in results.values()):
        found = []
        for flow, key in zip(flows.tolist(), zip(*columns, strict=True), strict=True):
            if key not in alike:
                alike[key] = dict(zip(names, [WITHOUT_PACKETS[state] for state in key], strict=True))
            found.append(Match(name, flow, alike[key], (), (), signature, second_pass))
        return found
    clauses: list[Iterable[ClauseState]] = []
    for states, result in zip(columns, results.values(), strict=True):
        if len(result.rows):
            packets = _divided(table.number[result.rows], _cuts(result.rows, flows, table))
            clauses.append(map(_STATE_OF, zip(map(_STATES.__getitem__, states), packets, strict=True)))
        else:
            clauses.append(map(WITHOUT_PACKETS.__getitem__, states))
    cuts = _cuts(claimed, flows, table)
    rows, numbers = _divided(claimed, cuts), _divided(table.number[claimed], cuts)
    return [
        Match(name, flow, dict(zip(names, states, strict=True)), own, places, signature, second_pass)
        for flow, own, places, states in zip(flows.tolist(), numbers, rows, zip(*clauses, strict=True), strict=True)
    ]


_STATE_OF: Callable[[tuple[State, tuple[int, ...]]], ClauseState] = partial(tuple.__new__, ClauseState)
"""A state and packets as ClauseState; its own constructor is a function in Python, four times as slow."""


def _cuts(rows: Ints, flows: Ints, table: SuspectTable) -> list[slice]:
    """Where among these rows (ascending) those of each flow stand."""
    flow = table.flow[rows]
    return list(map(slice, flow.searchsorted(flows).tolist(), flow.searchsorted(flows, "right").tolist()))


def _divided(values: Ints, cuts: list[slice]) -> list[tuple[int, ...]]:
    return list(map(tuple(values.tolist()).__getitem__, cuts))


def _give_support(found: list[Match], supported: list[tuple[int, tuple[int, ...]]], table: SuspectTable, free: Bools, waited_for: Bools) -> None:
    """Give each match those packets of its support that are still free."""
    for place, rows in supported:
        more = [row for row in rows if free[row] and not waited_for[row]]
        if more:
            free[more] = False
            match = found[place]
            claimed = sorted({*match.rows, *more})
            numbers = tuple(table.number[claimed].tolist())
            found[place] = Match(match.signature, match.flow, match.clauses, numbers, tuple(claimed), match.definition, match.pending)


def unclaimed(table: SuspectTable, matches: Iterable[Match]) -> Bools:
    """TCP and ICMP rows from the server, strays and routers that no match has claimed (pending ones claim nothing)."""
    left: Bools = np.not_equal(table.origin, CLIENT) & (table.flags >= 0)
    rows = [row for match in matches if not match.pending for row in match.rows]
    left[rows] = False
    return left
