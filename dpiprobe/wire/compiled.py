"""Loops that are written once as plain Python, compiled: `compiled(module)` gives the same module with its functions as machine code.

Rules of this file:
- The module is executed a second time with `jit` in its globals (a decorator applied to closures would never find its cache again), and with
  `int` as numpy.int64, so that an element of a uint8 array widens as an element of `bytes` does. `nth` around an index, where a module has it, says
  that it is not negative: it becomes numpy.uint64, an element is then one load, and a loop that copies bytes copies many at once.
- Machine code is cached beside the source; where that folder cannot be written, in the user's cache folder, else in a private folder of this
  process. Never an error: without numba, or where it cannot compile, there is no compiled form (None) and the plain one serves.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from importlib import util
from pathlib import Path
from types import ModuleType

LOOPS = (
    "wire/loop.py", "wire/packets.py", "capture/walk.py", "flow/skim_loop.py", "flow/table_loop.py", "flow/flows.py", "flow/number_loop.py",
    "flow/stream_loop.py", "flow/landmark_loop.py", "observe/suspect_loop.py", "flow/pack_loop.py", "report/line_loop.py",
)  # fmt: skip
"""Sources that compiled code is made of."""
_made: dict[str, ModuleType | None] = {}


def compiled(module: ModuleType, **others: ModuleType | None) -> ModuleType | None:
    """The compiled twin of a module of loops, made once a process; None where there is no numba.

    others: compiled twins of modules that it calls, under the names that it has for them
    """
    name = module.__name__
    if name not in _made:
        _made[name] = _compile(module, others)
    return _made[name]


def at_hand(module: ModuleType) -> ModuleType | None:
    """The compiled twin of a module where this process has compiled others already, so that nobody waits for numba; else None."""
    return compiled(module) if any(_made.values()) else None


def _compile(module: ModuleType, others: dict[str, ModuleType | None]) -> ModuleType | None:
    if os.environ.get("DPIPROBE_JIT") == "0" or module.__file__ is None or None in others.values():
        return None
    _choose_cache()
    try:
        import numba
        import numpy as np
    except ImportError:
        return None
    twin_name = f"{module.__name__}__compiled"
    spec = util.spec_from_file_location(twin_name, module.__file__)
    if spec is None or spec.loader is None:
        return None
    twin = util.module_from_spec(spec)
    twin.__dict__["jit"] = numba.njit(cache=True, nogil=True)
    twin.__dict__["int"] = np.int64
    twin.__dict__["nth"] = np.uint64
    twin.__dict__.update(others)
    sys.modules[twin_name] = twin
    try:
        spec.loader.exec_module(twin)
    except (RuntimeError, OSError):  # numba: "no locator available"
        twin.__dict__["jit"] = numba.njit(nogil=True)
        spec.loader.exec_module(twin)
    return twin


def _choose_cache() -> None:
    """Point numba at a folder that can be written, before it is imported. Its name changes with the sources of all loops: numba itself would only
    see that the file of a function has changed, not that of another function or constant in it."""
    if "numba" in sys.modules or os.environ.get("NUMBA_CACHE_DIR"):
        return
    package = Path(__file__).parent.parent
    mark = hashlib.sha256(b"".join((package / source).read_bytes() for source in LOOPS)).hexdigest()[:12]
    user = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "dpiprobe"  # noqa: PTH111 - never raises, Path.home() may
    for folder in (package / "wire" / "__pycache__", user):
        place = folder / f"loops-{mark}"
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            os.environ["NUMBA_CACHE_DIR"] = str(place)
            return
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="dpiprobe-loops-")
