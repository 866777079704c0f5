"""What is measured, part by part, and the figures that come of it (plain numbers, for the page and for JSON)."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.captures import SMALL_FLOWS, Sizes, make, make_many
from tests.bench.process import Series, in_turn, measure
from tests.bench.programs import PROGRAMS, Program

DPIPROBE = (sys.executable, "-m", "dpiprobe", "-q")
QUARTER = 0.25


class Session:
    """One run of the benchmark. `figures` grows part by part."""

    PARTS = ("table", "tenth", "small", "all", "length", "signatures", "stages", "many", "hellos")

    def __init__(self, folder: Path, sizes: Sizes, lacking: list[Program]) -> None:
        self.folder = folder
        self.sizes = sizes
        self.figures: dict[str, Any] = {"packets": {}}
        self._programs = [program for program in PROGRAMS if program not in lacking]
        self._made: dict[str, Path] = {}

    def measure(self, part: str) -> None:
        """Measure one part. Raises KeyError where there is none of that name."""
        print(f"bench: {part} ...", file=sys.stderr, flush=True)
        parts: dict[str, Callable[[], Any]] = {
            "table": self._table, "tenth": self._tenth, "small": self._small, "all": self._all, "length": self._length, "signatures": self._signatures,
            "stages": self._stages, "many": self._many, "hellos": self._hellos,
        }
        self.figures[part] = parts[part]()

    def _capture(self, name: str, flows: int, interfered: float = QUARTER) -> Path:
        if name not in self._made:
            self._made[name] = make(self.folder, name, flows, interfered)
            self.figures["packets"][name] = packets(self._made[name])
        return self._made[name]

    def _beside(self, path: Path, ours: dict[str, tuple[str, ...]], *, small: bool = False, names: tuple[str, ...] = ()) -> dict[str, Any]:
        """Ours and the alternatives on one capture, in turn."""
        others = {p.name: (*p.command, str(path)) for p in self._programs if (small or not p.small_only) and (not names or p.name in names)}
        for command in ours.values():
            measure(command)  # compiled code and signatures are cached by the first run
        return rows(in_turn(ours | others, self.sizes.rounds, [path]), next(iter(ours)))

    def _table(self) -> dict[str, Any]:
        path = self._capture("big", self.sizes.big)
        return self._beside(path, {"dpiprobe analyze": analyze(path), "dpiprobe analyze --json": analyze(path, "--json")})

    def _tenth(self) -> dict[str, Any]:
        path = self._capture("a tenth interfered", self.sizes.big, 0.1)
        return self._beside(path, {"dpiprobe analyze": analyze(path)}, names=("cat", "ndpiReader -q", "tshark -T fields"))

    def _small(self) -> dict[str, Any]:
        path = self._capture("small", SMALL_FLOWS)
        return self._beside(path, {"dpiprobe analyze --json": analyze(path, "--json")}, small=True)

    def _all(self) -> dict[str, Any]:
        path = self._capture("all interfered", self.sizes.big // 2, 1.0)
        return self._beside(path, {"dpiprobe analyze --json": analyze(path, "--json")}, names=("cat", "tshark -T fields"))

    def _length(self) -> dict[str, Any]:
        """A tenth, once, and four times as many packets; the last is deleted at once, since it is large."""
        captures = {"0.1x": self._capture("tenth", self.sizes.big // 10), "1x": self._capture("big", self.sizes.big)}
        captures["4x"] = self._capture("four", self.sizes.big * 4)
        found = rows(in_turn({name: analyze(path, "--json") for name, path in captures.items()}, self.sizes.rounds, list(captures.values())), "1x")
        self._made.pop("four").unlink()
        return found

    def _signatures(self) -> dict[str, Any]:
        path = self._capture("tenth", self.sizes.big // 10)
        commands = {}
        for count in (10, 100, 1000):
            folder = self.folder / f"signatures-{count}"
            subprocess.run([sys.executable, "-m", "tests.bench.databases", str(count), str(folder)], check=True, stdout=subprocess.DEVNULL)
            commands[f"{count} signatures"] = analyze(path, "--json", "--signatures", str(folder))
            measure(commands[f"{count} signatures"])
        return rows(in_turn(commands, self.sizes.rounds, [path]), "10 signatures")

    def _stages(self) -> dict[str, Any]:
        path = self._capture("big", self.sizes.big)
        runs = []
        for _ in range(self.sizes.rounds + 1):
            done = subprocess.run([sys.executable, "-m", "tests.bench.stages", str(path)], check=True, capture_output=True)
            runs.append(json.loads(done.stdout))
        names = dict.fromkeys(name for run in runs[1:] for name in run["seconds"])
        return {name: statistics.median(run["seconds"].get(name, 0.0) for run in runs[1:]) for name in names}

    def _many(self) -> dict[str, Any]:
        folder = make_many(self.folder, self.sizes.many)
        self.figures["packets"]["many"] = sum(packets(path) for path in list(folder.iterdir())[:20]) * self.sizes.many // 20
        out = self.folder / "out"
        ways = {"jobs 1": ("--jobs", "1"), "jobs 2": ("--jobs", "2"), "Dask local:2": ("--dask", "local:2")}
        series = {name: Series() for name in ways}
        for _ in range(self.sizes.rounds):
            for name, options in ways.items():
                shutil.rmtree(out, ignore_errors=True)
                series[name].runs.append(measure((*DPIPROBE, "analyze", str(folder), *options, "--out", str(out))))
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(folder)
        return rows(series, "jobs 2") | {"captures": self.sizes.many}

    def _hellos(self) -> Any:
        """ClientHellos built and read a second; the bench of hellos takes its own rounds."""
        done = subprocess.run([sys.executable, "-m", "tests.bench.hellos", "--json"], check=False, capture_output=True)
        return json.loads(done.stdout)


def analyze(path: Path, *options: str) -> tuple[str, ...]:
    """The command that explains a capture."""
    return (*DPIPROBE, "analyze", str(path), *options)


def rows(found: dict[str, Series], base: str) -> dict[str, Any]:
    """Medians of each series, and how many times as long it took as `base`."""
    return {
        name: {"seconds": series.seconds, "cpu": series.cpu, "peak": series.peak, "ratio": series.over(found[base])} for name, series in found.items()
    }


COUNT = """
import mmap, struct, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
    count, at = 0, 24
    while at < len(data):
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        count += 1
print(count)
"""


def packets(path: Path) -> int:
    """Packets of a pcap that we wrote ourselves, counted by a process of its own."""
    return int(subprocess.run([sys.executable, "-c", COUNT, str(path)], check=True, capture_output=True).stdout)
