"""A capture that is too large to be held: read once, explained part by part, with the records that it would have as a whole.

Rules of this file:
- `explain_large` says None where a capture is small; then `read_capture` and `explain` do the work, with the same result.
- Records come in the order of design section 7; which part a flow was in does not show.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from dpiprobe import __version__
from dpiprobe.capture.model import Capture
from dpiprobe.capture.read import Reading
from dpiprobe.capture.source import GZIP, LZ4, ZSTD, open_source
from dpiprobe.capture.together import Together
from dpiprobe.explain import plan_of
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.partition.evaluate import Record, Said, Settings, evaluate
from dpiprobe.partition.follow import Follower
from dpiprobe.partition.reading import BUCKETS, Loops, Parts, read_parts
from dpiprobe.partition.workers import Lines, explain_all
from dpiprobe.plan.plan import Plan, trials_by_endpoint
from dpiprobe.report.jsonl import line
from dpiprobe.signature.database import Database
from dpiprobe.signature.ledger import Entries
from dpiprobe.verdict.expected import Expected
from dpiprobe.verdict.names import judge_names
from dpiprobe.verdict.records import capture_record, endpoint, name_record
from dpiprobe.verdict.trials import joined

LARGE = 24 << 20
"""Bytes of a plain capture from which numba's start of 0.5 s is repaid (our own measurement; some 50,000 packets)."""
PACKED_LARGE = 6 << 20
"""The same of a compressed one."""
CHUNK = 2 << 20
"""Bytes read at once: rows of a chunk stay in a core's cache from loop to loop (a quarter faster than 8 MiB)."""


PART, MOST_BUCKETS = 32 << 20, 512
"""Bytes of a capture to one bucket, about, and the most buckets, whose edges are kept for every chunk; policy."""
LEAST_PART, FEWEST_BUCKETS = 8 << 20, 16
"""The same where that would be less than `reading.BUCKETS`, and the fewest buckets: each costs some milliseconds whatever it holds (our own
measurement), and every core wants several; policy."""


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

    def closing(self) -> Iterator[Record]:
        """The records behind those of flows: names, then the capture."""
        for name in self.names:
            yield name_record(self.capture.name, name)
        yield capture_record(self.capture, __version__, self._database)

    def telling(self) -> Iterator[Record]:
        """Flow records that a summary shows something of, in order."""
        for _, text in sorted(self.said.telling.values()):
            yield json.loads(text)

    def close(self) -> None:
        """Let go of temporary files."""
        self._lines.close()


def is_large(path: str | Path) -> bool:
    """Whether a file is worth the large way."""
    try:
        size = Path(path).stat().st_size
        if size < PACKED_LARGE:
            return False
        with Path(path).open("rb") as file:
            packed = file.read(4).startswith((GZIP, ZSTD, LZ4))
    except OSError:
        return False
    return size >= (PACKED_LARGE if packed else LARGE)


def begin(stream: BinaryIO) -> tuple[bytes, BinaryIO | None]:
    """The first bytes of a pipe: all of them and None where it is small, else no bytes and a stream that gives them and the rest."""
    pieces: list[bytes] = []
    size, least = 0, LARGE
    while size < least:
        piece = stream.read(min(1 << 20, least - size))
        if not piece:
            return b"".join(pieces), None
        if not pieces and piece.startswith((GZIP, ZSTD, LZ4)):
            least = PACKED_LARGE
        pieces.append(piece)
        size += len(piece)
    return b"", cast(BinaryIO, _Begun(pieces, stream))


class _Begun:
    """A stream some of which was read already."""

    def __init__(self, pieces: list[bytes], rest: BinaryIO) -> None:
        self._pieces = pieces[::-1]
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Some bytes, `size` at most; none at the end."""
        if not self._pieces:
            return self._rest.read(size)
        piece = self._pieces.pop()
        if len(piece) > size:
            self._pieces.append(piece[size:])
        return piece[:size]


def compiled_loops() -> Loops | None:
    """The loops as machine code; None without numba."""
    from dpiprobe.capture import walk
    from dpiprobe.flow import pack_loop, skim_loop, table_loop
    from dpiprobe.wire import loop
    from dpiprobe.wire.compiled import compiled

    made = compiled(loop), compiled(table_loop, skim=compiled(skim_loop)), compiled(pack_loop), compiled(walk)
    return Loops(*made) if all(made) else None


def explain_large(
    path: str | Path | BinaryIO | Together, name: str | None = None, *, database: Database, controls: tuple[str, ...] = (), lines: bool = True,
    interesting: bool = False, jobs: int = 1, loops: Loops | None = None, buckets: int | None = None, memory: int | None = None, chunk: int = CHUNK,
    expected: tuple[Expected, ...] = (), follow: Callable[[Record], Any] | None = None, hashed: bool = True,
) -> LargeExplanation:  # fmt: skip
    """Explain a capture of any length. `loops`: plain ones where none are given · others: see `Settings`, `read_parts`, `explain_all`.

    follow: the capture is still being written, and gets provisional records of flows as they settle
    hashed: the capture's hash is asked for, else it is empty
    """
    stream = None if isinstance(path, Together) else open_source(path, name, large=follow is None, live=follow is not None, hashed=hashed)
    file = stream.descriptor() if stream is not None else None
    again = os.dup(file) if file is not None else None
    try:
        used = loops or compiled_loops() or Loops()
        opened = Reading(stream, used.walk, 1 if follow else chunk) if stream is not None else cast(Together, path)
        with opened as reading:
            hear = Follower(Settings(database, None, controls, bool(controls), True, interesting), reading.name, follow).heard if follow else None
            parts = read_parts(reading, used, buckets=buckets or _buckets(file), memory=memory, file=again, hear=hear)
        try:
            plan, broken = plan_of(parts.capture)
            capture = replace(parts.capture, damage=[*parts.capture.damage, broken]) if broken else parts.capture
            settings = Settings(database, plan, controls, bool(controls) or _in_plan(parts, plan), lines, interesting, expected)

            def work(bucket: int, others: Entries | None, before: Said) -> Said:
                return evaluate(parts, bucket, settings, others, before.telling)

            observe(settle(capture.packets))  # of no packets: what numba does at first is done once, not in every process that comes
            with _less_collecting():
                return LargeExplanation(capture, *explain_all(parts.buckets(), work, jobs), database.hash)
        finally:
            parts.close()
    finally:
        if again is not None:
            os.close(again)


def _buckets(file: int | None) -> int:
    """Among how many buckets clients are divided: so many that a part of a long capture is no larger than one of a short. Shows nowhere."""
    size = os.fstat(file).st_size if file is not None else 0
    if 0 < size < BUCKETS * LEAST_PART:
        return max(1 << (size // LEAST_PART).bit_length(), FEWEST_BUCKETS)
    return min(max(BUCKETS, 1 << (size // PART).bit_length()), MOST_BUCKETS)


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

