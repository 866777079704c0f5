"""Loops that are written once as plain Python, compiled: `compiled(module)` gives the same module with its functions as machine code.

Rules of this file:
- numba makes the machine code, once; from then on it is loaded as object code (`objects`) and numba, whose start and first call take a fifth of a
  second in which nothing else can go on, is not imported (docs/decisions/0007).
- For numba the module is executed a second time with `jit` in its globals, and with `int` as numpy.int64, so that an element of a uint8 array widens
  as an element of `bytes` does. `nth` around an index, where a module has it, says that it is not negative: it becomes numpy.uint64, an element is
  then one load, and a loop that copies bytes copies many at once.
- Object code is kept beside the source; where that folder cannot be written, in the user's cache folder, else for this process alone. Never an
  error: without numba, or where it cannot compile, there is no compiled form (None) and the plain one serves.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from functools import lru_cache, partial
from importlib import util
from pathlib import Path
from threading import RLock
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dpiprobe.wire.entry import Found

LOOPS = (
    "wire/loop.py", "wire/packets.py", "capture/walk.py", "flow/skim_loop.py", "flow/table_loop.py", "flow/flows.py", "flow/number_loop.py",
    "flow/stream_loop.py", "flow/landmark_loop.py", "observe/suspect_loop.py", "flow/pack_loop.py", "report/line_loop.py",
    "wire/entry.py", "wire/objects.py", "wire/compiled.py",
)  # fmt: skip
"""Sources that compiled code is made of."""
_made: dict[str, ModuleType | None] = {}
_lock = RLock()


class _Twin(ModuleType):
    """A module whose functions are machine code. `others`: those that it calls"""

    def __init__(self, plain: ModuleType, others: dict[str, _Twin]) -> None:
        super().__init__(f"{plain.__name__}__compiled")
        self.__source__ = plain
        self.__others__ = others
        self.__jitted__: ModuleType | None = None
        self.__dict__.update(others)

    def __machine__(self) -> ModuleType:
        """The module as numba compiles it."""
        import numba
        import numpy as np

        if self.__jitted__ is None:
            spec = util.spec_from_file_location(self.__name__, str(self.__source__.__file__))
            assert spec is not None and spec.loader is not None
            self.__jitted__ = util.module_from_spec(spec)
            self.__jitted__.__dict__.update({name: other.__machine__() for name, other in self.__others__.items()})
            self.__jitted__.__dict__.update(jit=numba.njit(error_model="numpy"), int=np.int64, nth=np.uint64)
            sys.modules[self.__name__] = self.__jitted__
            spec.loader.exec_module(self.__jitted__)
        return self.__jitted__


def compiled(module: ModuleType, **others: ModuleType | None) -> ModuleType | None:
    """The compiled twin of a module of loops, made once a process; None where there is no numba.

    others: compiled twins of modules that it calls, under the names that it has for them
    """
    name = module.__name__
    if name not in _made:
        _made[name] = _twin(module, others)
    return _made[name]


def at_hand(module: ModuleType) -> ModuleType | None:
    """The compiled twin of a module where this process has compiled others already, so that nobody waits for numba; else None."""
    return compiled(module) if any(_made.values()) else None


def _twin(module: ModuleType, others: dict[str, ModuleType | None]) -> ModuleType | None:
    if os.environ.get("DPIPROBE_JIT") == "0" or module.__file__ is None or None in others.values() or not _usable(module):
        return None
    from dpiprobe.wire.entry import Entry

    twin = _Twin(module, {name: other for name, other in others.items() if isinstance(other, _Twin)})
    for name, function in vars(module).items():
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            twin.__dict__[name] = Entry(function, partial(_find, twin, name))
    return twin


def _usable(module: ModuleType) -> bool:
    """Whether there is machine code of a module, or what makes it."""
    if util.find_spec("numba") is None or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return False
    try:
        from llvmlite.binding import create_new_module_pass_manager as passes

        folder = _folder()
        if folder is None or next(folder.glob(f"{module.__name__}__compiled.*"), None) is None:
            import numba  # noqa: F401
    except (ImportError, OSError):
        return False
    return hasattr(passes(), "add_ipsccp_pass")  # llvmlite 0.45, numba 0.62


def _find(twin: _Twin, name: str, kinds: tuple[str, ...], result: str) -> Found:
    """The machine code of one loop in this process, for arguments of some kinds; it is made where none was kept."""
    from dpiprobe.wire import objects
    from dpiprobe.wire.entry import compile_entry

    with _lock:
        setting = "\n".join((_numba(), objects.setting(), result, *kinds))
        folder = _folder()
        path = folder / f"{twin.__name__}.{name}.{hashlib.sha256(setting.encode()).hexdigest()[:24]}.o" if folder is not None else None
        kept = objects.read(path) if path is not None else None
        if kept is not None:
            with suppress(RuntimeError):  # LLVM's
                return objects.load(kept)
        try:
            loop = getattr(twin.__machine__(), name)
        except ImportError:  # of numba, which was there when others were made
            return cast("Found", getattr(twin.__source__, name))
        made = compile_entry(loop, kinds, result)
        code = objects.emit(made.inspect_llvm(), made.native_name)
        if code is None:  # it may raise something, which numba alone passes on
            return cast("Found", loop)
        if path is not None:
            objects.write(path, code)
        return objects.load(code)


def _numba() -> str:
    """What changes with numba's version, which asking numba would take its import."""
    spec = util.find_spec("numba")
    if spec is None or spec.origin is None:
        return ""
    file = os.stat(spec.origin)  # noqa: PTH116
    return f"{spec.origin} {file.st_size} {file.st_mtime_ns}"


@lru_cache(maxsize=1)
def _folder() -> Path | None:
    """A folder that can be written, if any can. Its name changes with the sources of all loops."""
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
            return place
    return None
