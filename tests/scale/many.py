"""Many small captures for tests: the recorded cases, some of them several times under other names; and what a data set holds, to compare."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, require

DPIPROBE = [sys.executable, "-m", "dpiprobe"]


def captures(folder: Path, count: int) -> Path:
    """A folder with `count` captures in two folders below it, and two files that are none."""
    cases = sorted((ROOT / "pcaps").rglob("test.pcap*"))
    for place in range(count):
        case = cases[place % len(cases)]
        target = folder / f"{'ab'[place % 2]}" / f"{place:04d}-{case.parent.name}{case.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(case, target)
    (folder / "README").write_text("no capture\n")
    (folder / "a" / "empty.pcap").write_bytes(b"")
    return folder


def run(folder: Path, out: Path, *options: str) -> int:
    """Analyze a folder into a data set; the exit code."""
    return subprocess.run([*DPIPROBE, "-q", "analyze", str(folder), "--out", str(out), *options], stdout=subprocess.DEVNULL, check=False).returncode


def parquet() -> Any:
    """pyarrow's reader, or skip."""
    try:
        import pyarrow.dataset
    except ImportError:
        require("parquet", "pyarrow is not installed")
    return pyarrow.dataset


def content(out: Path | str, table: str, keys: tuple[str, ...]) -> Any:
    """A table of a data set, sorted, so that two can be compared."""
    return parquet().dataset(str(out) + f"/{table}", format="parquet").to_table().sort_by([(key, "ascending") for key in keys])


KEYS = {
    "flows": ("capture", "flow"),
    "names": ("capture", "server", "server_name"),
    "observations": ("capture", "flow", "observation"),
    "captures": ("capture",),
}


def assert_same_content(one: Path, other: Path) -> None:
    """Both data sets hold the same rows."""
    for table, keys in KEYS.items():
        left, right = content(one, table, keys), content(other, table, keys)
        assert left.num_rows == right.num_rows, table
        assert left.equals(right), table
