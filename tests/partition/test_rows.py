"""Rows come back as they were laid down, bucket by bucket, from memory and from the file."""

from __future__ import annotations

import os

import numpy as np
import pytest

from dpiprobe.flow.packed import PACKED
from dpiprobe.partition import rows as module
from dpiprobe.partition.rows import Rows

BUCKETS = 7


def laid(rows: Rows, chunks: int) -> list[tuple[list[list[int]], bytes]]:
    """Lay chunks down; what each bucket must give."""
    chance = np.random.default_rng(5)
    expected: list[tuple[list[list[int]], bytes]] = [([], b"") for _ in range(BUCKETS)]
    for _ in range(chunks):
        counts = chance.integers(0, 4, BUCKETS)
        kept = chance.integers(0, 9, int(counts.sum()))
        words = chance.integers(0, 1 << 32, (int(counts.sum()), PACKED), np.uint32)
        arena = chance.integers(0, 256, int(kept.sum()), np.uint8)
        edges = np.concatenate(([0], np.cumsum(counts)))
        places = np.concatenate(([0], np.cumsum(kept)))[edges]
        for bucket in range(BUCKETS):
            some = words[edges[bucket] : edges[bucket + 1]].tolist()
            expected[bucket] = expected[bucket][0] + some, expected[bucket][1] + arena[places[bucket] : places[bucket + 1]].tobytes()
        room = rows.room(len(words), len(arena))
        room[0][:], room[1][:] = words, arena
        rows.add(edges, places, *room)
    return expected


@pytest.mark.parametrize("memory", [1, 4000, 1 << 20], ids=["file", "both", "memory"])
@pytest.mark.parametrize("chunks", [0, 1, 60])
def test_a_bucket_is_what_was_laid_in_it(memory: int, chunks: int) -> None:
    rows = Rows(memory)
    expected = laid(rows, chunks)
    for bucket, (words, body) in enumerate(expected):
        found, arena = rows.take(bucket)
        assert (found.T.tolist(), arena) == (words, body)
    assert rows.sizes().tolist() == ([len(words) for words, _ in expected] if chunks else [])
    rows.close()


def test_a_write_that_takes_only_some_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "writev", lambda file, views: os.write(file, b"".join(views)[:100]))
    rows = Rows(3000)
    expected = laid(rows, 40)
    assert [rows.take(bucket)[1] for bucket in range(BUCKETS)] == [body for _, body in expected]
    rows.close()


def test_memory_that_others_take_is_given_up() -> None:
    rows = Rows(40_000)
    expected = laid(rows, 60)
    rows.leave(40_000)
    assert rows._held == 0
    expected = [(words + more, body + rest) for (words, body), (more, rest) in zip(expected, laid(rows, 60), strict=True)]
    for bucket, (words, body) in enumerate(expected):
        found, arena = rows.take(bucket)
        assert (found.T.tolist(), arena) == (words, body)
    rows.close()
