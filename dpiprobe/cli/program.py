"""How this program was called, for the commands that its output proposes: what is printed can be pasted.

Rules of this file: `dpiprobe` where the shell would find this very program by that name; else the path it was called by.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

NAME = "dpiprobe"


def program() -> str:
    """`dpiprobe`, or the path (`.venv/bin/dpiprobe`) or the words (`/usr/bin/python3 -m dpiprobe`) that start it here."""
    called, found = Path(sys.argv[0]), shutil.which(NAME)
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m {NAME}"
    if called.name != NAME or not called.exists() or (found is not None and called.samefile(found)):
        return NAME
    return shlex.quote(sys.argv[0])
