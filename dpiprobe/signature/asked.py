"""What a signature asks of packets, numbered so that equal questions of different signatures are one question.

Rules of this file:
- Numbers are those of this process: a signature keeps what it asks (`Signature.asked`), and forgets it when it is copied or sent elsewhere.
- Nothing is judged here; `predicates.py` answers.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from dpiprobe.signature.bases import Base
from dpiprobe.signature.clause import Absent, Clause, Flow, Packets, Predicate

Numbered: TypeAlias = tuple[tuple[int, Predicate], ...]

COSTLY = frozenset({"echoes_timestamps", "repeats"})
"""Features that look at more than the packet: asked where all else holds."""

CHEAP = ("server_bytes", "retransmissions", "unacknowledged_for", "answered", "then_silence", "server_ack")
"""Features of a flow that cost little, the cheapest first: asked before all others, which then are asked of few flows or of none."""

_numbers: dict[Hashable, int] = {}


@dataclass(frozen=True, slots=True)
class Selection:
    """The packets that a clause selects. plain: predicates on columns, cheap ones first · texts: those on payloads
    number, base_number: equal for equal selections, and for equal bases"""

    base: Base
    plain: Numbered
    texts: Numbered
    same: tuple[str, ...]
    number: int
    base_number: int


@dataclass(frozen=True, slots=True)
class Asked:
    """All that one signature asks: the conditions of its trigger, of each clause about packets (by name) the selection, of each clause about the flow
    the predicates, cheap ones first. needed: the selections that cannot be empty in a match, without those that search payloads"""

    conditions: Numbered
    packets: dict[str, Selection]
    flows: dict[str, Numbered]
    needed: tuple[Selection, ...]


def number_of(question: Hashable) -> int:
    """The same number for equal questions."""
    return _numbers.setdefault(question, len(_numbers))


def numbered(predicates: Iterable[Predicate]) -> Numbered:
    """Each with its number."""
    return tuple((number_of(predicate), predicate) for predicate in predicates)


def asked_by(kinds: tuple[int, ...], conditions: Iterable[Predicate], clauses: Iterable[Clause], expect: Iterable[Clause]) -> Asked:
    """What the clauses of a signature with such a trigger ask. expect: those of the clauses that must hold"""
    packets: dict[str, Selection] = {}
    flows: dict[str, Numbered] = {}
    for clause in clauses:
        match clause:
            case Packets():
                packets[clause.name] = _selection(kinds, clause)
            case Absent():
                packets[clause.name] = _selection(kinds, clause.packets)
            case Flow():
                flows[clause.name] = numbered(sorted(clause.predicates, key=_dearness))
    needed = [packets[clause.name] for clause in expect if isinstance(clause, Packets)]
    return Asked(numbered(conditions), packets, flows, tuple(selection for selection in needed if not selection.texts))


def _dearness(predicate: Predicate) -> int:
    return CHEAP.index(predicate.feature) if predicate.feature in CHEAP else len(CHEAP)


def _selection(kinds: tuple[int, ...], clause: Packets) -> Selection:
    base: Base = tuple(sorted(kinds)), clause.origins, clause.exact, clause.some, clause.lacks, clause.reached_server
    ordered = sorted(clause.predicates, key=lambda predicate: predicate.feature in COSTLY)
    plain = numbered(p for p in ordered if p.test.how == "in")
    texts = numbered(p for p in ordered if p.test.how != "in")
    key = ("selection", base, tuple(n for n, _ in plain), tuple(n for n, _ in texts), clause.same)
    return Selection(base, plain, texts, clause.same, number_of(key), number_of(("base", base)))
