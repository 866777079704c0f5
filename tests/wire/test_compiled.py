"""Loops as machine code: the same answers as plain Python, from code just made and from code that was kept; and nothing odd on disk does harm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dpiprobe.wire import compiled as place
from dpiprobe.wire import entry, objects

pytest.importorskip("llvmlite")
pytest.importorskip("numba")
SOURCE = '''
from __future__ import annotations

jit = globals().get("jit", lambda function: function)


@jit
def weigh(buf: object, table: object, factor: int, out: object) -> int:
    total = 0
    for i in range(len(buf)):
        total += int(buf[i]) * factor
        out[i % len(out)] = total
    for row in range(len(table)):
        total += int(table[row][1])
    return total


@jit
def clear(out: object) -> None:
    for i in range(len(out)):
        out[i] = 0


@jit
def strict(number: int) -> int:
    if number < 0:
        raise ValueError("below zero")
    return number
'''
Build = Callable[[], Any]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[ModuleType]:
    """A module of loops."""
    path = tmp_path / "small_loop.py"
    path.write_text(SOURCE)
    spec = util.spec_from_file_location("small_loop", path)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("small_loop__compiled", None)


@pytest.fixture
def twin(plain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Gives the module's compiled twin as a process that has just begun would have it."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(place, "_folder", lambda: kept)

    def build() -> Any:
        monkeypatch.setattr(place, "_made", {})
        return place.compiled(plain)

    return build


def no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing can be compiled."""

    def refuse(*_: object) -> None:
        raise AssertionError("numba was asked")

    monkeypatch.setattr(entry, "compile_entry", refuse)


def answer(loops: Any) -> tuple[int, list[int]]:
    """What the loop says of some bytes."""
    out = np.zeros(3, np.int32)
    total = loops.weigh(np.frombuffer(b"\xff\x01\x80 some bytes", np.uint8), np.arange(6).reshape(3, 2), 1 << 40, np.zeros(2, np.int64))
    total += loops.weigh(np.frombuffer(b"\x01\x02", np.uint8), np.zeros((0, 2), np.int64), 3, out)
    return total, out.tolist()


def test_made_and_kept_code_say_what_plain_python_says(plain: ModuleType, twin: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answer(plain)
    assert answer(twin()) == expected
    no_numba(monkeypatch)
    assert answer(twin()) == expected


def test_a_loop_without_an_answer(twin: Build) -> None:
    out = np.ones(5, np.uint16)
    twin().clear(out)
    assert not out.any()


@pytest.mark.parametrize("harm", [lambda code: b"", lambda code: code[:-9], lambda code: code[:40] + b"x" + code[41:], lambda code: b"\0" * 4096])
def test_damaged_code_is_not_loaded_but_made_again(harm: Callable[[bytes], bytes], plain: ModuleType, twin: Build, tmp_path: Path) -> None:
    expected = answer(plain)
    answer(twin())
    files = sorted((tmp_path / "kept").iterdir())
    whole = {path: path.read_bytes() for path in files}
    for path in files:
        path.write_bytes(harm(whole[path]))
    assert answer(twin()) == expected
    assert all(objects.read(path) is not None for path in files)
    assert sorted((tmp_path / "kept").iterdir()) == files  # nothing half written beside them


def test_code_that_llvm_does_not_know_is_made_again(plain: ModuleType, twin: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loops = twin()
    answer(loops)
    kept = tmp_path / "kept"
    monkeypatch.setattr(place, "_made", {})
    again: Any = place.compiled(plain)
    real = objects.load
    calls: list[bytes] = []

    def once(code: bytes) -> int:
        calls.append(code)
        if len(calls) == 1:
            raise RuntimeError("not an object")
        return real(code)

    monkeypatch.setattr(objects, "load", once)
    assert answer(again) == answer(plain)
    assert len(calls) >= 2 and list(kept.iterdir())


def test_code_of_another_numba_or_processor_is_another_file(twin: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = np.ones(5, np.uint16)
    twin().clear(out)
    monkeypatch.setattr(objects, "setting", lambda: "another processor")
    twin().clear(out)
    monkeypatch.setattr(place, "_numba", lambda: "another version")
    twin().clear(out)
    assert len(list((tmp_path / "kept").iterdir())) == 3


def test_what_may_raise_is_not_kept_and_raises(twin: Build, tmp_path: Path) -> None:
    loops = twin()
    assert loops.strict(7) == 7
    with pytest.raises(ValueError, match="below zero"):
        loops.strict(-7)
    assert not list((tmp_path / "kept").iterdir())


def test_arguments_that_are_not_taken_go_to_the_plain_loop(plain: ModuleType, twin: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    no_numba(monkeypatch)
    loops, table = twin(), np.arange(6).reshape(3, 2)
    for buf in (b"abc", np.arange(6, dtype=np.uint8)[::2], np.array([1.0, 2.0]), np.array([1, 2], ">i4")):
        assert loops.weigh(buf, table, 2, np.zeros(2, np.int64)) == plain.weigh(buf, table, 2, np.zeros(2, np.int64))
    assert loops.weigh([1], [[0, 1]], 1 << 70, [0]) == (1 << 70) + 1


def test_where_nothing_can_be_kept_it_still_runs(plain: ModuleType, twin: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_folder", lambda: None)
    assert answer(twin()) == answer(plain)


def test_without_numba_there_is_none(twin: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda _: None)
    assert twin() is None
    monkeypatch.undo()
    monkeypatch.setenv("DPIPROBE_JIT", "0")
    monkeypatch.setattr(place, "_made", {})
    from dpiprobe.wire import loop

    assert place.compiled(loop) is None
