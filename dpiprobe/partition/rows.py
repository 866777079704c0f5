"""The rows of a large capture between reading and evaluation: laid down chunk by chunk, taken up bucket by bucket.

Rules of this file:
- Memory is bounded: above MEMORY what comes goes to a temporary file that has no name (it vanishes with the process, however that ends).
- Chunks keep the capture's order; within a chunk rows lie by bucket, so that a bucket is one slice of each.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.packed import PACKED
from dpiprobe.partition.temporary import room, temporary_file

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

MEMORY = 128 << 20
"""Bytes of rows held in memory; half of what the whole program may take on a large capture (performance.md), the rest is evaluation."""
TOGETHER = 8 << 20
"""Bytes of chunks that are written as one: a part is then read in a dozen pieces for each 100 MiB, not in two for each chunk."""
AT_ONCE = 512
"""Pieces that are written by one call; Linux takes 1024 (IOV_MAX)."""
ROW = 4 * PACKED


@dataclass(slots=True)
class _Chunk:
    """rows, payload: where each bucket's begin (one more than buckets) · words, arena: in memory, or from `at` on in the file, where the kept payload
    of each bucket lies behind its rows"""

    rows: npt.NDArray[np.int32]
    payload: npt.NDArray[np.int32]
    words: Words | None
    arena: npt.NDArray[np.uint8] | None
    at: int = -1


class Rows:
    """Lays rows down and takes buckets up. `memory`: bytes to hold before the file is used."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._together = min(TOGETHER, memory)
        self._held = self._waiting = 0
        self._chunks: list[_Chunk] = []
        self._last: list[_Chunk] = []  # they follow those in `chunks`, and wait for more to be written with them
        self._file: int | None = None
        self._written = 0
        self._edges: tuple[Ints, Ints] | None = None

    def add(self, rows: Ints, payload: Ints, words: Words, arena: npt.NDArray[np.uint8]) -> None:
        """One chunk, sorted by bucket. rows, payload: where each bucket begins in `words` and `arena`, and their ends."""
        self._edges = None
        size = words.nbytes + len(arena)
        chunk = _Chunk(rows.astype(np.int32), payload.astype(np.int32), words, arena)
        if not self._last and self._held + size <= self._memory:
            self._held += size
            self._chunks.append(chunk)
            return
        self._last.append(chunk)
        self._waiting += size
        if self._waiting >= self._together:
            self._write()

    def _write(self) -> None:
        """Put the last chunks into the file as one, so that a bucket is read at one place for all of them."""
        if self._file is None:
            with temporary_file() as file:
                self._file = os.dup(file.fileno())
        each = [(c.rows.tolist(), c.payload.tolist(), c.words, c.arena) for c in self._last]
        views: list[memoryview] = []
        for bucket in range(len(self._last[0].rows) - 1):
            views += [w[r[bucket] : r[bucket + 1]].data for r, _, w, _ in each if w is not None and r[bucket] < r[bucket + 1]]
            views += [a[p[bucket] : p[bucket + 1]].data for _, p, _, a in each if a is not None and p[bucket] < p[bucket + 1]]
        rows, payload = (np.array([getattr(c, name) for c in self._last]).sum(axis=0).astype(np.int32) for name in ("rows", "payload"))
        self._chunks.append(_Chunk(rows, payload, None, None, self._written))
        with room():
            self._written += _write(self._file, views)
        self._last, self._waiting = [], 0

    def take(self, bucket: int) -> tuple[Words, bytes]:
        """All rows of a bucket in the capture's order, and what was kept of their payloads."""
        row_edges, payload_edges = self._edge_tables()
        if not len(row_edges):
            return np.empty((0, PACKED), np.uint32), b""
        rows, payload = row_edges[:, bucket : bucket + 2], payload_edges[:, bucket : bucket + 2]
        words = np.empty((int((rows[:, 1] - rows[:, 0]).sum()), PACKED), np.uint32)
        arena = np.empty(int((payload[:, 1] - payload[:, 0]).sum()), np.uint8)
        row = byte = 0
        for chunk, (first, last), (begin, end) in zip((*self._chunks, *self._last), rows.tolist(), payload.tolist(), strict=True):
            if first == last:
                continue
            some, body = words[row : row + last - first], arena[byte : byte + end - begin]
            if chunk.words is not None and chunk.arena is not None:
                some[:] = chunk.words[first:last]
                body[:] = chunk.arena[begin:end]
            else:
                assert self._file is not None
                if os.preadv(self._file, [some.data, body.data], chunk.at + first * ROW + begin) != some.nbytes + body.nbytes:
                    raise OSError("the temporary file of packets holds less than was written to it")
            row += last - first
            byte += end - begin
        return words, arena.tobytes()

    def _edge_tables(self) -> tuple[Ints, Ints]:
        """Where each bucket begins in each chunk: of rows, and of what was kept of their payload."""
        if self._edges is None:
            every = [*self._chunks, *self._last]
            self._edges = tuple(np.array([getattr(c, name) for c in every], np.int64) for name in ("rows", "payload"))  # type: ignore[assignment]
        assert self._edges is not None
        return self._edges

    def sizes(self) -> Ints:
        """Rows of each bucket."""
        edges, _ = self._edge_tables()
        return np.diff(edges, axis=1).sum(axis=0) if len(edges) else np.zeros(0, np.int64)

    def close(self) -> None:
        """Let go of memory and file."""
        self._chunks, self._last, self._edges = [], [], None
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write(file: int, views: list[memoryview]) -> int:
    """Append them all; how many bytes that were."""
    written = 0
    for at in range(0, len(views), AT_ONCE):
        some = views[at : at + AT_ONCE]
        size = sum(view.nbytes for view in some)
        done = os.writev(file, some)
        rest = memoryview(b"".join(some))[done:] if done < size else memoryview(b"")
        while rest:
            rest = rest[os.write(file, rest) :]
        written += size
    return written
