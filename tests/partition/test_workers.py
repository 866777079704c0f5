"""Workers that come to grief, and temporary files that nothing more goes into: what the caller is told."""

from __future__ import annotations

import errno
import faulthandler
import os
import pickle
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

from dpiprobe.errors import EnvironmentError_
from dpiprobe.partition import rows, temporary, workers
from dpiprobe.partition.evaluate import Said
from dpiprobe.partition.rows import Rows
from dpiprobe.partition.workers import explain_all
from dpiprobe.signature.ledger import Entries


def _children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


@pytest.mark.parametrize(("how", "kind"), [(signal.SIGKILL, EnvironmentError_), (signal.SIGSEGV, RuntimeError)])
def test_a_worker_that_a_signal_ends(how: signal.Signals, kind: type[Exception]) -> None:
    def work(bucket: int, others: Entries | None, before: Said) -> Said:
        if bucket == 3:
            faulthandler.disable()  # pytest's; its trace would look like an accident
            os.kill(os.getpid(), how)
        return Said()

    with pytest.raises(kind, match=how.name):
        explain_all([1, 2, 3, 4], work, 2)
    assert not _children()


def test_the_message_says_what_to_do() -> None:
    def work(bucket: int, others: Entries | None, before: Said) -> Said:
        os.kill(os.getpid(), signal.SIGKILL)
        return Said()

    with pytest.raises(EnvironmentError_, match=r"memory.*; give fewer processes \(--jobs 1\) or more memory"):
        explain_all([1, 2], work, 2)


def test_a_worker_that_leaves_without_a_word() -> None:
    def work(bucket: int, others: Entries | None, before: Said) -> Said:
        os._exit(7)

    with pytest.raises(RuntimeError, match="exit code 7"):
        explain_all([1, 2], work, 2)


def test_half_an_answer_is_none() -> None:
    process = os.fork()
    if not process:
        os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(EnvironmentError_, match="SIGKILL"):
        workers._answer(process, pickle.dumps(workers.Answer(), protocol=5)[:-9])


def test_answers_come_in_the_order_of_workers() -> None:
    def work(bucket: int, others: Entries | None, before: Said) -> Said:
        said = Said()
        said.verdicts["ok"] = bucket
        said.asked = {"x" * 300_000}  # more than a pipe holds
        return said

    whole, lines = explain_all([*range(1, 9)], work, 3)
    assert whole.verdicts["ok"] == 36
    lines.close()


def test_no_room_for_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, views: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(rows, "_write", full)
    held = Rows(0)
    held.add(np.array([0, 1]), np.array([0, 0]), *held.room(1, 0))
    with pytest.raises(EnvironmentError_, match=f"{tempfile.gettempdir()}.*No space left on device.*TMPDIR"):
        held.room(1, 0)
    held.close()


def test_no_room_for_lines_in_a_worker() -> None:
    def work(bucket: int, others: Entries | None, before: Said) -> Said:
        with temporary.room():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(EnvironmentError_, match="TMPDIR"):
        explain_all([1, 2], work, 2)


def test_no_temporary_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(EnvironmentError_, match="TMPDIR"):
        temporary.temporary_file()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(OSError, match="wrong"), temporary.room():
        raise OSError(errno.EBADF, "wrong")
