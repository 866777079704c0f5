"""Loops that are written once as plain Python, compiled: `compiled(module)` gives the same module with its functions as machine code.

Rules of this file:
- The module is executed a second time with `jit` in its globals (a decorator applied to closures would never find its cache again), and with
  `int` as numpy.int64, so that an element of a uint8 array widens as an element of `bytes` does.
- Machine code is cached beside the source; where that folder cannot be written, in the user's cache folder, else in a private folder of this
  process. Never an error: without numba, or where it cannot compile, there is no compiled form (None) and the plain one serves.
"""

from __future__ import annotations

import os
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

_made: dict[str, ModuleType | None] = {}


def compiled(module: ModuleType) -> ModuleType | None:
    """The compiled twin of a module of loops, made once a process; None where there is no numba."""
    name = module.__name__
    if name not in _made:
        _made[name] = _compile(module)
    return _made[name]


def _compile(module: ModuleType) -> ModuleType | None:
    if os.environ.get("DPIPROBE_JIT") == "0" or module.__file__ is None:
        return None
    _choose_cache(Path(module.__file__).parent)
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
    sys.modules[twin_name] = twin
    try:
        spec.loader.exec_module(twin)
    except (RuntimeError, OSError):  # numba: "no locator available"
        twin.__dict__["jit"] = numba.njit(nogil=True)
        spec.loader.exec_module(twin)
    return twin


def _choose_cache(beside: Path) -> None:
    """Point numba at a folder that can be written, before it is imported."""
    if "numba" in sys.modules or os.environ.get("NUMBA_CACHE_DIR"):
        return
    if os.access(beside, os.W_OK):
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dpiprobe" / "loops"
    try:
        home.mkdir(parents=True, exist_ok=True)
        usable = os.access(home, os.W_OK)
    except OSError:
        usable = False
    if not usable:
        import tempfile

        home = Path(tempfile.mkdtemp(prefix="dpiprobe-loops-"))
    os.environ["NUMBA_CACHE_DIR"] = str(home)
