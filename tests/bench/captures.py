"""The captures of a benchmark: made once, from seeds, into a folder that goes away."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BIG_FLOWS = 190_000
"""Flows of the capture that all programs read: 2.7 million packets (the figure in docs/performance.md is counted)."""
SMALL_FLOWS = 390
"""Flows of 5.5 thousand packets."""
EACH = 40
"""Flows of one of many small captures."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. `big` flows; `rounds` of the table; `many` small captures."""

    big: int
    rounds: int
    many: int


FULL = Sizes(BIG_FLOWS, 3, 2000)
QUICK = Sizes(BIG_FLOWS // 45, 2, 100)


def make(folder: Path, name: str, flows: int, interfered: float, seed: int = 1) -> Path:
    """One capture, made by a process of its own, so that this one stays small."""
    path = folder / f"{name.replace(' ', '-')}.pcap"  # ndpiReader takes a comma in a name for the end of it
    script = [sys.executable, "-m", "tests.bench.generate", "--flows", str(flows), "--interfered", str(interfered), "--seed", str(seed), "-o", str(path)]
    subprocess.run(script, check=True)
    return path


MANY = """
import sys
from pathlib import Path
from tests.bench.generate import generate
folder, count, flows = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for number in range(count):
    with (folder / f"{number:05d}.pcap").open("wb") as out:
        generate(out, flows, (0.1, 0.5, 1.0)[number % 3], number)
"""


def make_many(folder: Path, count: int) -> Path:
    """A folder of small captures, a tenth, half or all of whose flows are interfered with."""
    target = folder / "many"
    target.mkdir()
    subprocess.run([sys.executable, "-c", MANY, str(target), str(count), str(EACH)], check=True)
    return target
