"""One signature over all flows at once: the state of each clause, and the packets that make it.

Rules of this file:
- A clause is held, failed, not visible (a feature it needs cannot be seen and could have decided it) or pending (the second pass says).
- `expect` clauses hold in order: each one's group begins behind the group of the one before. `after: X` takes only packets behind X's last,
  `before: X` only those ahead of X's first.
- expect and any_of see only packets that nobody more specific has claimed (unless the clause is `shared`); support, rule_out and absent
  see all of them.
- Flows in which an `expect` does not hold are left behind at once: a clause costs what the flows cost that are still alive, and one that selects
  nothing costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dpiprobe.signature.asked import Selection
from dpiprobe.signature.clause import Absent, Clause, Flow, Packets, needs_context
from dpiprobe.signature.grouping import group
from dpiprobe.signature.model import Signature
from dpiprobe.signature.predicates import FEWER, NOTHING, Questions, Rows

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]

FAILED, HELD, NOT_VISIBLE, PENDING = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Result:
    """One clause over the flows that were alive. state: per flow · first, last: rows of the winning group, -1 where there is none (None for a clause
    on no packets) · rows: all winners' rows, ascending; those of flows that were left behind since may be among them"""

    state: States
    first: Ints | None = None
    last: Ints | None = None
    rows: Ints = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One signature over all flows: those it matches (or may, once the second pass has spoken), and what each clause found in them."""

    flows: Ints
    results: dict[str, Result]


Among = Callable[[Ints], "Bools | None"]
"""Of these flows those to look at; None for all."""


def evaluate(signature: Signature, questions: Questions, free: Bools, among: Among | None = None) -> Evaluation | None:
    """Judge a signature; `free` marks rows that nobody has claimed, `among` says which flows are worth it. None where no flow matches."""
    needed = signature.asked.needed
    counts = []
    for selection in needed:
        counts.append(len(questions.held(selection)))
        if not counts[-1]:
            return None
    one = _One(signature, questions)
    if len(counts) > 1 and min(counts) * FEWER < max(counts):
        one.only(needed[counts.index(min(counts))])
    if not len(one.flows):
        return None
    for clause in signature.expect:
        if needs_context(clause) and not one.triggered():
            return None
        if among is not None and needs_context(clause):  # all that are asked of controls at once, as soon as one is asked
            worth, among = among(one.flows), None
            if worth is not None and not one.keep(worth):
                return None
        if not one.expect(clause, free):
            return None
    if not one.triggered():
        return None
    if signature.any_of:
        some = np.zeros(len(one.flows), np.bool_)
        for clause in signature.any_of:
            state = one.judge(clause, free)
            some |= (state == HELD) | (state == PENDING)
        if not one.keep(some):
            return None
    for clause in signature.rule_out:
        if not one.keep(one.judge(clause, None) != HELD):
            return None
    for clause in signature.support:
        one.judge(clause, None)
    return Evaluation(one.flows, {clause.name: one.results[clause.name] for clause in signature.clauses})


class _One:
    """The evaluation of one signature: the flows that are alive, ascending, and the results so far, one entry a flow.

    floor: the row behind which the next `expect` begins, -1 where there is none yet; None where there is none anywhere
    met: the conditions of the trigger have been asked: they cost most, so clauses go first
    """

    def __init__(self, signature: Signature, questions: Questions) -> None:
        self.asked, self.trigger, self.questions = signature.asked, signature.trigger, questions
        self.mask, self.flows = questions.of_kinds(signature.trigger.kinds)
        self.of_trigger = True  # all flows whose rows the bases hold
        self.met = not signature.trigger.conditions and signature.trigger.tcp_options is None
        self.results: dict[str, Result] = {}
        self.floor: Ints | None = None
        self._place: Ints | None = None

    def keep(self, which: Bools) -> bool:
        """Leave the other flows behind; whether any is left."""
        if np.count_nonzero(which) == len(which):
            return len(which) > 0
        self._take(which.nonzero()[0])
        return len(self.flows) > 0

    def triggered(self) -> bool:
        """Leave the flows behind whose trigger does not meet its conditions; whether any is left."""
        if self.met:
            return True
        self.met = True
        return self.keep(self.questions.meets(self.trigger, self.asked.conditions, self.flows))

    def only(self, selection: Selection) -> None:
        """Leave the flows behind in which nothing is selected, before anything is judged."""
        some = np.zeros(len(self.mask), np.bool_)
        some[self.questions.rows_of(selection).flow[self.questions.held(selection)]] = True
        self._take(some[self.flows].nonzero()[0])

    def _take(self, places: Ints) -> None:
        self.flows = self.flows[places]
        self.floor = self.floor[places] if self.floor is not None else None
        self.of_trigger, self._place = False, None
        self.results = {
            name: Result(r.state[places], r.first[places] if r.first is not None else None, r.last[places] if r.last is not None else None, r.rows)
            for name, r in self.results.items()
        }

    def places_of(self, flow: Ints) -> Ints:
        """Where these flows stand among those alive, -1 for those that are not."""
        if self._place is None:
            self._place = np.full(self.questions.table.flow_count, -1, np.int64)
            self._place[self.flows] = np.arange(len(self.flows))
        return self._place[flow]

    def expect(self, clause: Clause, free: Bools) -> bool:
        """Judge a clause that must hold and leave the flows behind in which it does not; whether any is left."""
        match clause:
            case Packets():
                return self._expect_packets(clause, None if clause.shared else free)
            case Flow() if self.of_trigger and not self.results:  # the mask is that of all flows alive
                self.flows = self.questions.flows_among(self.mask, self.asked.flows[clause.name]).nonzero()[0]
                self.of_trigger = False
                self.results[clause.name] = Result(np.full(len(self.flows), HELD, np.int8))
                return len(self.flows) > 0
        state = self.judge(clause, free)
        return self.keep((state == HELD) | (state == PENDING))

    def _expect_packets(self, clause: Packets, allowed: Bools | None) -> bool:
        asked = self.asked.packets[clause.name]
        places = self.questions.held(asked)
        if not len(places):
            return False
        base = self.questions.rows_of(asked)
        places = self._standing(clause, base, places, allowed)
        if not len(places):
            return False
        groups = group(clause, base, places)
        won = groups.winners(self.floor[self.places_of(groups.flow)] if self.floor is not None else None)
        if not len(won):
            return False
        flows = groups.flow[won]
        if len(flows) < len(self.flows):
            self._take(self.places_of(flows) if self.results else np.searchsorted(self.flows, flows))
        self.floor = groups.first[won]
        self.results[clause.name] = Result(np.full(len(flows), HELD, np.int8), groups.first[won], groups.last[won], groups.members(won))
        return True

    def _standing(self, clause: Packets, base: Rows, places: Ints, allowed: Bools | None) -> Ints:
        """Of these places in `base` those that the clause may take: allowed, in flows that are alive, and right to the clauses named in after and before."""
        if allowed is not None:
            places = places[allowed[base.rows[places]]]
        if not self.of_trigger and len(places):
            places = places[self.places_of(base.flow[places]) >= 0]
        for name, behind in ((clause.after, True), (clause.before, False)):
            if name is None or not len(places):
                continue
            edges = self.results[name].last if behind else self.results[name].first
            if edges is None:
                return NOTHING
            edge, rows = edges[self.places_of(base.flow[places])], base.rows[places]
            places = places[(edge >= 0) & ((rows > edge) if behind else (rows < edge))]
        return places

    def judge(self, clause: Clause, allowed: Bools | None) -> States:
        """The state of one clause in the flows that are alive, on the rows that are allowed (None: on all)."""
        match clause:
            case Packets():
                result = self._packets(clause, None if clause.shared else allowed)
            case Absent():
                result = Result(self._absent(clause))
            case Flow():
                passes, maybe = self.questions.flows_where(self.asked.flows[clause.name])
                state = passes[self.flows].astype(np.int8)  # HELD or FAILED
                if maybe is not None:
                    state[maybe[self.flows]] = NOT_VISIBLE
                result = Result(state)
            case _:
                result = Result(np.full(len(self.flows), PENDING, np.int8))
        self.results[clause.name] = result
        return result.state

    def _packets(self, clause: Packets, allowed: Bools | None) -> Result:
        count = len(self.flows)
        state = np.zeros(count, np.int8)
        first, last = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
        for name in (clause.after, clause.before):
            if name is not None:
                state[self.results[name].state == NOT_VISIBLE] = NOT_VISIBLE
        asked = self.asked.packets[clause.name]
        places, possible = self.questions.selection(asked)
        base = self.questions.rows_of(asked)
        if len(possible):
            possible = self._standing(clause, base, possible, allowed)
            state[self.places_of(base.flow[possible])] = NOT_VISIBLE
        places = self._standing(clause, base, places, allowed) if len(places) else places
        if not len(places):
            return Result(state, first, last)
        groups = group(clause, base, places)
        if groups.unseen is not None:
            state[self.places_of(groups.flow[groups.unseen])] = NOT_VISIBLE
        won = groups.winners(None)
        at = self.places_of(groups.flow[won])
        state[at] = HELD
        first[at], last[at] = groups.first[won], groups.last[won]
        return Result(state, first, last, groups.members(won))

    def _absent(self, clause: Absent) -> States:
        """Held where no such packet came in time and the capture watched that long; a packet that may be one leaves it open."""
        questions, table = self.questions, self.questions.table
        state = np.full(len(self.flows), HELD, np.int8)
        asked = self.asked.packets[clause.name]
        base = questions.rows_of(asked)
        passing, possible = (places[self.places_of(base.flow[places]) >= 0] for places in questions.selection(asked))
        if clause.packets.after is None:
            waited = questions.waited[self.flows]
            delay = base.values("delay") if len(passing) or len(possible) else None

            def since(places: Ints) -> tuple[Ints, Bools]:
                assert delay is not None
                return delay.data[places], delay.known[places]
        else:
            other = self.results[clause.packets.after]
            state = np.where(other.state == HELD, state, np.where(other.state == NOT_VISIBLE, NOT_VISIBLE, FAILED)).astype(np.int8)
            anchor = other.last if other.last is not None else np.full(len(self.flows), -1, np.int64)
            waited = self._watched_since(anchor)

            def since(places: Ints) -> tuple[Ints, Bools]:
                rows = base.rows[places]
                edge = anchor[self.places_of(base.flow[places])]
                return table.time[rows] - table.time[np.maximum(edge, 0)], (edge >= 0) & (rows > edge)

        watched = table.flow_feature("watched_after")
        seen = watched.known[self.flows] & (waited + watched.data[self.flows] >= clause.within)
        state[~seen & (state == HELD)] = NOT_VISIBLE
        anchored = clause.packets.after is not None
        for places, certain in ((possible, False), (passing, True)):
            if not len(places):
                continue
            elapsed, known = since(places)
            at = self.places_of(base.flow[places])
            in_time = known & (elapsed <= clause.within)
            if not anchored:  # one whose delay is not known may be in time
                state[at[~known]] = NOT_VISIBLE
            state[at[in_time]] = FAILED if certain else NOT_VISIBLE
        return state

    def _watched_since(self, anchor: Ints) -> Ints:
        """Of each flow the time from its anchor to the latest suspect behind it, 0 where there is none."""
        table = self.questions.table
        place = self.places_of(table.flow)
        rows = np.flatnonzero(place >= 0)
        edge = anchor[place[rows]]
        rows, edge = rows[(edge >= 0) & (rows > edge)], edge[(edge >= 0) & (rows > edge)]
        out = np.zeros(len(self.flows), np.int64)
        np.maximum.at(out, self.places_of(table.flow[rows]), table.time[rows] - table.time[edge])
        return out
