"""The parts of a large capture over this machine's cores: processes forked from the one that read it, which share what it holds.

Rules of this file:
- Which worker does which part shows nowhere: lines are put in the capture's order, counts add up.
- Lines are many: a worker writes them to a temporary file without a name, and tells where each flow's line is.
- A worker that dies takes the run with it, as an exception; an interruption ends the workers too.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import selectors
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import IO

import numpy as np
import numpy.typing as npt

from dpiprobe.errors import EnvironmentError_
from dpiprobe.partition.evaluate import Said
from dpiprobe.partition.temporary import room, temporary_file
from dpiprobe.signature.ledger import Entries

Short = npt.NDArray[np.int32]
"""Numbers of which there is one for every flow: half as long as usual, since they are kept, and sent, for all flows of a capture."""
Work = Callable[[int, Entries | None, Said], Said]
"""Explains one bucket, given what other parts have to say to its questions, and what is known for certain of those before it."""
Task = Callable[[int, Said], Said]
PIECE = 1 << 20
"""Bytes of an answer that are read at once, at most."""
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
"""Signals by which a process ends that did wrong itself; others come from outside."""
BLOCK = 2_000
"""Lines that are put in order at once: some 2 MB, which a core's cache holds (twice as fast as 10 MB; our own measurement)."""


@dataclass(slots=True)
class Answer:
    """What one worker found. certain: all that no other part can change · open: by bucket, what other parts may have a say in
    entries: what its parts know for others · bucket, flow, size: of each line in `file`, in the order written
    """

    certain: Said = field(default_factory=Said)
    open: dict[int, Said] = field(default_factory=dict)
    entries: Entries = field(default_factory=Entries)
    bucket: Short = field(default_factory=lambda: np.empty(0, np.int32))
    flow: Short = field(default_factory=lambda: np.empty(0, np.int32))
    size: Short = field(default_factory=lambda: np.empty(0, np.int32))
    file: IO[bytes] | None = None


class Lines:
    """The lines of all flows in the capture's order. `close` when done."""

    def __init__(self) -> None:
        self._answers: list[tuple[Answer, npt.NDArray[np.bool_]]] = []

    def take(self, answer: Answer, without: Iterable[int] = ()) -> None:
        """The lines of a worker, but for those of some buckets."""
        self._answers.append((answer, ~np.isin(answer.bucket, list(without))))

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks():
            yield from block.splitlines(keepends=True)

    def blocks(self) -> Iterator[bytes]:
        """The same, many lines at once. Of each bucket the lines of a block lie one after the other, so that few pieces are read."""
        answers = [(a, keep) for a, keep in self._answers if keep.any()]
        if not answers:
            return
        flow = np.concatenate([a.flow[keep] for a, keep in answers])
        which = np.concatenate([np.full(int(keep.sum()), i, np.int16) for i, (_, keep) in enumerate(answers)])
        begin = np.concatenate([(np.cumsum(a.size, dtype=np.int64) - a.size)[keep] for a, keep in answers])
        size = np.concatenate([a.size[keep] for a, keep in answers])
        order = np.argsort(flow, kind="stable")
        files = [a.file.fileno() if a.file else -1 for a, _ in answers]
        for part in np.array_split(order, len(order) // BLOCK + 1):
            lying = part[np.lexsort((begin[part], which[part]))]
            apart = np.ones(len(lying), np.bool_)
            apart[1:] = (which[lying[1:]] != which[lying[:-1]]) | (begin[lying[1:]] != begin[lying[:-1]] + size[lying[:-1]])
            first = np.flatnonzero(apart)
            lengths = np.add.reduceat(size[lying], first, dtype=np.int64) if len(first) else first
            pieces = zip(which[lying[first]].tolist(), begin[lying[first]].tolist(), lengths.tolist(), strict=True)
            held = memoryview(b"".join([os.pread(files[i], n, b) for i, b, n in pieces]))
            stop = np.cumsum(size[lying], dtype=np.int64)
            turn = np.argsort(flow[lying])
            places = zip((stop - size[lying])[turn].tolist(), stop[turn].tolist(), strict=True)
            yield b"".join([held[b:e] for b, e in places])

    def close(self) -> None:
        """Let go of the files."""
        for answer, _ in self._answers:
            if answer.file is not None:
                answer.file.close()


def explain_all(buckets: list[int], work: Work, jobs: int) -> tuple[Said, Lines]:
    """All parts, over `jobs` processes; those to whose questions other parts have an answer a second time, with the answers."""
    lines, whole, everywhere = Lines(), Said(), Entries()
    first = _spread(buckets, lambda bucket, before: work(bucket, None, before), jobs)
    for answer in first:
        everywhere.add(answer.entries)
    again: dict[int, Entries] = {}
    for answer in first:
        whole.add(answer.certain)
        for bucket, said in answer.open.items():
            if said.ledger.answerable(everywhere):
                again[bucket] = said.ledger.elsewhere(everywhere)
            else:
                whole.add(said)
        lines.take(answer, [bucket for bucket in answer.open if bucket in again])
    if again:
        for answer in _spread([b for b in buckets if b in again], lambda bucket, before: work(bucket, again[bucket], before), jobs):
            whole.add(answer.certain)
            for said in answer.open.values():
                whole.add(said)
            lines.take(answer)
    return whole, lines


def _spread(buckets: list[int], work: Task, jobs: int) -> list[Answer]:
    """Do `work` for all buckets in `jobs` processes (this one alone where it is 1)."""
    if jobs <= 1 or len(buckets) <= 1:
        alone = temporary_file()  # closed with Lines
        return [replace(_work(iter(buckets), work, alone), file=alone)]
    tickets, give = os.pipe()
    os.write(give, b"".join(bucket.to_bytes(4) for bucket in buckets))  # at most BUCKETS of four bytes: a pipe holds 64 KiB
    os.close(give)
    workers: list[tuple[int, int, IO[bytes]]] = []
    try:
        for _ in range(min(jobs, len(buckets))):
            workers.append(_fork(tickets, work, [w[1] for w in workers]))
        return _answers(workers)
    finally:
        os.close(tickets)
        for process, pipe_end, _ in workers:
            os.close(pipe_end)
            _end(process)


def _answers(workers: list[tuple[int, int, IO[bytes]]]) -> list[Answer]:
    """What all workers have to say, each taken up when it is there: what one says first is unpacked while another still works."""
    said: list[list[bytes]] = [[] for _ in workers]
    answers: list[Answer | None] = [None] * len(workers)
    with selectors.DefaultSelector() as waiting:
        for place, (_, pipe_end, _) in enumerate(workers):
            waiting.register(pipe_end, selectors.EVENT_READ, place)
        while waiting.get_map():
            for key, _ in waiting.select():
                place = key.data
                if piece := os.read(key.fd, PIECE):
                    said[place].append(piece)
                    continue
                waiting.unregister(key.fd)
                process, _, file = workers[place]
                answers[place] = replace(_answer(process, b"".join(said[place])), file=file)
                said[place] = []
    return [answer for answer in answers if answer is not None]


def _answer(process: int, said: bytes) -> Answer:
    """What a worker said, all that will come. Raises what it raised, and what ended it before it had said all."""
    try:
        answer = pickle.loads(said)
    except (EOFError, pickle.UnpicklingError):
        _, status = os.waitpid(process, 0)
        how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit code {os.waitstatus_to_exitcode(status)}"
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) in CRASHES:
            raise RuntimeError(f"a worker process ended before its parts were done, with {how}") from None
        raise EnvironmentError_(
            f"a worker process was ended by {how} before its parts were done, as the system does where memory runs out; "
            "give fewer processes (--jobs 1) or more memory"
        ) from None
    if isinstance(answer, BaseException):
        raise answer
    assert isinstance(answer, Answer)
    return answer


def _fork(tickets: int, work: Task, others: list[int]) -> tuple[int, int, IO[bytes]]:
    """A worker process: (its id, where its answer comes, its file of lines)."""
    file = temporary_file()  # closed with Lines
    answer, tell = os.pipe()
    with suppress(OSError, AttributeError):  # an answer is megabytes, and a pipe holds 64 KiB: each time it is full costs two changes of process
        fcntl.fcntl(tell, fcntl.F_SETPIPE_SZ, PIECE)
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
        result: Answer | BaseException
        try:
            result = _work(_drawn(tickets), work, file)
        except BaseException as error:  # told to the parent, which raises it
            result = error
        with os.fdopen(tell, "wb") as pipe:
            pickle.dump(result, pipe, protocol=5)
        code = 0
    finally:
        os._exit(code)


def _drawn(tickets: int) -> Iterator[int]:
    """Buckets, one at a time, whoever is free."""
    while ticket := os.read(tickets, 4):
        yield int.from_bytes(ticket)


def _work(buckets: Iterator[int], work: Task, file: IO[bytes]) -> Answer:
    answer = Answer()
    places: list[Short] = []
    flows: list[Short] = []
    sizes: list[Short] = []
    for bucket in buckets:
        said = work(bucket, answer.certain)
        answer.entries.add(said.ledger.own)
        for written in said.lines:
            places.append(np.full(len(written.flow), bucket, np.int32))
            flows.append(written.flow.astype(np.int32))
            sizes.append(written.size.astype(np.int32))
            with room():
                file.write(written.text)
        said.lines = []
        if said.ledger.asked:
            answer.open[bucket] = said
        else:
            answer.certain.add(said)
    with room():
        file.flush()
    answer.certain.join()
    if places:
        answer.bucket, answer.flow, answer.size = np.concatenate(places), np.concatenate(flows), np.concatenate(sizes)
    return answer


def _end(process: int) -> None:
    """Wait for a worker; one that still works (this process was interrupted) is ended first."""
    try:
        done, _ = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:  # it died, and was waited for then
        return
    if not done:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
