"""A capture that is too large to be held: read once, explained part by part, with the records that it would have as a whole.

Rules of this file:
- Which captures are large is said in `size`; for others `read_capture` and `explain` do the work, with the same result.
- What only explaining needs is not imported here but loaded meanwhile: reading begins sooner, and its loops leave a core to that now and then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from dpiprobe.capture.read import Reading
from dpiprobe.capture.source import open_source
from dpiprobe.capture.together import Together
from dpiprobe.partition.reading import BUCKETS, Hear, Loops, read_parts

if TYPE_CHECKING:
    from dpiprobe.partition.explaining import LargeExplanation
    from dpiprobe.signature.database import Database
    from dpiprobe.verdict.expected import Expected

CHUNK = 2 << 20
"""Bytes read at once: rows of a chunk stay in a core's cache from loop to loop (a quarter faster than 8 MiB)."""


PART, MOST_BUCKETS = 64 << 20, 512
"""Bytes of a capture to one bucket, about, and the most buckets, whose edges are kept for every chunk (half as many to a bucket cost a tenth more when
1.4 GB are explained, our own measurement); policy."""
LEAST_PART, FEWEST_BUCKETS = 8 << 20, 16
"""The same where that would be less than `reading.BUCKETS`, and the fewest buckets: each costs some milliseconds whatever it holds (our own
measurement), and every core wants several; policy."""


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
    expected: tuple[Expected, ...] = (), follow: Callable[[dict[str, Any]], Any] | None = None, hashed: bool = True,
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
            hear = _heard(reading.name, database, controls, interesting, follow) if follow else None
            meanwhile = None if follow else _load
            parts = read_parts(reading, used, buckets=buckets or _buckets(file), memory=memory, file=again, hear=hear, meanwhile=meanwhile)
            try:
                from dpiprobe.partition.evaluate import Settings
                from dpiprobe.partition.explaining import explain_parts

                found = explain_parts(parts, Settings(database, None, controls, bool(controls), lines, interesting, expected), jobs)
                if hashed:
                    found.capture = replace(found.capture, sha256=reading.sha256())  # a thread may have been at it until now
                return found
            finally:
                parts.close()
    finally:
        if again is not None:
            os.close(again)


def _heard(name: str, database: Database, controls: tuple[str, ...], interesting: bool, follow: Callable[[dict[str, Any]], Any]) -> Hear:
    """What explains chunks provisionally as they come."""
    from dpiprobe.partition.evaluate import Settings
    from dpiprobe.partition.follow import Follower

    return Follower(Settings(database, None, controls, bool(controls), True, interesting), name, follow).heard


def _load() -> None:
    """Load what only explaining and showing need."""
    import numpy.ma  # noqa: F401 - np.unique does at its first call

    from dpiprobe.partition.explaining import warm
    from dpiprobe.report import summary, terminal  # noqa: F401

    warm()


def _buckets(file: int | None) -> int:
    """Among how many buckets clients are divided: so many that a part of a long capture is no larger than one of a short. Shows nowhere."""
    size = os.fstat(file).st_size if file is not None else 0
    if 0 < size < BUCKETS * LEAST_PART:
        return max(1 << (size // LEAST_PART).bit_length(), FEWEST_BUCKETS)
    return min(max(BUCKETS, 1 << (size // PART).bit_length()), MOST_BUCKETS)
