"""One signature over all flows at once: the state of each clause, and the packets that make it.

Rules of this file:
- A clause is held, failed, not visible (a feature it needs cannot be seen and could have decided it) or pending (the second pass says).
- `expect` clauses hold in order: each one's group begins behind the group of the one before. `after: X` takes only packets behind X's last,
  `before: X` only those ahead of X's first.
- expect and any_of see only packets that nobody more specific has claimed (unless the clause is `shared`); support, rule_out and absent
  see all of them.
- Flows in which an `expect` does not hold are left behind at once, so rare signatures cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.signature.clause import Absent, Clause, Flow, Packets
from dpiprobe.signature.grouping import group
from dpiprobe.signature.model import Signature, Trigger
from dpiprobe.signature.predicates import Questions

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FAILED, HELD, NOT_VISIBLE, PENDING = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Result:
    """One clause over all flows. state: per flow · first, last: rows of the winning group, -1 where there is none · rows: all winners' rows"""

    state: npt.NDArray[np.int8]
    first: Ints
    last: Ints
    rows: Ints


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One signature over all flows: those it matches (or may, once the second pass has spoken), and what each clause found."""

    flows: Ints
    results: dict[str, Result]


def evaluate(signature: Signature, questions: Questions, free: Bools, among: Bools | None = None) -> Evaluation | None:
    """Judge a signature; `free` marks rows that nobody has claimed, `among` the flows to look at. None where no flow matches."""
    alive = triggered(signature.trigger, questions)
    if among is not None:
        alive &= among
    if not alive.any():
        return None
    results: dict[str, Result] = {}
    floor = np.full(questions.table.flow_count, -1, np.int64)
    for clause in signature.expect:
        result = judge(clause, questions, alive, free, floor, results, only_held=True)
        results[clause.name] = result
        alive = alive & ((result.state == HELD) | (result.state == PENDING))
        if not alive.any():
            return None
        floor = np.where(result.first >= 0, result.first, floor)
    none = np.full(questions.table.flow_count, -1, np.int64)
    if signature.any_of:
        some = np.zeros(len(alive), np.bool_)
        for clause in signature.any_of:
            result = judge(clause, questions, alive, free, none, results)
            results[clause.name] = result
            some |= (result.state == HELD) | (result.state == PENDING)
        alive = alive & some
        if not alive.any():
            return None
    everything = np.ones(questions.rows, np.bool_)
    for clause in signature.rule_out:
        result = judge(clause, questions, alive, everything, none, results)
        results[clause.name] = result
        alive = alive & (result.state != HELD)
        if not alive.any():
            return None
    for clause in signature.support:
        results[clause.name] = judge(clause, questions, alive, everything, none, results)
    return Evaluation(np.flatnonzero(alive), {clause.name: results[clause.name] for clause in signature.clauses})


def triggered(trigger: Trigger, questions: Questions) -> Bools:
    """Flows that carry the trigger, its conditions included; a condition that cannot be seen is not met."""
    table = questions.table
    alive = np.zeros(table.flow_count, np.bool_)
    for kind in trigger.kinds:
        alive |= table.trigger_kind == kind
    if trigger.conditions:
        alive &= questions.flows_where(trigger.conditions)[0]
    if trigger.tcp_options is not None:
        # the table shows this where it can tell (an attribute beside the vocabulary, since it speaks of the trigger, not of a suspect)
        options = getattr(table, "trigger_options", None)
        from dpiprobe.observe.vocabulary import PACKET_FEATURES

        wanted = PACKET_FEATURES["options"].choices.index(trigger.tcp_options)
        alive = alive & (options.known & (options.data == wanted)) if options is not None else np.zeros_like(alive)
    return alive


def judge(
    clause: Clause, questions: Questions, alive: Bools, allowed: Bools, floor: Ints, results: dict[str, Result], *, only_held: bool = False
) -> Result:
    """One clause in the flows that are alive, on the rows that are allowed, its group beginning behind `floor`; `only_held`: see `Questions.selection`."""
    match clause:
        case Packets():
            return _packets(clause, questions, alive, np.ones_like(allowed) if clause.shared else allowed, floor, results, only_held)
        case Absent():
            return _absent(clause, questions, alive, results)
        case Flow():
            passes, maybe = questions.flows_where(clause.predicates)
            return _without_packets(np.where(passes, HELD, np.where(maybe, NOT_VISIBLE, FAILED)))
    return _without_packets(np.full(questions.table.flow_count, PENDING))


def _without_packets(state: npt.NDArray[np.int64]) -> Result:
    none = np.full(len(state), -1, np.int64)
    return Result(state.astype(np.int8), none, none, np.empty(0, np.int64))


def _ordered(clause: Packets, questions: Questions, results: dict[str, Result]) -> tuple[Bools | None, Bools | None]:
    """(rows that stand right to the clauses named in after and before, flows in which one of those is not visible)."""
    flow = questions.table.flow
    rows: Bools | None = None
    hidden: Bools | None = None
    here = np.arange(questions.rows)
    for name, behind in ((clause.after, True), (clause.before, False)):
        if name is None:
            continue
        other = results[name]
        edge = (other.last if behind else other.first)[flow]
        right = (edge >= 0) & ((here > edge) if behind else (here < edge))
        rows = right if rows is None else rows & right
        hidden = (other.state == NOT_VISIBLE) if hidden is None else hidden | (other.state == NOT_VISIBLE)
    return rows, hidden


def _packets(
    clause: Packets, questions: Questions, alive: Bools, allowed: Bools, floor: Ints, results: dict[str, Result], only_held: bool
) -> Result:
    flows = questions.table.flow_count
    state = np.zeros(flows, np.int8)
    first, last = np.full(flows, -1, np.int64), np.full(flows, -1, np.int64)
    passes, maybe = questions.selection(clause, only_held=only_held)
    flow = questions.table.flow
    place, hidden = _ordered(clause, questions, results)
    if hidden is not None:
        state[hidden] = NOT_VISIBLE
    scope = allowed & alive[flow]
    if place is not None:
        scope &= place
    possible = np.flatnonzero(maybe & scope)
    if len(possible):
        state[flow[possible[possible > floor[flow[possible]]]]] = NOT_VISIBLE
    selected = np.flatnonzero(passes & scope)
    if not len(selected):
        return Result(state, first, last, np.empty(0, np.int64))
    groups = group(clause, selected, questions)
    state[groups.flow[groups.unseen & (groups.first > floor[groups.flow])]] = NOT_VISIBLE
    won = groups.winners(floor)
    state[groups.flow[won]] = HELD
    first[groups.flow[won]] = groups.first[won]
    last[groups.flow[won]] = groups.last[won]
    return Result(state, first, last, groups.members(won))


def _absent(clause: Absent, questions: Questions, alive: Bools, results: dict[str, Result]) -> Result:
    """Held where no such packet came in time and the capture watched that long; a packet that may be one leaves it open."""
    table = questions.table
    flow, time = table.flow, table.time
    state = np.full(table.flow_count, HELD, np.int64)
    passes, maybe = questions.selection(clause.packets)
    if clause.packets.after is not None:
        other = results[clause.packets.after]
        state = np.where(other.state == HELD, state, np.where(other.state == NOT_VISIBLE, NOT_VISIBLE, FAILED))
        anchor = other.last[flow]
        since = np.where(anchor >= 0, time - time[np.maximum(anchor, 0)], -1)
        behind = (anchor >= 0) & (np.arange(questions.rows) > anchor)
        known = behind
    else:
        delay = table.feature("delay")
        since, known = np.where(delay.known, delay.data, -1), delay.known
        behind = np.ones(questions.rows, np.bool_)
    watched = table.flow_feature("watched_after")
    elapsed = np.zeros(table.flow_count, np.int64)
    np.maximum.at(elapsed, flow[known], since[known])
    state[~(watched.known & (elapsed + watched.data >= clause.within)) & (state == HELD)] = NOT_VISIBLE
    in_time = behind & (~known | (since <= clause.within))
    state[flow[(maybe | (passes & ~known)) & in_time & alive[flow]]] = NOT_VISIBLE
    state[flow[passes & known & in_time & alive[flow]]] = FAILED
    return _without_packets(state)
