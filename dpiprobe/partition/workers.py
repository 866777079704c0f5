"""The parts of a large capture over this machine's cores: processes forked from the one that read it, which share what it holds.

Rules of this file:
- Which worker does which part shows nowhere: lines are put in the capture's order, counts add up.
- Lines are many: a worker writes them to a temporary file without a name, and tells where each flow's line is.
- A worker that dies takes the run with it, as an exception; an interruption ends the workers too.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from dpiprobe.partition.evaluate import Said

Ints = npt.NDArray[np.int64]
WRITE = 4 << 20
"""Bytes of lines that a worker holds before it writes them."""


@dataclass(slots=True)
class _Lines:
    """Lines of one worker: whose (flow numbers from 0), and where each begins and ends in its file."""

    file: IO[bytes]
    flow: Ints
    begin: Ints
    size: Ints


class Lines:
    """The lines of all flows in the capture's order. Iterate once; close afterwards."""

    def __init__(self, pieces: list[_Lines]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        pieces = [p for p in self._pieces if len(p.flow)]
        if not pieces:
            return
        flow = np.concatenate([p.flow for p in pieces])
        which = np.concatenate([np.full(len(p.flow), i) for i, p in enumerate(pieces)])
        begin, size = np.concatenate([p.begin for p in pieces]), np.concatenate([p.size for p in pieces])
        order = np.argsort(flow, kind="stable")
        descriptors = [p.file.fileno() for p in pieces]
        for part in np.array_split(order, len(order) // 10_000 + 1):
            for i, b, n in zip(which[part].tolist(), begin[part].tolist(), size[part].tolist(), strict=True):
                yield os.pread(descriptors[i], n, b)

    def close(self) -> None:
        """Let go of the files."""
        for piece in self._pieces:
            piece.file.close()


def spread(buckets: list[int], work: Callable[[int], Said], jobs: int) -> tuple[Said, Lines]:
    """Do `work` for all buckets in `jobs` processes (this one alone where it is 1)."""
    if jobs <= 1 or len(buckets) <= 1:
        alone: IO[bytes] = tempfile.TemporaryFile(prefix="dpiprobe-")  # noqa: SIM115 - closed with Lines
        said, where = _work(iter(buckets), work, alone)
        return said, Lines([_Lines(alone, *where)])
    tickets, give = os.pipe()
    os.set_blocking(give, False)
    for bucket in buckets:
        os.write(give, bucket.to_bytes(4))
    os.close(give)
    workers: list[tuple[int, int, IO[bytes]]] = []
    try:
        for _ in range(min(jobs, len(buckets))):
            workers.append(_fork(tickets, work, [w[1] for w in workers]))
        whole, pieces = Said(), []
        for _, answer, file in workers:
            with os.fdopen(os.dup(answer), "rb") as pipe:
                data = pipe.read()
            if not data:
                raise RuntimeError("a worker process ended before its parts were done")
            said, where = pickle.loads(data)
            if isinstance(said, BaseException):
                raise said
            whole.add(said)
            pieces.append(_Lines(file, *where))
        return whole, Lines(pieces)
    finally:
        os.close(tickets)
        for process, answer, _ in workers:
            os.close(answer)
            _end(process)


def _fork(tickets: int, work: Callable[[int], Said], others: list[int]) -> tuple[int, int, IO[bytes]]:
    """A worker process: (its id, where its answer comes, its file of lines)."""
    file = tempfile.TemporaryFile(prefix="dpiprobe-")  # noqa: SIM115 - closed with Lines
    answer, tell = os.pipe()
    process = os.fork()
    if process:
        os.close(tell)
        return process, answer, file
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(answer)
        for other in others:
            os.close(other)
        result: Any
        try:
            result = _work(_drawn(tickets), work, file)
        except BaseException as error:  # told to the parent, which raises it
            result = error, None
        with os.fdopen(tell, "wb") as pipe:
            pickle.dump(result, pipe, protocol=5)
        code = 0
    finally:
        os._exit(code)


def _drawn(tickets: int) -> Iterator[int]:
    """Buckets, one at a time, whoever is free."""
    while ticket := os.read(tickets, 4):
        yield int.from_bytes(ticket)


def _work(buckets: Iterator[int], work: Callable[[int], Said], file: IO[bytes]) -> tuple[Said, tuple[Ints, Ints, Ints]]:
    whole = Said()
    flows: list[int] = []
    sizes: list[int] = []
    held: list[bytes] = []
    for bucket in buckets:
        said = work(bucket)
        whole.add(said)
        for flow, line in said.lines:
            flows.append(flow)
            sizes.append(len(line))
            held.append(line)
        if sum(map(len, held)) >= WRITE:
            file.write(b"".join(held))
            held = []
    file.write(b"".join(held))
    file.flush()
    size = np.array(sizes, np.int64)
    return whole, (np.array(flows, np.int64), np.cumsum(size) - size, size)


def _end(process: int) -> None:
    """Wait for a worker; one that still works (this process was interrupted) is ended first."""
    done, _ = os.waitpid(process, os.WNOHANG)
    if not done:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
