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

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Literal, NamedTuple, Protocol

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
STATES: tuple[State, ...] = ("failed", "held", "not_visible", "pending")  # by evaluate.FAILED, HELD, NOT_VISIBLE, PENDING


class ClauseState(NamedTuple):
    """How a clause fared in one flow, and the numbers of the packets that hold it (none for a clause on the flow as a whole)."""

    state: State
    packets: tuple[int, ...] = ()


WITHOUT_PACKETS = tuple(ClauseState(state) for state in STATES)
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
    supported: list[tuple[int, Ints, Ints]] = []  # of each deployment the place in `found` of its first match, its flows and the rows of its support
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
            support = _rows_of(evaluation, [c.name for c in signature.support if isinstance(c, Packets)], table)
            if len(support):
                supported.append((len(found), evaluation.flows, support))
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


def _matches(signature: Signature, evaluation: Evaluation, claimed: Ints, table: SuspectTable) -> list[Match]:
    told, name, pending = Together(evaluation, claimed, table), signature.id, signature.second_pass
    return [Later(name, flow, told, place, signature, pending) for place, flow in enumerate(evaluation.flows.tolist())]


class Shows(Protocol):
    """What some matches show, by place among them."""

    def clauses(self, place: int) -> dict[str, ClauseState]: ...

    def rows(self, place: int) -> tuple[int, ...]: ...

    def packets(self, place: int) -> tuple[int, ...]: ...


class Later(Match):
    """A match whose clauses, rows and packets are made when they are first asked for: of most matches nobody asks them all."""

    __slots__ = ("place", "told")

    def __init__(self, signature: str, flow: int, told: Shows, place: int, definition: Signature, pending: bool) -> None:
        self.signature, self.flow, self.definition, self.pending, self.told, self.place = signature, flow, definition, pending, told, place

    def __getattr__(self, name: str) -> Any:
        if name not in ("clauses", "rows", "packets"):
            raise AttributeError(name)
        made = getattr(self.told, name)(self.place)
        setattr(self, name, made)  # so that it is found the next time
        return made


class Together:
    """What the matches of one signature show: worked out for all of them once one is asked. place: of the match's flow among those that match"""

    def __init__(self, evaluation: Evaluation, claimed: Ints, table: SuspectTable) -> None:
        self._flows, self._results, self._claimed, self._table = evaluation.flows, evaluation.results, claimed, table

    def clauses(self, place: int) -> dict[str, ClauseState]:
        return dict(zip(self._results, [states[place] for states in self._states], strict=True))

    def rows(self, place: int) -> tuple[int, ...]:
        return self._own[0][self._cuts[place]] if len(self._claimed) else ()

    def packets(self, place: int) -> tuple[int, ...]:
        return self._own[1][self._cuts[place]] if len(self._claimed) else ()

    @cached_property
    def _states(self) -> list[list[ClauseState]]:
        """By clause, of each match."""
        return [
            [WITHOUT_PACKETS[state] for state in states] if own is None else list(map(_STATE_OF, zip(map(STATES.__getitem__, states), own, strict=True)))
            for _, states, own in self.columns(np.arange(len(self._flows)))
        ]  # fmt: skip

    def columns(self, places: Ints) -> Iterator[tuple[str, list[int], Iterable[tuple[int, ...]] | None]]:
        """Each clause by its name: of each match at these places which of `STATES` it has, and the numbers of its packets (None: no match has any)."""
        flows = self._flows[places]
        for name, result in self._results.items():
            numbers = tuple(self._table.number[result.rows].tolist())
            yield name, result.state[places].tolist(), map(numbers.__getitem__, _cuts(result.rows, flows, self._table)) if numbers else None

    @cached_property
    def _cuts(self) -> list[slice]:
        return _cuts(self._claimed, self._flows, self._table)

    @cached_property
    def _own(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(self._claimed.tolist()), tuple(self._table.number[self._claimed].tolist())


class _Supported:
    """What a match shows that was given packets of its support."""

    def __init__(self, match: Match, rows: tuple[int, ...], packets: tuple[int, ...]) -> None:
        self._match, self._rows, self._packets = match, rows, packets

    def clauses(self, _: int) -> dict[str, ClauseState]:
        return self._match.clauses

    def rows(self, _: int) -> tuple[int, ...]:
        return self._rows

    def packets(self, _: int) -> tuple[int, ...]:
        return self._packets


_STATE_OF: Callable[[tuple[State, tuple[int, ...]]], ClauseState] = partial(tuple.__new__, ClauseState)
"""A state and packets as ClauseState; its own constructor is a function in Python, four times as slow."""


def _cuts(rows: Ints, flows: Ints, table: SuspectTable) -> list[slice]:
    """Where among these rows (ascending) those of each flow stand."""
    flow = table.flow[rows]
    return list(map(slice, flow.searchsorted(flows).tolist(), flow.searchsorted(flows, "right").tolist()))


def _give_support(found: list[Match], supported: list[tuple[int, Ints, Ints]], table: SuspectTable, free: Bools, waited_for: Bools) -> None:
    """Give each match those packets of its support that are still free."""
    for begin, flows, rows in supported:
        left = rows[free[rows] & ~waited_for[rows]]  # most matches find none
        if not len(left):
            continue
        of = flows.searchsorted(table.flow[left])
        edges = np.flatnonzero(of[1:] != of[:-1]) + 1
        for own, place in zip(np.split(left, edges), of[np.append(0, edges)].tolist(), strict=True):
            free[own] = False
            match = found[begin + place]
            claimed = sorted({*match.rows, *own.tolist()})
            numbers = tuple(table.number[claimed].tolist())
            told = _Supported(match, tuple(claimed), numbers)
            found[begin + place] = Later(match.signature, match.flow, told, 0, match.definition, match.pending)


def unclaimed(table: SuspectTable, matches: Iterable[Match]) -> Bools:
    """TCP and ICMP rows from the server, strays and routers that no match has claimed (pending ones claim nothing)."""
    left: Bools = np.not_equal(table.origin, CLIENT) & (table.flags >= 0)
    rows = [row for match in matches if not match.pending for row in match.rows]
    left[rows] = False
    return left
