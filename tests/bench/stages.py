"""Where the time of one capture goes, room by room: `python -m tests.bench.stages FILE` prints seconds as JSON.

Rules of this file: every function and class of another room that `explain` and the evaluation of a part import is wrapped by a clock; time within a
function of a further room counts for that room alone. So the list follows the program, whatever its stages are called. One process does it all.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

ROOMS = ("capture", "flow", "observe", "signature", "plan", "verdict", "report")
LINE = "dpiprobe.explain"
PARTS = ("dpiprobe.partition.evaluate", "dpiprobe.partition.large", "dpiprobe.partition.reading")


class Clock:
    """Seconds by room, each counted once: what runs inside is taken off what called it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack: list[list[Any]] = []

    def wrap(self, room: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **keywords: Any) -> Any:
            with_inside = [room, 0.0]
            self._stack.append(with_inside)
            began = time.perf_counter()
            try:
                return function(*args, **keywords)
            finally:
                spent = time.perf_counter() - began
                self._stack.pop()
                self.seconds[room] += spent - with_inside[1]
                if self._stack:
                    self._stack[-1][1] += spent

        return timed


def rooms(clock: Clock, module: Any) -> None:
    """Wrap what a module took from the rooms: functions, and the public methods of classes."""
    for name, value in list(vars(module).items()):
        room = getattr(value, "__module__", "").split(".")[1:2]
        if not room or room[0] not in ROOMS or not callable(value) or hasattr(value, "__wrapped__"):
            continue
        if not isinstance(value, type):
            setattr(module, name, clock.wrap(room[0], value))
            continue
        for method, function in list(vars(value).items()):
            if callable(function) and not method.startswith("_") and not isinstance(function, type) and not hasattr(function, "__wrapped__"):
                setattr(value, method, clock.wrap(room[0], function))


def main(path: str) -> None:
    """Explain one large capture in this one process, its records written to nowhere, and say what each room took."""
    began = time.perf_counter()
    clock = Clock()
    line, evaluate, large, reading = map(importlib.import_module, (LINE, *PARTS))
    from dpiprobe.signature.database import load

    database = load()
    loops = large.compiled_loops()
    clock.seconds["start, signatures, loops"] = time.perf_counter() - began
    large.read_parts = clock.wrap("reading, flow table", large.read_parts)
    reading.Parts.take = clock.wrap("parts taken up, flow", reading.Parts.take)
    for module in (line, evaluate):
        rooms(clock, module)
    explanation = large.explain_large(path, database=database, loops=loops)
    lines = iter(explanation.lines())
    print_line = clock.wrap("names, lines in order", lambda: next(lines, b""))
    while print_line():
        pass
    total = time.perf_counter() - began
    clock.seconds["the rest"] = total - sum(clock.seconds.values())
    json.dump({"seconds": dict(clock.seconds), "total": total, "packets": explanation.capture.frames}, sys.stdout)
    explanation.close()


if __name__ == "__main__":
    main(sys.argv[1])
