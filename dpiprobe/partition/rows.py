"""The rows of a large capture between reading and evaluation: laid down chunk by chunk, taken up bucket by bucket.

Rules of this file:
- Memory is bounded: above MEMORY what comes goes to a temporary file that has no name (it vanishes with the process, however that ends).
- Chunks keep the capture's order; within a chunk rows lie by bucket, so that a bucket is one slice of each.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.packed import PACKED

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

MEMORY = 128 << 20
"""Bytes of rows held in memory; half of what the whole program may take on a large capture (performance.md), the rest is evaluation."""
ROW = 4 * PACKED


@dataclass(slots=True)
class _Chunk:
    """rows, payload: where each bucket's begin (one more than buckets) · words, arena: in memory, or `at` in the file"""

    rows: npt.NDArray[np.int32]
    payload: npt.NDArray[np.int32]
    words: Words | None
    arena: npt.NDArray[np.uint8] | None
    at: int = -1


class Rows:
    """Lays rows down and takes buckets up. `memory`: bytes to hold before the file is used."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._held = 0
        self._chunks: list[_Chunk] = []
        self._file: int | None = None
        self._written = 0

    def add(self, rows: Ints, payload: Ints, words: Words, arena: npt.NDArray[np.uint8]) -> None:
        """One chunk, sorted by bucket. rows, payload: where each bucket begins in `words` and `arena`, and their ends."""
        size = words.nbytes + len(arena)
        places = rows.astype(np.int32), payload.astype(np.int32)
        if self._held + size <= self._memory:
            self._held += size
            self._chunks.append(_Chunk(*places, words, arena))
            return
        if self._file is None:
            with tempfile.TemporaryFile(prefix="dpiprobe-") as file:
                self._file = os.dup(file.fileno())
        self._chunks.append(_Chunk(*places, None, None, self._written))
        for data in (words.reshape(-1).view(np.uint8).data, arena.data):
            _write(self._file, data)
            self._written += len(data)

    def take(self, bucket: int) -> tuple[Words, bytes]:
        """All rows of a bucket in the capture's order, and what was kept of their payloads."""
        words: list[Words] = []
        arena: list[bytes] = []
        for chunk in self._chunks:
            first, last = int(chunk.rows[bucket]), int(chunk.rows[bucket + 1])
            if first == last:
                continue
            begin, end = int(chunk.payload[bucket]), int(chunk.payload[bucket + 1])
            if chunk.words is not None and chunk.arena is not None:
                words.append(chunk.words[first:last])
                arena.append(chunk.arena[begin:end].tobytes())
            else:
                assert self._file is not None
                words.append(np.frombuffer(os.pread(self._file, (last - first) * ROW, chunk.at + first * ROW), np.uint32).reshape(-1, PACKED))
                arena.append(os.pread(self._file, end - begin, chunk.at + int(chunk.rows[-1]) * ROW + begin))
        return np.concatenate(words) if words else np.empty((0, PACKED), np.uint32), b"".join(arena)

    def sizes(self) -> Ints:
        """Rows of each bucket."""
        counts = [np.diff(chunk.rows) for chunk in self._chunks]
        return np.sum(counts, axis=0, dtype=np.int64) if counts else np.zeros(0, np.int64)

    def close(self) -> None:
        """Let go of memory and file."""
        self._chunks = []
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write(file: int, view: memoryview) -> None:
    while view:
        view = view[os.write(file, view) :]
