"""What one clause of a signature asks for, as plain frozen data, and as JSON for the compiled database.

Rules of this file:
- Data only: `clause_reader.py` makes it from YAML, `match.py` and `second_pass.py` judge it.
- Nine kinds. From the flow alone: packets, absent, flow. Only in the second pass: control, compare, across, earlier, later, seen_at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dpiprobe.signature.values import Test, restore

ORDINARY_COUNT = Test("in", ((1, None),), said="at least 1")


@dataclass(frozen=True, slots=True)
class Predicate:
    """One feature and what it must be. `feature` is a word of the vocabulary."""

    feature: str
    test: Test


@dataclass(frozen=True, slots=True)
class Packets:
    """Selects packets, splits them into groups, judges whole groups; the earliest group that holds wins.

    origins: where they come from (indices of observe.table.ORIGINS) · exact: value of the flags S, F, R, A or None · some, lacks: masks
    reached_server: asked of client packets, or None · predicates: all hold for a packet
    same: features that are equal within a group · count, span: of a group · step: differences of neighbours in a group
    offsets: sequence numbers of the group's packets relative to the first of them, in order
    after, before: a clause; only packets behind its last, or ahead of its first
    shared: also sees packets that a more specific signature has claimed, and claims none
    """

    name: str
    origins: tuple[int, ...]
    exact: int | None = None
    some: int = 0
    lacks: int = 0
    reached_server: bool | None = None
    predicates: tuple[Predicate, ...] = ()
    same: tuple[str, ...] = ()
    count: Test = ORDINARY_COUNT
    span: Test | None = None
    step: tuple[Predicate, ...] = ()
    offsets: tuple[int, ...] = ()
    after: str | None = None
    before: str | None = None
    shared: bool = False

    @property
    def plain_group(self) -> bool:
        """No condition on the group but that it has a packet."""
        return self.count is ORDINARY_COUNT and self.span is None and not self.step and not self.offsets


@dataclass(frozen=True, slots=True)
class Absent:
    """No such packet within `within` ns of the trigger, or of the last packet of the clause that `packets.after` names."""

    name: str
    packets: Packets
    within: int


@dataclass(frozen=True, slots=True)
class Flow:
    """The flow as a whole; `predicates` speak of flow features."""

    name: str
    predicates: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Control:
    """How the control fares at the same server (completes, fails or absent), and what its flows show (medians of flow features)."""

    name: str
    states: tuple[str, ...]
    predicates: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """Test against control: for a number the test's value divided by the control's (median); `certificate` is same or differs."""

    name: str
    predicates: tuple[Predicate, ...]
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Across:
    """Over the flows of one (server, name) that this signature matches: the features of their packets are all equal, or all distinct.

    of: the clause whose first packet is compared · flows: how many there must be at least
    """

    name: str
    same: tuple[str, ...]
    distinct: tuple[str, ...]
    of: str
    flows: int = 2


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier flow with the same keys showed one of these signatures, techniques or outcomes, and began at most `within` ns before this one.

    techniques: of a signature that matched it, or children of them (`rst` is `rst.on-path` too) · later: it began after this one instead
    """

    name: str
    signatures: tuple[str, ...]
    outcomes: tuple[str, ...]
    same: tuple[str, ...]
    within: int
    techniques: tuple[str, ...] = ()
    later: bool = False


@dataclass(frozen=True, slots=True)
class SeenAt:
    """At which end the flow was captured: client, server or both. shows: what the captures of both ends must show together, one of these"""

    name: str
    ends: tuple[str, ...]
    shows: tuple[str, ...] = ()

    @property
    def needs_both(self) -> bool:
        """Only a second capture can bear it out."""
        return bool(self.shows) or self.ends == ("both",)


Clause = Packets | Absent | Flow | Control | Compare | Across | Earlier | SeenAt
FirstPass = (Packets, Absent, Flow)
"""The kinds that need only the flow."""


def needs_context(clause: Clause) -> bool:
    """The clause can only be judged in the second pass."""
    return not isinstance(clause, FirstPass)


def _plain_predicates(predicates: tuple[Predicate, ...]) -> list[Any]:
    return [[p.feature, p.test.plain()] for p in predicates]


def _predicates(plain: list[Any]) -> tuple[Predicate, ...]:
    return tuple(Predicate(feature, restore(test)) for feature, test in plain)


def clause_to_plain(clause: Clause) -> list[Any]:
    """The clause as JSON data, its kind first."""
    match clause:
        case Packets():
            return ["packets", clause.name, list(clause.origins), clause.exact, clause.some, clause.lacks, clause.reached_server,
                    _plain_predicates(clause.predicates), list(clause.same), None if clause.count is ORDINARY_COUNT else clause.count.plain(),
                    clause.span and clause.span.plain(), _plain_predicates(clause.step), list(clause.offsets), clause.after, clause.before,
                    clause.shared]  # fmt: skip
        case Absent():
            return ["absent", clause.name, clause_to_plain(clause.packets), clause.within]
        case Flow():
            return ["flow", clause.name, _plain_predicates(clause.predicates)]
        case Control():
            return ["control", clause.name, list(clause.states), _plain_predicates(clause.predicates)]
        case Compare():
            return ["compare", clause.name, _plain_predicates(clause.predicates), clause.certificate]
        case Across():
            return ["across", clause.name, list(clause.same), list(clause.distinct), clause.of, clause.flows]
        case Earlier():
            return ["earlier", clause.name, list(clause.signatures), list(clause.outcomes), list(clause.same), clause.within, list(clause.techniques),
                    clause.later]  # fmt: skip
        case SeenAt():
            return ["seen_at", clause.name, list(clause.ends), list(clause.shows)]


def clause_from_plain(plain: list[Any]) -> Clause:
    """The clause that `clause_to_plain` wrote."""
    kind, name, *rest = plain
    match kind:
        case "packets":
            origins, exact, some, lacks, reached, predicates, same, count, span, step, offsets, after, before, shared = rest
            return Packets(
                name, tuple(origins), exact, some, lacks, reached, _predicates(predicates), tuple(same), ORDINARY_COUNT if count is None else restore(count),
                restore(span) if span else None, _predicates(step), tuple(offsets), after, before, shared,
            )  # fmt: skip
        case "absent":
            inner = clause_from_plain(rest[0])
            assert isinstance(inner, Packets)
            return Absent(name, inner, rest[1])
        case "flow":
            return Flow(name, _predicates(rest[0]))
        case "control":
            return Control(name, tuple(rest[0]), _predicates(rest[1]))
        case "compare":
            return Compare(name, _predicates(rest[0]), rest[1])
        case "across":
            return Across(name, tuple(rest[0]), tuple(rest[1]), rest[2], rest[3])
        case "earlier":
            return Earlier(name, tuple(rest[0]), tuple(rest[1]), tuple(rest[2]), rest[3], tuple(rest[4]), rest[5])
        case "seen_at":
            return SeenAt(name, tuple(rest[0]), tuple(rest[1]))
    raise ValueError(f"unknown clause kind {kind!r}")
