"""The parts of a large capture that was read, explained: records as lines, and what a summary shows.

Rules of this file: records come in the order of design section 7; which part a flow was in does not show. It and what it imports is loaded while
the capture is being read (`large._load`), so reading needs none of it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from dpiprobe import __version__
from dpiprobe.capture.model import Capture
from dpiprobe.explain import plan_of
from dpiprobe.flow.numbers import numbers
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.partition.evaluate import Record, Said, Settings, evaluate
from dpiprobe.partition.reading import Parts
from dpiprobe.partition.workers import Lines, explain_all
from dpiprobe.plan.plan import Plan, trials_by_endpoint
from dpiprobe.report.jsonl import line
from dpiprobe.signature.ledger import Entries
from dpiprobe.verdict.names import judge_names
from dpiprobe.verdict.records import capture_record, endpoint, name_record
from dpiprobe.verdict.trials import joined
from dpiprobe.wire.decode import Decoder


class LargeExplanation:
    """What was found out about a large capture. `partners`: as in `Explanation`, which has a server side and this has none."""

    partners: int | None = None

    def __init__(self, capture: Capture, said: Said, lines: Lines, database: str) -> None:
        self.capture = capture
        self.said = said
        self.names = judge_names(joined(said.trials)) if said.trials else []
        self._lines = lines
        self._database = database

    @property
    def records(self) -> Iterator[Record]:
        """All records; flows only where lines were asked for."""
        for text in self._lines:
            yield json.loads(text)
        yield from self.closing()

    def flow_lines(self) -> Iterator[bytes]:
        """The lines of the flows, many at once."""
        yield from self._lines.blocks()

    def lines(self) -> Iterator[bytes]:
        """All records as lines, those of flows many at once."""
        yield from self._lines.blocks()
        for record in self.closing():
            yield line(record).encode() + b"\n"

    def closing(self, *, short: bool = False) -> Iterator[Record]:
        """The records behind those of flows: names, then the capture. `short`: of a name's flows those alone that `told` gives"""
        among = {number for number, _ in self.said.telling.values()} if short else None
        for name in self.names:
            yield name_record(self.capture.name, name, among)
        yield capture_record(self.capture, __version__, self._database)

    def told(self) -> dict[int, tuple[str, bytes]]:
        """Flows that a summary shows something of, by number: verdict, and record as JSON."""
        return {number: (verdict, text) for (_, _, verdict), (number, text) in self.said.telling.items()}

    def close(self) -> None:
        """Let go of temporary files."""
        self._lines.close()


def warm() -> None:
    """Loops are loaded once, for no packets, not in every process that comes."""
    observe(settle(Decoder().finish()))
    numbers(np.empty(0, np.int64))


def explain_parts(parts: Parts, given: Settings, jobs: int) -> LargeExplanation:
    """Explain them over `jobs` processes. `given`: settings without the plan, which stands in the capture's comments."""
    plan, broken = plan_of(parts.capture)
    capture = replace(parts.capture, damage=[*parts.capture.damage, broken]) if broken else parts.capture
    settings = replace(given, plan=plan, designated=bool(given.controls) or _in_plan(parts, plan))

    def work(bucket: int, others: Entries | None, before: Said) -> Said:
        return evaluate(parts, bucket, settings, others, before.telling)

    with _less_collecting():
        said, lines = explain_all(parts.buckets(), work, jobs)
        parts.close()  # nobody takes one any more, and what follows wants memory too
        return LargeExplanation(capture, said, lines, settings.database.hash)


@contextmanager
def _less_collecting() -> Iterator[None]:
    """Millions of objects that refer in no circle: the cyclic collector looks at what a part makes, seldom, and never at what reading left."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 10, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _in_plan(parts: Parts, plan: Plan | None) -> bool:
    """Any flow of the capture is a trial of its plan."""
    if plan is None:
        return False
    trials: dict[Any, Any] = trials_by_endpoint(plan)
    ends = parts.endpoints()
    return any((endpoint(*client), endpoint(*server)) in trials for client, server in ends)
