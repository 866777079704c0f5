"""The trials of names at servers as columns: what the verdicts of names are made from, by parts of a capture and joined.

Rules of this file:
- A trial is a flow; those of one server and name are a group. Nothing is decided here but which judgements can still speak for a group.
- Only trials of a group's gravest verdict speak for it; of those that are equal in confidence and technique one is kept (see `TELLING`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import Flows
from dpiprobe.verdict.control import Controls, Serving
from dpiprobe.verdict.fine import judged_fine
from dpiprobe.verdict.grouping import by_group, groups_of, numbered, paired
from dpiprobe.verdict.judgements import Judgements
from dpiprobe.verdict.model import Judgement

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
T = TypeVar("T")

ORDER = ("blocked", "contested", "down", "ok", "insufficient")
CONFIDENCE = ("low", "medium", "high")
_ORDER_OF, _CONFIDENCE_OF = ({word: i for i, word in enumerate(words)} for words in (ORDER, CONFIDENCE))
NAMED = 8
"""Names of controls that a record lists."""

GROUP, VERDICT, CONFIDENT, TECHNIQUE, SIGNED, REASONS, NUMBER, KIND, DECIDED = range(9)
TELLING = (SIGNED, REASONS, NUMBER)
"""Of judgements with equal confidence and technique that one speaks for the name that has a signature, then most reasons, then the first flow."""


@dataclass(slots=True)
class Trials:
    """See the module's rules.

    servers, names, techniques: what numbers stand for (names: None first, the others sorted)
    server, name: of each group · ok, failed: its controls · controls: the first NAMED names of its controls, filled up with `len(names)`
    group, number, verdict, technique: of each flow; number: in the capture, from 0
    leads: judgements that may speak for their group, one a row (GROUP to DECIDED; a flow that simply worked has no judgement of its own in `judged`
    but KIND and DECIDED, see `Fine`)
    """

    servers: list[str]
    names: list[str | None]
    techniques: list[str | None]
    server: Ints
    name: Ints
    ok: Ints
    failed: Ints
    controls: Ints
    group: Ints
    number: Ints
    verdict: Ints
    technique: Ints
    leads: Ints
    judged: list[Judgement | None]

    def __len__(self) -> int:
        return len(self.server)

    def gravest(self) -> Ints:
        """The verdict of each group."""
        least = np.full(len(self), len(ORDER), np.int64)
        np.minimum.at(least, self.group, self.verdict)
        return least

    def judgements(self, rows: Ints) -> list[Judgement]:
        """Those of some rows of `leads`."""
        facts = self.leads[rows][:, [NUMBER, KIND, DECIDED]].tolist()
        kept = [self.judged[row] for row in rows.tolist()]
        return [judged_fine(*fact) if judgement is None else judgement for judgement, fact in zip(kept, facts, strict=True)]

    def _keep_best(self) -> None:
        """Only judgements that may still speak for their group."""
        speaks = np.flatnonzero(self.leads[:, VERDICT] == self.gravest()[self.leads[:, GROUP]])
        rows = self.leads[speaks]
        alike = paired(rows[:, GROUP], rows[:, CONFIDENT], rows[:, TECHNIQUE])
        order = np.lexsort((-rows[:, NUMBER], paired(alike, rows[:, SIGNED], rows[:, REASONS])))
        last = np.ones(len(order), np.bool_)
        last[:-1] = alike[order[1:]] != alike[order[:-1]]
        kept = speaks[order[last]]
        self.leads, self.judged = self.leads[kept], [self.judged[i] for i in kept.tolist()]


def gather(
    flows: Flows, judgements: Judgements, controls: Controls, servers: tuple[list[str], Ints], planned: Mapping[int, str] | None = None
) -> Trials:
    """The trials among these flows. servers: endpoints, and which of them is each flow's · planned: names that a plan meant flows to send, for those
    that sent none"""
    texts, name = controls.grouping.texts, controls.grouping.name
    place_of = np.arange(len(texts))  # of the names of pools among all names
    if planned:
        known = texts
        texts, name = numbered([trigger.server_name if trigger is not None else planned.get(f) for f, trigger in enumerate(flows.triggers)])
        place = {text: i for i, text in enumerate(texts)}
        place_of = np.array([place[text] for text in known], np.int64)
    groups = groups_of(servers[1], name)
    count = len(groups)
    others, fine = judgements.others, judgements.fine
    techniques, used = numbered([judgement.technique for judgement in others])
    verdict, technique = np.full(len(flows), ORDER.index("ok")), np.zeros(len(flows), np.int64)
    apart = _each(map(attrgetter("flow"), others), others)
    verdict[apart], technique[apart] = _each(map(_ORDER_OF.__getitem__, map(attrgetter("verdict"), others)), others), used
    number = np.arange(len(flows)) if flows.numbers is None else flows.numbers
    leads = np.zeros((len(flows), 9), np.int64)
    leads[:, GROUP], leads[:, VERDICT], leads[:, TECHNIQUE], leads[:, NUMBER] = groups.of, verdict, technique, number
    leads[apart, CONFIDENT] = _each(map(_CONFIDENCE_OF.__getitem__, map(attrgetter("confidence"), others)), others)
    leads[apart, SIGNED] = [judgement.signature is not None for judgement in others]
    leads[apart, REASONS] = _each(map(len, map(attrgetter("reasons"), others)), others)
    leads[fine.flow, CONFIDENT], leads[fine.flow, REASONS] = CONFIDENCE.index("medium"), 1
    leads[fine.flow, KIND], leads[fine.flow, DECIDED] = fine.kind, fine.number
    judged: list[Judgement | None] = [None] * len(flows)
    for judgement in others:
        judged[judgement.flow] = judgement
    of_named = groups.of[controls.named.first]
    ok, failed = (np.bincount(of_named, serving.served, minlength=count).astype(np.int64) for serving in (controls.worked, controls.failed))
    trials = Trials(
        servers[0], texts, techniques, servers[1][groups.first], name[groups.first], ok, failed, np.empty((count, NAMED), np.int64),
        groups.of, number, verdict, technique, leads, judged,
    )  # fmt: skip
    rows, of = [], []
    for serving in (controls.worked, controls.failed):
        served = np.flatnonzero(serving.served > 0)
        rows.append(_first_names(serving, place_of[controls.grouping.name[controls.named.first[serving.serving]]], texts)[serving.pool[served]])
        of.append(of_named[served])
    trials.controls = _smallest_by_group(np.concatenate(rows), np.concatenate(of), count, trials.name, len(texts))
    trials._keep_best()
    return trials


def _each(values: Iterable[int], of: Sized) -> Ints:
    """Numbers as a column, one for each of something."""
    return np.fromiter(values, np.int64, len(of))


def _first_names(serving: Serving, asked: Ints, texts: Sequence[str | None]) -> Ints:
    """Of each pool the names of the flows that serve, the first NAMED + 1 of them (one may be the name that is served), filled up. asked: the place
    among the texts of each name that serves"""
    found = np.full((serving.pools, NAMED + 1), len(texts))
    proper = asked > (1 if len(texts) > 1 and not texts[1] else 0)
    both = np.sort(paired(serving.pool[serving.serving[proper]], asked[proper]))
    width = int(asked[proper].max()) + 1 if len(both) else 1
    pool = both // width
    place = np.arange(len(both)) - np.searchsorted(pool, pool)
    first = place <= NAMED
    found[pool[first], place[first]] = both[first] % width
    return found


def joined(parts: Sequence[Trials]) -> Trials:
    """The trials of all parts."""
    if len(parts) == 1:
        return parts[0]
    servers, server = _united([part.servers for part in parts], sorted)
    techniques, technique = _united([part.techniques for part in parts], _none_first)
    names, name = _united([part.names for part in parts], _none_first)
    keys = [server[i][part.server] * len(names) + name[i][part.name] for i, part in enumerate(parts)]
    known, group = np.unique(np.concatenate(keys), return_inverse=True)
    count, edges = len(known), np.cumsum([0, *(len(part) for part in parts)])
    of_part = [group[begin:end] for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    leads = [part.leads.copy() for part in parts]
    for i, rows in enumerate(leads):
        rows[:, GROUP], rows[:, TECHNIQUE] = of_part[i][rows[:, GROUP]], technique[i][rows[:, TECHNIQUE]]
    ok, failed = (
        np.bincount(group, np.concatenate(counts), minlength=count).astype(np.int64)
        for counts in ([part.ok for part in parts], [part.failed for part in parts])
    )
    controls = np.concatenate([np.append(name[i], len(names))[part.controls] for i, part in enumerate(parts)])
    trials = Trials(
        servers, names, techniques, known // len(names), known % len(names), ok, failed,
        _smallest_by_group(controls, group, count, np.full(count, len(names)), len(names)),
        np.concatenate([of[part.group] for of, part in zip(of_part, parts, strict=True)]), np.concatenate([part.number for part in parts]),
        np.concatenate([part.verdict for part in parts]), np.concatenate([technique[i][part.technique] for i, part in enumerate(parts)]),
        np.concatenate(leads), [judgement for part in parts for judgement in part.judged],
    )  # fmt: skip
    trials._keep_best()
    return trials


def _none_first(texts: Iterable[str | None]) -> list[str | None]:
    return [None, *sorted(text for text in texts if text is not None)]


def _united(lists: Sequence[Sequence[T]], ordered: Callable[[set[T]], Iterable[T]]) -> tuple[list[T], list[Ints]]:
    """All texts in one list, and where those of each list stand in it."""
    texts = [*ordered({text for one in lists for text in one})]
    place = {text: i for i, text in enumerate(texts)}
    return texts, [np.fromiter(map(place.__getitem__, one), np.int64, len(one)) for one in lists]


def _smallest_by_group(rows: Ints, group: Ints, count: int, own: Ints, none: int) -> Ints:
    order = by_group(group, count)
    return smallest(rows[order], group[order], count, own, none)


def smallest(rows: Ints, group: Ints, count: int, own: Ints, none: int) -> Ints:
    """Of each group the NAMED smallest numbers of its rows, each once and but for the group's own. rows: ascending, filled up with `none` ·
    group: of each row, ascending"""
    found = np.full((count, NAMED), none, np.int64)
    if not len(rows):
        return found
    edges = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    present, mine = group[edges], own[group]
    among = np.repeat(np.arange(len(edges)), np.diff(np.append(edges, len(rows))))
    padded = np.concatenate((rows, np.full((len(rows), 1), none)), axis=1)
    at, line = np.zeros(len(rows), np.int64), np.arange(len(rows))
    for place in range(NAMED):
        head = padded[line, at]
        skipped = (head == mine) & (head != none)
        at += skipped
        head = np.where(skipped, padded[line, at], head)
        least = np.minimum.reduceat(head, edges)
        if (least == none).all():
            break
        found[present, place] = least
        at += (head == least[among]) & (head != none)
    return found
