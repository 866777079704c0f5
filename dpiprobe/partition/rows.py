"""The rows of a large capture between reading and evaluation: laid down chunk by chunk, taken up bucket by bucket.

Rules of this file:
- Memory is bounded: what is above it goes to a temporary file that has no name (it vanishes with the process, however that ends).
- Chunks are laid in blocks, which are written as a whole; their memory is used again then, or given back to the system at once.
- Blocks and chunks keep the capture's order; within a chunk rows lie by bucket, so that a bucket is one slice of each.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.packed import PACKED, turn
from dpiprobe.partition.temporary import room, temporary_file

Ints = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]

MEMORY = 192 << 20
"""Bytes that rows, and what else grows with a capture (see `Rows.leave`), take of memory at most, about: half of what the whole program may take on a
large capture (performance.md), the rest is evaluation."""
BLOCK = 8 << 20
"""Bytes of chunks that are written as one: a part is then read in a dozen pieces for each 100 MiB, not in two for each chunk."""
AT_ONCE = 512
"""Pieces that are written by one call; Linux takes 1024 (IOV_MAX)."""
ROW = 4 * PACKED


@dataclass(slots=True)
class _Chunk:
    """rows, payload: where each bucket's begin in `words` and `arena` (one more than buckets)"""

    rows: Ints
    payload: Ints
    words: Words
    arena: Octets


@dataclass(slots=True)
class _Block:
    """In memory: `chunks` in the first `used` bytes of `buffer`. In the file, from `at` on: all of them as one, with its edges, in which the kept payload
    of each bucket lies behind its rows."""

    buffer: Octets | None
    chunks: list[_Chunk] = field(default_factory=list)
    used: int = 0
    at: int = 0
    rows: Ints | None = None
    payload: Ints | None = None


class Rows:
    """Lays rows down (`room`, then `add`) and takes buckets up. `memory`: bytes to hold before the file is used."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._left = self._held = 0
        self._blocks: list[_Block] = []
        self._holding: deque[_Block] = deque()  # those of the blocks that are in memory, and full
        self._file: int | None = None
        self._written = 0
        self._edges: tuple[Ints, Ints] | None = None

    def leave(self, size: int) -> None:
        """So many bytes of the memory are left to others from now on."""
        self._left = size
        while self._holding and self._held + size > self._memory:
            block = self._holding.popleft()
            self._held -= len(self._write(block))

    def room(self, rows: int, payload: int) -> tuple[Words, Octets]:
        """Where the next chunk is to be written: so many rows of PACKED numbers, and so many bytes of payload."""
        size = rows * ROW
        block = self._blocks[-1] if self._blocks else None
        if block is None or block.buffer is None or block.used + size + payload > len(block.buffer):
            block = _Block(self._buffer(size + payload))
            self._blocks.append(block)
        assert block.buffer is not None
        begin, middle = block.used, block.used + size
        return block.buffer[begin:middle].view(np.uint32).reshape(-1, PACKED), block.buffer[middle : middle + payload]

    def add(self, rows: Ints, payload: Ints, words: Words, arena: Octets) -> None:
        """One chunk, sorted by bucket, that was written where `room` said. rows, payload: where each bucket begins in it, and their ends."""
        self._edges = None
        block = self._blocks[-1]
        block.chunks.append(_Chunk(rows, payload, words, arena))
        block.used += (words.nbytes + len(arena) + 3) & ~3

    def _buffer(self, size: int) -> Octets:
        """Memory for a block of so many bytes at least: that of the last one where it must make way."""
        last = self._blocks[-1] if self._blocks else None
        if last is not None and last.buffer is not None:
            if self._held + self._left + len(last.buffer) > self._memory:
                buffer = self._write(last)
                if len(buffer) >= size:
                    return buffer
            else:
                self._holding.append(last)
                self._held += len(last.buffer)
        return np.frombuffer(mmap.mmap(-1, max(min(BLOCK, self._memory), size), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)

    def _write(self, block: _Block) -> Octets:
        """Put a block into the file, so that a bucket is read at one place for all of its chunks; the memory that it had."""
        if self._file is None:
            with temporary_file() as file:
                self._file = os.dup(file.fileno())
        each = [(c.rows.tolist(), c.payload.tolist(), c.words, c.arena) for c in block.chunks]
        views: list[memoryview] = []
        for bucket in range(len(block.chunks[0].rows) - 1):
            views += [w[r[bucket] : r[bucket + 1]].data for r, _, w, _ in each if r[bucket] < r[bucket + 1]]
            views += [a[p[bucket] : p[bucket + 1]].data for _, p, _, a in each if p[bucket] < p[bucket + 1]]
        block.rows, block.payload = (np.sum([getattr(c, name) for c in block.chunks], axis=0) for name in ("rows", "payload"))
        block.at = self._written
        with room():
            self._written += _write(self._file, views)
        buffer, block.buffer = block.buffer, None
        block.chunks, self._edges = [], None
        assert buffer is not None
        return buffer

    def take(self, bucket: int) -> tuple[Words, bytes]:
        """All rows of a bucket in the capture's order, one a column (PACKED, n), and what was kept of their payloads."""
        row_edges, payload_edges = self._edge_tables()
        if not len(row_edges):
            return np.empty((PACKED, 0), np.uint32), b""
        rows, payload = row_edges[:, bucket : bucket + 2], payload_edges[:, bucket : bucket + 2]
        counts = rows[:, 1] - rows[:, 0]
        words = np.empty((PACKED, int(counts.sum())), np.uint32)
        arena = np.empty(int((payload[:, 1] - payload[:, 0]).sum()), np.uint8)
        read = np.empty((0, PACKED), np.uint32)  # where what the file holds is read to
        row = byte = 0
        for lying, (first, last), (begin, end) in zip(self._lying(), rows.tolist(), payload.tolist(), strict=True):
            if first == last:
                continue
            count, body = last - first, arena[byte : byte + end - begin]
            if isinstance(lying, _Chunk):
                some = lying.words[first:last]
                body[:] = lying.arena[begin:end]
            else:
                if len(read) < count:
                    read = np.empty((int(counts.max()), PACKED), np.uint32)
                some = read[:count]
                assert self._file is not None
                if os.preadv(self._file, [some.data, body.data], lying.at + first * ROW + begin) != some.nbytes + body.nbytes:
                    raise OSError("the temporary file of packets holds less than was written to it")
            turn(some, words[:, row : row + count])
            row += count
            byte += end - begin
        return words, arena.tobytes()

    def _lying(self) -> list[_Chunk | _Block]:
        """What lies somewhere by itself, in the capture's order: chunks in memory, blocks in the file."""
        return [one for block in self._blocks for one in (block.chunks if block.buffer is not None else (block,))]

    def _edge_tables(self) -> tuple[Ints, Ints]:
        """Where each bucket begins in each of them: of rows, and of what was kept of their payload."""
        if self._edges is None:
            every = self._lying()
            self._edges = tuple(np.array([getattr(one, name) for one in every], np.int64) for name in ("rows", "payload"))  # type: ignore[assignment]
        assert self._edges is not None
        return self._edges

    def sizes(self) -> Ints:
        """Rows of each bucket."""
        edges, _ = self._edge_tables()
        return np.diff(edges, axis=1).sum(axis=0) if len(edges) else np.zeros(0, np.int64)

    def close(self) -> None:
        """Let go of memory and file."""
        self._blocks, self._edges = [], None
        self._holding.clear()
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
