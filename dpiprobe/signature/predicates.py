"""What clauses ask of a suspect table, each question answered once however many signatures ask it.

Rules of this file:
- Three values: a row passes, may pass (a feature it was asked for is unknown there), or fails.
- Rows are divided by what all predicates of a clause share: the trigger's kind, origin and flags (`Rows`). Columns are worked out for such rows
  alone, and only where a row is left.
- Answers are kept by the numbers of `asked.py`.
- Payloads are compared and searched last, and only in rows that passed all else; each row at most once for each pattern.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.packet_features import PAYLOADS
from dpiprobe.observe.table import Part, SuspectTable, Values
from dpiprobe.signature.asked import Numbered, Selection
from dpiprobe.signature.bases import Base, Classes
from dpiprobe.signature.clause import Predicate
from dpiprobe.signature.model import Trigger
from dpiprobe.signature.values import Test
from dpiprobe.wire.packets import RST

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Short = npt.NDArray[np.int16]
Answer = tuple[Bools, Bools | None]
"""(passes, may pass); None where nothing may"""

NOTHING = np.empty(0, np.int64)

MANY, FEWER = 2048, 8
"""Of so many rows a column is worked out for those alone that are left, where they are so many times fewer (our own measurement)."""


class Rows:
    """Rows of the table (ascending) that share trigger, origin and flags, and what was asked of them. Answers are masks over these rows.

    wider: rows among which these are, and their places there
    """

    def __init__(self, table: SuspectTable, rows: Ints, wider: tuple[Rows, Ints] | None = None) -> None:
        self.rows = rows
        self.flow: Ints = table.flow[rows]
        self._table = table
        self._wider = wider
        self._part: Part | None = None
        self._values: dict[str, Values] = {}
        self._answers: dict[int, Answer] = {}
        self._searched: dict[int, tuple[Bools, Bools]] = {}
        self._payloads: tuple[Ints, npt.NDArray[Any]] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def time(self) -> Ints:
        """ns"""
        return self._table.time[self.rows]

    def values(self, feature: str) -> Values:
        """A packet feature over these rows."""
        if feature not in self._values:
            if self._wider is not None and feature not in PAYLOADS:
                values, places = self._wider[0].values(feature), self._wider[1]
                self._values[feature] = Values(values.data[places], values.known[places])
            else:
                self._part = self._part or self._table.part(self.rows)
                self._values[feature] = self._part.feature(feature)
        return self._values[feature]

    def answer(self, number: int, predicate: Predicate) -> Answer:
        """A predicate on a column."""
        if number not in self._answers:
            self._answers[number] = _answer(self.values(predicate.feature), predicate.test)
        return self._answers[number]

    def answer_at(self, number: int, predicate: Predicate, places: Ints) -> Bools:
        """Whether a predicate on a column is known to hold at some places; the column is worked out for them alone, unless it is there."""
        if number in self._answers or predicate.feature in self._values:
            return self.answer(number, predicate)[0][places]
        return _answer(self._table.part(self.rows[places]).feature(predicate.feature), predicate.test)[0]

    def search(self, number: int, predicate: Predicate, wanted: Ints) -> tuple[Bools, Bools]:
        """A predicate on payloads: where it is known to hold, of the rows at these places; and where it can be judged at all."""
        values, test = self.values(predicate.feature), predicate.test
        if number not in self._searched:
            self._searched[number] = np.zeros(len(self.rows), np.bool_), np.zeros(len(self.rows), np.bool_)
        passes, searched = self._searched[number]
        new = wanted[values.known[wanted] & ~searched[wanted]]
        if len(new):
            searched[new] = True
            passes[new] = test.negated
            near = new[_fits(values.data, new, test)]
            if len(near):
                passes[near] = test.mask(self._payloads_at(values.data, near))
        return passes, values.known

    def _payloads_at(self, data: Any, places: Ints) -> npt.NDArray[Any]:
        """Payloads; those asked for last are kept, since signatures that differ in a text alone ask for the same ones."""
        if self._payloads is None or not np.array_equal(self._payloads[0], places):
            self._payloads = places, data[places]
        return self._payloads[1]


class Questions:
    """All that was asked of one suspect table so far."""

    def __init__(self, table: SuspectTable) -> None:
        self.table = table
        self.rows = len(table.flow)
        self._flows: dict[int, Answer] = {}
        self._kinds: dict[tuple[int, ...], tuple[Bools, Ints]] = {}
        self._flow_kind: Short = table.trigger_kind.astype(np.int16)
        self._classes = Classes(table, self._flow_kind)
        self._bases: dict[Base, Rows] = {}
        self._of_classes: dict[tuple[int, ...], Rows] = {}
        self._numbered: dict[int, Rows] = {}
        self._held: dict[int, Ints] = {}
        self._selections: dict[int, tuple[Ints, Ints]] = {}
        self._waited: Ints | None = None
        self._present = frozenset(np.unique(table.trigger_kind).tolist())

    def of_kinds(self, kinds: tuple[int, ...]) -> tuple[Bools, Ints]:
        """Flows whose trigger is one of these, as mask and as indices."""
        if kinds not in self._kinds:
            here = tuple(kind for kind in kinds if kind in self._present)
            if here == kinds:
                mask = _among(self._flow_kind, kinds)
                self._kinds[kinds] = mask, mask.nonzero()[0]
            else:
                self._kinds[kinds] = self.of_kinds(here)
        return self._kinds[kinds]

    def meets(self, trigger: Trigger, conditions: Numbered, flows: Ints) -> Bools:
        """Of these flows, whose trigger is of the kind, those that meet its conditions as well; one that cannot be seen is not met."""
        met = np.ones(len(flows), np.bool_)
        for number, predicate in conditions:
            left = met.nonzero()[0]
            if number in self._flows:
                met[left] = self._flows[number][0][flows[left]]
            elif len(left):
                met[left] = _answer(self.table.flow_feature_of(predicate.feature, flows[left]), predicate.test)[0]
        if trigger.tcp_options is not None:
            met &= self._with_options(trigger.tcp_options)[flows]
        return met

    def _with_options(self, word: str) -> Bools:
        # the table shows this where it can tell (an attribute beside the vocabulary, since it speaks of the trigger, not of a suspect)
        from dpiprobe.observe.vocabulary import PACKET_FEATURES

        options = getattr(self.table, "trigger_options", None)
        if options is None:
            return np.zeros(self.table.flow_count, np.bool_)
        return np.asarray(options.known & (options.data == PACKET_FEATURES["options"].choices.index(word)), np.bool_)

    def flows_where(self, predicates: Numbered) -> Answer:
        """Flows for which all hold."""
        passes = possible = None
        for number, predicate in predicates:
            passes, possible = _both(passes, possible, self._flow_answer(number, predicate))
        if passes is None:
            return np.ones(self.table.flow_count, np.bool_), None
        return passes, possible & ~passes if possible is not None else None

    def flows_among(self, mask: Bools, predicates: Numbered) -> Bools:
        """Of the flows of a mask those for which all are known to hold; nothing more is worked out once none is left."""
        for number, predicate in predicates:
            mask = mask & self._flow_answer(number, predicate)[0]
            if not np.count_nonzero(mask):
                break
        return mask

    def _flow_answer(self, number: int, predicate: Predicate) -> Answer:
        found = self._flows.get(number)
        if found is None:
            found = self._flows[number] = _answer(self.table.flow_feature(predicate.feature), predicate.test)
        return found

    def rows_of(self, selection: Selection) -> Rows:
        """The rows that a selection chooses from."""
        found = self._numbered.get(selection.base_number)
        if found is None:
            found = self._numbered[selection.base_number] = self._base(selection.base)
        return found

    def _base(self, base: Base) -> Rows:
        if base not in self._bases:
            classes = self._classes
            chosen = classes.of(base)
            if chosen not in self._of_classes:
                kinds, origins, exact, *_ = base
                wider = classes.of((kinds, origins, None, RST, 0, None)) if chosen and exact is not None and exact & RST else ()
                if len(wider) > len(chosen):  # one of several ways to reset: they share columns
                    whole = self._base((kinds, origins, None, RST, 0, None))
                    places = classes.mask(chosen, whole.rows).nonzero()[0]
                    self._of_classes[chosen] = Rows(self.table, whole.rows[places], (whole, places))
                else:
                    self._of_classes[chosen] = Rows(self.table, classes.mask(chosen).nonzero()[0] if chosen else NOTHING)
            self._bases[base] = self._of_classes[chosen]
        return self._bases[base]

    def held(self, selection: Selection) -> Ints:
        """Rows (places in their base) that the clause's predicates select, wherever they stand."""
        found = self._held.get(selection.number)
        if found is None:
            found = self._held[selection.number] = self._hold(self.rows_of(selection), selection)
        return found

    def _hold(self, base: Rows, selection: Selection) -> Ints:
        if not len(base):
            return NOTHING
        passes: Bools | None = None
        places: Ints | None = None  # once few rows are left
        for number, predicate in selection.plain:
            if places is not None:
                places = places[base.answer_at(number, predicate, places)]
                if not len(places):
                    return NOTHING
                continue
            yes = base.answer(number, predicate)[0]
            passes = yes if passes is None else passes & yes
            left = np.count_nonzero(passes)
            if not left:
                return NOTHING
            if left * FEWER < len(base) and len(base) > MANY:
                places = passes.nonzero()[0]
        if places is None:
            places = passes.nonzero()[0] if passes is not None else np.arange(len(base))
        for feature in selection.same:
            places = places[base.values(feature).known[places]]
        for number, predicate in selection.texts:
            if not len(places):
                break
            places = places[base.search(number, predicate, places)[0][places]]
        return places

    def selection(self, selection: Selection) -> tuple[Ints, Ints]:
        """Rows (places in their base) that the predicates select, and those that they may select: a feature that could decide it, or a grouping key,
        is unknown there."""
        if selection.number not in self._selections:
            self._selections[selection.number] = self._select(self.rows_of(selection), selection)
        return self._selections[selection.number]

    def _select(self, base: Rows, selection: Selection) -> tuple[Ints, Ints]:
        passes = possible = None
        for number, predicate in selection.plain if len(base) else ():
            passes, possible = _both(passes, possible, base.answer(number, predicate))
            if not np.count_nonzero(passes if possible is None else possible):
                return NOTHING, NOTHING
        if not len(base):
            return NOTHING, NOTHING
        if passes is None:
            passes = np.ones(len(base), np.bool_)
        for number, predicate in selection.texts:
            wanted = np.flatnonzero(passes if possible is None else possible)
            yes, known = base.search(number, predicate, wanted)
            asked = np.zeros(len(base), np.bool_)
            asked[wanted] = True
            possible = asked & (yes | ~known)
            passes = passes & yes
        for feature in selection.same:
            known = base.values(feature).known
            if not known.all():
                possible = passes if possible is None else possible
                passes = passes & known
        return passes.nonzero()[0], (possible & ~passes).nonzero()[0] if possible is not None else NOTHING

    @property
    def waited(self) -> Ints:
        """Per flow the longest delay of its suspects, 0 where none has one."""
        if self._waited is None:
            delay = self.table.feature("delay")
            self._waited = np.zeros(self.table.flow_count, np.int64)
            np.maximum.at(self._waited, self.table.flow[delay.known], delay.data[delay.known])
        return self._waited


def _among(column: Short, numbers: tuple[int, ...]) -> Bools:
    """Entries that are one of these numbers."""
    mask: Bools = np.zeros(len(column), np.bool_)
    for number in numbers:
        mask |= column == number
    return mask


def _both(passes: Bools | None, possible: Bools | None, answer: Answer) -> tuple[Bools, Bools | None]:
    """What passes, and what passes or may, once this was asked as well. None for `possible` where all is known."""
    yes, maybe = answer
    if maybe is not None:
        other = yes | maybe
        possible = other if passes is None else other & (passes if possible is None else possible)
    elif possible is not None:
        possible = possible & yes
    return (yes if passes is None else passes & yes), possible


def _answer(values: Values, test: Test) -> Answer:
    yes = test.mask(values.data)
    if np.count_nonzero(values.known) == len(values.known):
        return yes, None
    return yes & values.known, ~values.known


def _fits(data: Any, places: Ints, test: Test) -> Bools:
    """Whether a payload is long enough for a pattern and may hold text like it, or as long as one; all where the payloads do not tell."""
    sizes = getattr(data, "sizes", None)
    if sizes is None:
        return np.ones(len(places), np.bool_)
    long = sizes(places)
    if test.how == "text":
        return np.asarray((long >= min(map(len, test.patterns))) & data.may_hold(places, test.patterns), np.bool_)
    fits = np.zeros(len(places), np.bool_)
    for pattern in test.patterns:
        fits |= long == len(pattern)
    return fits
