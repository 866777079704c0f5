"""What `lab matrix` leaves on disk: one JSON that is whole at any moment, however the matrix ends.

Rules of this file:
- Written beside its place and moved there, so a reader sees the old one or the new one. While runs are still to come it says `interrupted: true`.
- Runs that could not be carried out stand in `failed`, each with its reason; they are in no count of results.
- `agreement` compares runs that took place in both worlds, task by task.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dpiprobe.lab import tally
from dpiprobe.lab.matrix import Boxes, Failed, Result, View
from dpiprobe.lab.truth import Truth

_PAUSE = 20.0
"""Seconds between two writings while runs come in: what SIGKILL or a power cut can cost."""
UNLIKELY = 0.01
"""Chance below which two worlds count as different."""


@dataclass(slots=True)
class World:
    """What came out of one world so far, and how many runs were asked of it; of namespaces also the same runs on the virtual clock, at the same pace."""

    asked: int = 0
    results: list[Result] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    twins: list[Result] = field(default_factory=list)

    def take(self, one: Result | Failed) -> None:
        """One more run is over."""
        if isinstance(one, Failed):
            self.failed.append(one)
        else:
            self.results.append(one)

    @property
    def over(self) -> int:
        """Runs that came to an end, of whatever kind."""
        return len(self.results) + len(self.failed)

    @property
    def accused(self) -> int:
        """Innocents that were blamed."""
        return sum(bool(r.accused) for r in self.results if r.kind == "innocent")


class MatrixRecord:
    """The matrix as it grows. `virtual`: the virtual clock; `real`: namespaces, None where they were not asked for."""

    def __init__(self, boxes: Boxes, seed: int, file: Path | None) -> None:
        self.boxes, self.seed, self.file = boxes, seed, file
        self.virtual = World()
        self.real: World | None = None
        self.began = self.written = time.monotonic()
        self.seconds = 0.0  # that the virtual clock took
        self.known: tuple[int, dict[str, Any]] | None = None

    def data(self, *, complete: bool) -> dict[str, Any]:
        """Everything as JSON values (docs/matrix.md)."""
        from dpiprobe import __version__

        out: dict[str, Any] = {
            "format": tally.FORMAT,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "command": " ".join(["dpiprobe", *sys.argv[1:]]),
            "tool": __version__,
            "signatures": self.boxes.database.hash,
            "seed": self.seed,
            "seconds": round(self.seconds or time.monotonic() - self.began, 1),
            "interrupted": not complete,
            **self._world(),
        }
        if self.real is not None:
            out["namespaces"] = {
                "asked": self.real.asked,
                "summary": self._summary(self.real),
                "failed": [asdict(f) for f in self.real.failed],
                "agreement": agreement(self.real.twins, self.real.results, self.boxes.truths),
                "results": [asdict(r) for r in sorted(self.real.results, key=_order)],
            }
        return out

    def _world(self) -> dict[str, Any]:
        """The virtual clock's part; counted once when nothing is added to it any more."""
        if self.known is None or self.known[0] != self.virtual.over:
            shown = [r for r in sorted(self.virtual.results, key=_order) if r.kind == "box" or r.accused]
            self.known = self.virtual.over, {
                "asked": self.virtual.asked, "summary": self._summary(self.virtual), "failed": [asdict(f) for f in self.virtual.failed],
                "results": [asdict(r) for r in shown],
            }  # fmt: skip
        return self.known[1]

    def _summary(self, world: World) -> dict[str, Any]:
        return tally.tally(world.results, self.boxes.truths, self.boxes.deployments)

    def save(self, *, complete: bool = False, now: bool = False) -> dict[str, Any] | None:
        """Write what there is, if the last time was a while ago, or `now`; returns what was written."""
        if not now and (self.file is None or time.monotonic() - self.written < _PAUSE):
            return None
        data = self.data(complete=complete)
        if self.file is not None:
            beside = self.file.with_name(f".{self.file.name}.{os.getpid()}")
            try:
                beside.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")
                beside.replace(self.file)
            finally:
                beside.unlink(missing_ok=True)
        self.written = time.monotonic()
        return data


def _order(result: Result) -> tuple[str, str, str, int]:
    return result.kind, result.name, result.condition, result.seed


def agreement(one: Sequence[Result], two: Sequence[Result], truths: Mapping[str, Truth]) -> dict[str, Any]:
    """Of the tasks that both lists hold: how many say the same of the name in question in each view, and which do not.

    `conditions`: for the boxes under each condition how many are right in each world, and Fisher's exact p that both worlds have one rate;
    `unlike`: those whose p is below 0.01 with all of them taken together (Holm 1979).
    """
    known = {_order(r): r for r in one}
    pairs = [(known[_order(r)], r) for r in sorted(two, key=_order) if _order(r) in known]
    out: dict[str, Any] = {"runs": len(pairs)}
    for kind in ("box", "innocent"):
        group = [(a, b) for a, b in pairs if a.kind == kind]
        alike = {"client": sum(_says(a.client) == _says(b.client) for a, b in group), "both": sum(_says(a.both) == _says(b.both) for a, b in group)}
        out[kind] = {"runs": len(group), **alike}
    out["conditions"] = [
        {"name": where, "view": view, "runs": len(group), "virtual": right[0], "real": right[1], "p": tally.fisher(right[0], len(group), right[1], len(group))}
        for where in dict.fromkeys(a.condition for a, _ in pairs if a.kind == "box")
        for group in [[(a, b) for a, b in pairs if a.kind == "box" and a.condition == where]]
        for view in tally.VIEWS
        for right in [[sum(tally.is_right(pair[world], view, truths) for pair in group) for world in (0, 1)]]
    ]
    out["unlike"] = _unlike(out["conditions"])
    differ = [(a, b) for a, b in pairs if _says(a.client) != _says(b.client) or _says(a.both) != _says(b.both)]
    out["differ"] = [
        {"kind": a.kind, "name": a.name, "condition": a.condition, "seed": a.seed,
         **{f"{world}_{view}": _says(r.client if view == "client" else r.both) for world, r in (("virtual", a), ("real", b)) for view in tally.VIEWS}}
        for a, b in differ
    ]  # fmt: skip
    return out


def _unlike(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for rank, row in enumerate(sorted(rows, key=lambda row: float(row["p"]))):
        if row["p"] * (len(rows) - rank) >= UNLIKELY:
            break
        found.append(dict(row))
    return found


def _says(view: View) -> list[str | None]:
    return [view.verdict, view.technique, view.signature]
