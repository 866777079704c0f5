"""The clauses that one flow cannot answer: controls, comparisons, other flows of the name, earlier flows, the other end.

Rules of this file:
- It judges pending matches of the first pass in the light of a `Context` that the verdict room fills from *outcomes*, never from verdicts.
- What the context does not know is not visible: None in a column, or a column left out.
- `second_pass` gives the pending matches that hold; `settle` then makes the claims of all matches disjoint, specific before generic.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Protocol, TypeVar

import numpy as np

from dpiprobe.observe.table import SuspectTable
from dpiprobe.signature.clause import Across, Clause, Compare, Control, Earlier, Predicate, SeenAt
from dpiprobe.signature.history import History, Keys
from dpiprobe.signature.ledger import Fellow, Key, Ledger, Told
from dpiprobe.signature.match import WITHOUT_PACKETS, ClauseState, Later, Match

Failed, Held, Unknown, _ = WITHOUT_PACKETS
T_co = TypeVar("T_co", covariant=True)


class Column(Protocol[T_co]):
    """One entry a flow: a list, or what tells an entry when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, flow: int, /) -> T_co: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of every flow once each was judged alone; all sequences have one entry a flow of the table.

    control: completes, fails or absent (None: not known) · outcome: words of design section 4 · client, server, port, name: what a flow
    is keyed by · start: ns · matches: of the first pass that are not pending · ratios: flow feature -> test divided by control
    control_values: flow feature -> median over the flow's controls (durations in ns, choices and flags by index)
    certificate: same or differs · seen_at: client or server · both_ends: what the captures of both ends show together, None where there is
    no second one or it lacks the flow · table: needed by `across` alone
    ledger: where the flows are a part of a capture, with `numbers`: each flow's place in the whole
    """

    control: Column[str | None]
    outcome: Sequence[str | None]
    client: Column[Hashable]
    server: Column[Hashable]
    port: Column[Hashable]
    name: Column[Hashable]
    start: Column[int]
    matches: Sequence[Match] = ()
    ratios: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    control_values: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    certificate: Column[str | None] = ()
    seen_at: Column[str | None] = ()
    both_ends: Column[frozenset[str] | None] = ()
    table: SuspectTable | None = None
    ledger: Ledger | None = None
    numbers: Column[int] = ()


def second_pass(pending: Iterable[Match], context: Context) -> list[Match]:
    """The pending matches that hold, no longer pending, by flow and then by specificity. Matches that are not pending pass through."""
    pending = list(pending)
    judge = _Judge(context, pending)
    if context.ledger is not None:
        judge.enter(context.ledger)
    held = [match if not match.pending else judge.match(match) for match in pending]
    return sorted((m for m in held if m is not None), key=_order)


def settle(matches: Iterable[Match]) -> list[Match]:
    """All matches with disjoint claims: in each flow the most specific keeps its packets; one that loses a packet it `expect`s is gone."""
    kept: list[Match] = []
    for _, here in groupby(sorted(matches, key=_order), key=attrgetter("flow")):
        of_flow = list(here)
        kept += _disjoint(of_flow) if len(of_flow) > 1 else of_flow
    return kept


def _disjoint(matches: list[Match]) -> list[Match]:
    """The same for the matches of one flow, the specific ones first."""
    taken: set[int] = set()
    kept = []
    for match in matches:
        lost = taken & set(match.rows)
        if lost:
            gone = {number for row, number in zip(match.rows, match.packets, strict=True) if row in lost}
            if gone & {n for c in match.definition.expect for n in match.clauses[c.name].packets}:
                continue
        left = [(row, number) for row, number in zip(match.rows, match.packets, strict=True) if row not in lost]
        taken.update(row for row, _ in left)
        kept.append(_but(match, left) if lost else match)
    return kept


def _but(match: Match, left: list[tuple[int, int]]) -> Match:
    """The match with these rows and packets alone."""
    rows, packets = tuple(row for row, _ in left), tuple(number for _, number in left)
    return Match(match.signature, match.flow, match.clauses, packets, rows, match.definition, match.pending)


def _order(match: Match) -> tuple[int, tuple[bool, int, int, int, str]]:
    return (match.flow, match.definition.specificity)


class _Answered:
    """What a match shows once the clauses that waited are judged."""

    def __init__(self, match: Match, judged: dict[str, ClauseState]) -> None:
        self._match, self._judged = match, judged

    def clauses(self, _: int) -> dict[str, ClauseState]:
        return {**self._match.clauses, **self._judged}

    def rows(self, _: int) -> tuple[int, ...]:
        return self._match.rows

    def packets(self, _: int) -> tuple[int, ...]:
        return self._match.packets


class _Judge:
    def __init__(self, context: Context, pending: Sequence[Match]) -> None:
        self._context = context
        self._pending = pending
        self._keys = Keys({name: getattr(context, name) for name in ("client", "server", "port", "name", "start")})
        self._histories: dict[tuple[tuple[str, ...], ...], History] = {}
        self._names: dict[tuple[str, Key], list[Match]] = defaultdict(list)
        self._over_name: dict[tuple[str, Across, Key], ClauseState] = {}
        for match in pending:
            if match.definition.looks_across:
                self._names[match.signature, self._name(match.flow)].append(match)

    def _name(self, flow: int) -> Key:
        context = self._context
        return (context.server[flow], context.port[flow], context.name[flow])

    def match(self, match: Match) -> Match | None:
        """The match with its second-pass clauses judged, or None where they do not bear it out."""
        signature = match.definition
        judged = {clause.name: self._clause(clause, match) for clause in signature.waiting}
        answered = Later(match.signature, match.flow, _Answered(match, judged), 0, signature, False)
        if signature.undecided:
            # what of expect and rule_out did not wait let the first pass through
            if any(c.name in judged and judged[c.name].state != "held" for c in signature.expect):
                return None
            if signature.any_of and not any(answered.clauses[c.name].state == "held" for c in signature.any_of):
                return None
            if any(c.name in judged and judged[c.name].state == "held" for c in signature.rule_out):
                return None
        return answered

    def _clause(self, clause: Clause, match: Match) -> ClauseState:
        match clause:
            case Control():
                states = [_one_of(self._context.control, match.flow, clause.states)]
                return _all(states + _measured(clause.predicates, self._context.control_values, match.flow))
            case SeenAt():
                return self._seen_at(clause, match.flow)
            case Compare():
                return self._compare(clause, match.flow)
            case Across():
                key = (match.signature, clause, self._name(match.flow))
                if key not in self._over_name:
                    self._over_name[key] = self._across(clause, match)
                return self._over_name[key]
            case Earlier():
                return self._earlier(clause, match.flow)
        raise AssertionError(f"{clause} needs no second pass")

    def _seen_at(self, clause: SeenAt, flow: int) -> ClauseState:
        both = self._context.both_ends
        shown = both[flow] if flow < len(both) else None
        if clause.shows:
            return Unknown if shown is None else Held if shown & {*clause.shows} else Failed
        if shown is not None and "both" in clause.ends:
            return Held
        return _one_of(self._context.seen_at, flow, clause.ends)

    def _compare(self, clause: Compare, flow: int) -> ClauseState:
        states = []
        if clause.certificate is not None:
            states.append(_one_of(self._context.certificate, flow, (clause.certificate,)))
        return _all(states + _measured(clause.predicates, self._context.ratios, flow))

    def _across(self, clause: Across, match: Match) -> ClauseState:
        table = self._context.table
        fellows = self._names[match.signature, self._name(match.flow)]
        rows = [r for r in (_first_row(m, clause.of) for m in fellows) if r is not None]
        if table is None:
            return Unknown
        features = [(feature, True) for feature in clause.same] + [(feature, False) for feature in clause.distinct]
        columns = [table.feature(feature) for feature, _ in features]
        numbers = self._context.numbers
        shown: list[Fellow] = []
        for r in sorted(rows):
            flow = int(table.flow[r])
            told = tuple(c.data[[r]].tolist()[0] if c.known[r] else None for c in columns)
            shown.append((int(numbers[flow]) if len(numbers) else flow, int(table.number[r]), told))
        if self._context.ledger is not None:
            key = (match.signature, clause.name, *self._name(match.flow))
            shown = sorted(shown + self._context.ledger.fellows(key, shown))
        if len(shown) < clause.flows:
            return Unknown
        states = []
        for place, (_, equal) in enumerate(features):
            values = [told[place] for _, _, told in shown]
            if any(value is None for value in values):
                states.append(Unknown)
                continue
            states.append(ClauseState("held" if len(set(values)) == (1 if equal else len(values)) else "failed"))
        packets = tuple(number for _, number, _ in shown)
        overall = _all(states)
        return ClauseState(overall.state, packets if overall.state == "held" else ())

    def _earlier(self, clause: Earlier, flow: int) -> ClauseState:
        history = self._history(clause)
        low, high = history.places(self._key(clause, flow))
        starts = history.starts
        own = self._context.start[flow]
        begin, end = bisect_left(starts, own - clause.within, low, high), bisect_left(starts, own, low, high)
        if clause.later:
            begin, end = bisect_right(starts, own, low, high), bisect_right(starts, own + clause.within, low, high)
        latest = next((i for i in range(end - 1, begin - 1, -1) if history.flows[i] != flow), None)
        found = [] if latest is None else [(starts[latest], history.packets_at(latest))]
        if self._context.ledger is not None and "client" not in clause.same:
            first, last = (own + 1, own + clause.within) if clause.later else (own - clause.within, own - 1)
            others = self._context.ledger.shown(clause, self._key(clause, flow))
            found = sorted([*found, *((start, packets) for start, _, packets in others if first <= start <= last)], key=lambda one: one[0])
        return ClauseState("held", found[-1][1]) if found else Failed

    def enter(self, ledger: Ledger) -> None:
        """Write what these flows show of clauses that flows of other clients ask. Where packets play no part, as few flows as give the same answers."""
        context = self._context
        numbers = np.asarray(context.numbers, np.int64) if len(context.numbers) else np.arange(len(context.outcome))
        told: dict[tuple[int, int], Told] = {}  # `earlier` and `later` often ask the same
        for clause in ledger.clauses:
            history = self._history(clause)
            key = id(history), clause.within
            if key not in told:
                told[key] = history.told(clause.within, numbers)
            ledger.enter(clause, told[key])

    def _key(self, clause: Earlier, flow: int) -> Key:
        return tuple(self._keys.of(name)[flow] for name in clause.same)

    def _history(self, clause: Earlier) -> History:
        """The flows that show what the clause asks for, with the packets that show it."""
        question = clause.outcomes, clause.signatures, clause.techniques, clause.same
        if question not in self._histories:
            context = self._context
            shown = [f for f, word in enumerate(context.outcome) if word in clause.outcomes]
            packets: dict[int, tuple[int, ...]] = {}
            if clause.signatures or clause.techniques:
                for match in (*context.matches, *(m for m in self._pending if _stands(m))):
                    if match.signature in clause.signatures or _within(match.definition.technique, clause.techniques):
                        packets[match.flow] = match.packets
                shown = list(dict.fromkeys((*shown, *packets)))
            self._histories[question] = History(self._keys, clause.same, shown, packets)
        return self._histories[question]


def _stands(match: Match) -> bool:
    """Nothing that decides the match is pending: only support waits for the second pass."""
    return match.pending and not match.definition.undecided


def _within(technique: str, parents: tuple[str, ...]) -> bool:
    """The technique is one of these, or a child of one."""
    return any(technique == parent or technique.startswith(parent + ".") for parent in parents)


def _first_row(match: Match, clause: str) -> int | None:
    """The row of the clause's first claimed packet."""
    first = min(match.clauses[clause].packets, default=None)
    return next((row for row, number in zip(match.rows, match.packets, strict=False) if number == first), None)


def _measured(predicates: tuple[Predicate, ...], columns: Mapping[str, Sequence[float | None]], flow: int) -> list[ClauseState]:
    """The state of each predicate on a column of the context."""
    states = []
    for predicate in predicates:
        column = columns.get(predicate.feature, ())
        value = column[flow] if flow < len(column) else None
        states.append(Unknown if value is None else Held if predicate.test.accepts(float(value)) else Failed)
    return states


def _one_of(column: Column[str | None], flow: int, words: tuple[str, ...]) -> ClauseState:
    value = column[flow] if flow < len(column) else None
    return Unknown if value is None else Held if value in words else Failed


def _all(states: list[ClauseState]) -> ClauseState:
    """Held where all are; one that failed outweighs one that cannot be seen."""
    if len(states) == 1:
        return states[0]
    if any(s.state == "failed" for s in states):
        return Failed
    return Unknown if any(s.state == "not_visible" for s in states) else Held
