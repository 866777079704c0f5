"""The rules of the house, walked over the source itself: order of the rooms, size of files, what may be imported where, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "dpiprobe"
ROOMS = [
    "wire", "capture", "tls", "flow", "observe", "signature", "plan", "verdict", "explain",
    "cases", "report", "partition", "probe", "lab", "run", "campaign", "scale", "cli",
]
EVERYWHERE = {"errors", "__init__"}
LONGEST = 400  # lines; one concept a file
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "stuff"}
HEAVY = {"numpy", "yaml", "rich", "pydantic", "scapy", "pyshark", "numba", "pyroute2", "cryptography", "asyncio", "dpkt",
         "pyarrow", "dask", "distributed", "fsspec"}
LAZY = {"scapy", "numba", "pyshark", "rich", "pyroute2", "cryptography", "aioquic", "zstandard", "lz4", "pyarrow", "dask", "distributed", "fsspec"}

FILES = sorted(p for p in PACKAGE.rglob("*.py") if "data" not in p.relative_to(PACKAGE).parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST, path: Path) -> Iterator[str]:
    """Absolute names of all modules that a file imports, wherever in it."""
    inside = ("dpiprobe", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(inside[: len(inside) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield module
            if module == "dpiprobe":
                yield from (f"dpiprobe.{alias.name}" for alias in node.names)


def top_level_imports(tree: ast.Module) -> Iterator[str]:
    """Names of modules imported when the file is loaded (not those under TYPE_CHECKING, nor inside functions)."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_room_imports_only_rooms_to_its_left(path: Path) -> None:
    room = room_of(path)
    if room in EVERYWHERE or room == "__main__":
        return
    for module in imports(ast.parse(path.read_text()), path):
        parts = module.split(".")
        if parts[0] != "dpiprobe" or len(parts) == 1 or parts[1] in EVERYWHERE or parts[1] not in ROOMS:
            continue
        assert ROOMS.index(parts[1]) <= ROOMS.index(room), f"{room} imports {module}, a room to its right"


def test_every_room_is_one_the_design_names() -> None:
    rooms = {room_of(p) for p in FILES} - EVERYWHERE - {"__main__"}
    assert rooms <= set(ROOMS), f"rooms without a place in the order: {rooms - set(ROOMS)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_one_concept_and_says_which(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST, f"{len(text.splitlines())} lines; split it by concept"
    if path.name != "__init__.py" or len(text.split()) > 0:
        assert ast.get_docstring(ast.parse(text)), "a file opens with what it alone is responsible for"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_names_say_something(path: Path) -> None:
    for part in path.relative_to(PACKAGE).with_suffix("").parts:
        assert part not in EMPTY_NAMES, f"{part} says nothing"
        assert part in {"__init__", "__main__"} or part.rstrip("0123456789") == part or part in {"ja3", "ja4", "ipv4", "ipv6"}, f"{part} is numbered"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_packages_load_only_where_they_are_used(path: Path) -> None:
    heavy = {m.split(".")[0] for m in top_level_imports(ast.parse(path.read_text()))} & LAZY
    assert not heavy, f"{heavy} at the top of {name_of(path)}; import inside the function that uses it"


def test_help_loads_nothing_heavy() -> None:
    script = "import sys; from dpiprobe.cli.main import run; run(['--help']); print(*sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "Usage: dpiprobe" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_nothing_names_the_place_where_it_was_written() -> None:
    """A path of one machine in a public project helps nobody."""
    for path in [*FILES, *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml", *(ROOT / "docs").rglob("*.md")]:
        assert "/home/" not in path.read_text(), name_of(path)
