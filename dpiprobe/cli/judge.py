"""A capture and options from the command line -> its explanation; what `analyze`, `show` and `cases` share.

Rules of this file: it opens files and passes arguments on, nothing else; numpy and the rooms behind it load only when it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpiprobe.explain import Explanation


def load_signatures(folder: str | None) -> Any:
    """The signature database: the one that comes with dpiprobe, or that of a folder."""
    from pathlib import Path

    from dpiprobe.signature.database import load

    return load(None if folder is None else Path(folder))


def explain_file(
    path: str, *, database: Any, controls: Sequence[str] = (), server_side: str | None = None, others: Sequence[str] = ()
) -> Explanation:
    """Read one capture ("-" is standard input), or it and `others` as one, and explain it; InputError where it cannot be read."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.capture.together import read_together
    from dpiprobe.explain import explain

    capture = read_together((path, *others)) if others else read_capture(path)
    other = None if server_side is None else read_capture(server_side)
    return explain(capture, database=database, controls=tuple(controls), server_side=other)
