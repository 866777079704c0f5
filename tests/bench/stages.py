"""Where the time of one capture goes, room by room: `python -m tests.bench.stages FILE` prints seconds as JSON.

Rules of this file: every function and class of another room that `explain` and its callees import is wrapped by a clock; time within a
function of a further room counts for that room alone. So the list follows the program, whatever its stages are called.
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


def main(path: str) -> None:
    """Explain one capture, its records written to nowhere, and say what each room took."""
    began = time.perf_counter()
    clock = Clock()
    line = importlib.import_module(LINE)
    from dpiprobe.capture.read import read_capture
    from dpiprobe.report.jsonl import line as to_json
    from dpiprobe.signature.database import load

    database = load()
    clock.seconds["start, signatures"] = time.perf_counter() - began
    for name, value in list(vars(line).items()):
        room = getattr(value, "__module__", "").split(".")[1:2]
        if room and room[0] in ROOMS and callable(value):
            if isinstance(value, type):
                for method, function in list(vars(value).items()):
                    if callable(function) and not method.startswith("_") and not isinstance(function, type):
                        setattr(value, method, clock.wrap(room[0], function))
            else:
                setattr(line, name, clock.wrap(room[0], value))
    capture = clock.wrap("capture, wire", read_capture)(path)
    explanation = line.explain(capture, database=database)
    records = iter(explanation.records)
    build = clock.wrap("verdict", lambda: next(records, None))
    print_line = clock.wrap("report", lambda record: len(to_json(record)))
    while (record := build()) is not None:
        print_line(record)
    total = time.perf_counter() - began
    clock.seconds["the rest"] = total - sum(clock.seconds.values())
    json.dump({"seconds": dict(clock.seconds), "total": total, "packets": capture.frames}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
