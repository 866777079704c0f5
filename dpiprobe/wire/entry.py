"""The way from Python into one compiled loop: what its arguments are decides the machine code, which is called with their numbers and addresses.

Rules of this file:
- A loop takes whole numbers, and arrays of them that lie in one piece; with anything else the plain loop is run, which is slow and right.
- Machine code does not hold the interpreter's lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

Kinds = tuple[str, ...]
"""What each argument is: NUMBER, or the type of an array and, unless it is one, its number of dimensions ("u1", "i8 2")."""
Found = int | Callable[..., Any]
"""Machine code: where it is, or what is called with the arguments as they are."""

NUMBER = "n"
ARRAYS = {np.dtype(name): name for name in ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")}
IN_ONE_PIECE = 0x101
"""NPY_ARRAY_C_CONTIGUOUS and NPY_ARRAY_ALIGNED (numpy/ndarraytypes.h)."""
LIMIT = 1 << 63
RESULTS: dict[str, Any] = {"int": ctypes.c_int64, "None": None}
"""What a loop may give, as it is annotated -> the same in C."""
_held: Callable[[Any], Any] = (ctypes.c_char * 0).from_buffer


class Entry:
    """A loop as its callers see it. `find`: gives the machine code for arguments of some kinds and a result as it is annotated"""

    def __init__(self, plain: Callable[..., Any], find: Callable[[Kinds, str], Found]) -> None:
        self._plain = plain
        self._find = find
        self._codes: dict[Kinds, Callable[..., Any]] = {}
        self._others: dict[Kinds, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        kinds: list[str] = []
        numbers: list[int] = []
        for one in arguments:
            if isinstance(one, np.ndarray):
                kind, flags = ARRAYS.get(one.dtype), one.flags
                if kind is None or flags.num & IN_ONE_PIECE != IN_ONE_PIECE:
                    return self._plain(*arguments)
                kinds.append(kind if one.ndim == 1 else f"{kind} {one.ndim}")
                # twice as fast as numpy's own word for it, which memory that nobody may write to needs
                numbers.append(ctypes.addressof(_held(one)) if flags.writeable else one.ctypes.data)
                numbers += one.shape
            elif isinstance(one, int | np.integer) and -LIMIT <= one < LIMIT:
                kinds.append(NUMBER)
                numbers.append(int(one))
            else:
                return self._plain(*arguments)
        asked = tuple(kinds)
        code = self._codes.get(asked)
        if code is not None:
            return code(*numbers)
        if asked not in self._others:
            result = str(self._plain.__annotations__.get("return"))
            found = self._find(asked, result) if result in RESULTS else self._plain
            if isinstance(found, int):
                self._codes[asked] = ctypes.CFUNCTYPE(RESULTS[result], *_numbers(asked))(found)
                return self._codes[asked](*numbers)
            self._others[asked] = found
        return self._others[asked](*arguments)


def _numbers(kinds: Kinds) -> list[Any]:
    """What C gets: of an array where it lies and its length in each dimension."""
    every: list[Any] = []
    for kind in kinds:
        every += [ctypes.c_int64] if kind == NUMBER else [ctypes.c_void_p, *[ctypes.c_int64] * _dimensions(kind)]
    return every


def _dimensions(kind: str) -> int:
    return int(kind.partition(" ")[2] or 1)


def compile_entry(loop: Any, kinds: Kinds, result: str) -> Any:
    """numba's function in C's way of calling (a `cfunc`) that calls a loop: it puts arrays together again from what C got."""
    import numba

    gets: list[str] = []
    gives: list[str] = []
    types: list[Any] = []
    for place, kind in enumerate(kinds):
        one = f"a{place}"
        if kind == NUMBER:
            gets.append(one)
            gives.append(one)
            types.append(numba.types.int64)
            continue
        lengths = [f"{one}_{i}" for i in range(_dimensions(kind))]
        gets += [one, *lengths]
        gives.append(f"carray({one}, ({', '.join(lengths)},))")
        types += [numba.types.CPointer(numba.from_dtype(np.dtype(kind.split()[0]))), *[numba.types.int64] * len(lengths)]
    names: dict[str, Any] = {"carray": numba.carray, "loop": loop}
    exec(f"def entry({', '.join(gets)}):\n    {'return ' if RESULTS[result] else ''}loop({', '.join(gives)})\n", names)
    return numba.cfunc((numba.types.int64 if RESULTS[result] else numba.types.void)(*types), error_model="numpy")(names["entry"])
