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
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.table import CLIENT, SuspectTable
from dpiprobe.signature.clause import Across, Packets
from dpiprobe.signature.evaluate import Evaluation, evaluate
from dpiprobe.signature.model import Signature
from dpiprobe.signature.predicates import Questions

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
State = Literal["held", "failed", "not_visible", "pending"]
_STATES: tuple[State, ...] = ("failed", "held", "not_visible", "pending")  # by evaluate.FAILED, HELD, NOT_VISIBLE, PENDING


class ClauseState(NamedTuple):
    """How a clause fared in one flow, and the numbers of the packets that hold it (none for a clause on the flow as a whole)."""

    state: State
    packets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A signature that one flow bears out.

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


Screen = Callable[[Signature], "Bools | None"]
"""The flows in which the second pass may still bear a signature out; None where it may in all of them."""


def first_pass(database: Signatures, table: SuspectTable, *, both_ends: bool = False, screen: Screen | None = None) -> list[Match]:
    """All matches that the flows alone support, by flow and then by specificity; pending ones among them.

    both_ends: a second capture will be asked; without one, signatures that need it are not tried
    screen: asked of each generic signature that waits for the second pass (one of a deployment keeps what it waits for from others' support, and a
    clause `across` looks at all flows that match)
    """
    questions = Questions(table)
    free = np.ones(questions.rows, np.bool_)  # client packets are never claimed, so clauses about them always see them
    found: list[Match] = []
    waited_for = np.zeros(questions.rows, np.bool_)  # packets that a pending deployment expects are nobody's support
    deployments_done = False
    for signature in database.signatures:
        if signature.generic and not deployments_done:
            deployments_done = True
            found = [_with_support(match, table, free, waited_for) for match in found]
        if signature.needs_both_ends and not both_ends:
            continue
        waits = signature.second_pass and signature.generic and not any(isinstance(clause, Across) for clause in signature.clauses)
        evaluation = evaluate(signature, questions, free, screen(signature) if screen is not None and waits else None)
        if evaluation is None:
            continue
        for match in _matches(signature, evaluation, table):
            found.append(match)
            if not match.pending:
                free[list(match.rows)] = False
            elif match.deployment:
                waited_for[list(match.rows)] = True
    if not deployments_done:
        found = [_with_support(match, table, free, waited_for) for match in found]
    return sorted(found, key=lambda match: match.flow)  # stable: by specificity within a flow


def _matches(signature: Signature, evaluation: Evaluation, table: SuspectTable) -> Iterable[Match]:
    second_pass, flows = signature.second_pass, evaluation.flows
    results = evaluation.results
    columns = [(name, result.state[flows].tolist()) for name, result in results.items()]
    alike: dict[tuple[int, ...], dict[str, ClauseState]] = {}  # flows without packets of their own often fare alike; they share one dict
    if not any(len(result.rows) for result in results.values()):
        for flow, *states in zip(flows.tolist(), *(states for _, states in columns), strict=True):
            key = tuple(states)
            if key not in alike:
                alike[key] = {name: ClauseState(_STATES[state]) for (name, _), state in zip(columns, states, strict=True)}
            yield Match(signature.id, flow, alike[key], (), (), signature, second_pass)
        return
    packets = {name: _by_flow(result.rows, table.number, flows, table) for name, result in results.items() if len(result.rows)}
    claiming = {c.name for c in (*signature.expect, *signature.any_of) if isinstance(c, Packets) and not c.shared}
    claimed = np.unique(np.concatenate([np.empty(0, np.int64), *(result.rows for name, result in results.items() if name in claiming)]))
    claimed = claimed[table.origin[claimed] != CLIENT]
    rows, numbers = _by_flow(claimed, None, flows, table), _by_flow(claimed, table.number, flows, table)
    nothing: tuple[int, ...] = ()
    for position, flow in enumerate(flows.tolist()):
        clauses = {
            name: ClauseState(_STATES[states[position]], packets[name][position] if name in packets else nothing) for name, states in columns
        }
        yield Match(signature.id, flow, clauses, numbers[position], rows[position], signature, second_pass)


def _by_flow(rows: Ints, column: Ints | None, flows: Ints, table: SuspectTable) -> list[tuple[int, ...]]:
    """Of each of these flows its rows among those given (ascending), or what a column holds there."""
    values = (rows if column is None else column[rows]).tolist()
    begin, end = (np.searchsorted(table.flow[rows], flows, side).tolist() for side in ("left", "right"))
    return [tuple(values[a:b]) for a, b in zip(begin, end, strict=True)]


def _claiming(match: Match, rows: Iterable[int], table: SuspectTable) -> Match:
    claimed = sorted(rows)
    return replace(match, rows=tuple(claimed), packets=tuple(table.number[claimed].tolist()) if claimed else ())


def _with_support(match: Match, table: SuspectTable, free: Bools, waited_for: Bools) -> Match:
    """The match with those packets of its support that are still free, which it takes."""
    wanted = {n for c in match.definition.support if isinstance(c, Packets) for n in match.clauses[c.name].packets}
    if match.pending or not wanted:
        return match
    begin, end = np.searchsorted(table.flow, (match.flow, match.flow + 1)).tolist()
    more = [row for row in range(begin, end) if free[row] and not waited_for[row] and table.origin[row] != CLIENT and int(table.number[row]) in wanted]
    free[more] = False
    return _claiming(match, {*match.rows, *more}, table) if more else match


def unclaimed(table: SuspectTable, matches: Iterable[Match]) -> Bools:
    """TCP and ICMP rows from the server, strays and routers that no match has claimed (pending ones claim nothing)."""
    left: Bools = np.not_equal(table.origin, CLIENT) & (table.flags >= 0)
    rows = [row for match in matches if not match.pending for row in match.rows]
    left[rows] = False
    return left
