"""Temporary files of a large capture: without a name, so that they vanish with the process however it ends.

Rules of this file: where there is no room for one, the message names the folder and what chooses another; it is this machine's lack, not an error of
this program.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from dpiprobe.errors import EnvironmentError_

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says where a file cannot grow."""


def temporary_file() -> IO[bytes]:
    """A new one, empty."""
    try:
        return tempfile.TemporaryFile(prefix="dpiprobe-")
    except OSError as problem:
        raise EnvironmentError_(f"no temporary file can be made ({problem.strerror}); name a folder that has room for one in TMPDIR") from None


@contextmanager
def room() -> Iterator[None]:
    """While something is written to one."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in FULL:
            raise
        where = tempfile.gettempdir()
        raise EnvironmentError_(
            f"there is no room for temporary files in {where} ({problem.strerror}); make room there, or name another folder in TMPDIR"
        ) from None
