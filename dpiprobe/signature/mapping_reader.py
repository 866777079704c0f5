"""Reading one mapping of plain data key by key, and noting everything that is wrong with it: what the `emulate:` block is read with.

Rules of this file: no value raises; after a problem every method returns a usable default, so that all problems are found at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
"""Where (keys and indices from the top) and what."""

TIME_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
RATE_UNITS = {"B/s": 1, "kB/s": 1_000, "MB/s": 1_000_000, "bit/s": 1 / 8, "kbit/s": 125, "Mbit/s": 125_000}


@dataclass(frozen=True, slots=True)
class Draw:
    """A whole number drawn evenly from low..high, both included; fixed where they are equal. Drawn once a reaction, or for `each` packet anew."""

    low: int
    high: int
    each: bool = False


class MappingReader:
    """Walks one mapping, key by key, and notes what is wrong; every method returns a usable default after a problem."""

    def __init__(self, node: object, path: Path, problems: list[Problem], what: str) -> None:
        self.path, self.problems = path, problems
        self.node: dict[object, object] = {}
        if isinstance(node, Mapping):
            self.node = dict(node)
        else:
            problems.append((path, f"{what} must be a mapping, not {show(node)}"))
        self.known: list[str] = []

    def problem(self, key: str, message: str) -> None:
        self.problems.append(((*self.path, key), message))

    def take(self, key: str) -> object:
        """The raw value, None where absent."""
        self.known.append(key)
        return self.node.get(key)

    def choice(self, key: str, words: tuple[str, ...], default: str) -> str:
        value = self.take(key)
        if key not in self.node:
            return default
        if isinstance(value, str) and value in words:
            return value
        self.problem(key, f"{show(value)} is none of: {', '.join(words)}")
        return default

    def number(self, key: str, low: int, high: int, default: int) -> int:
        value = self.take(key)
        if key not in self.node:
            return default
        return self.bounded(key, value, low, high, default)

    def bounded(self, key: str, value: object, low: int, high: int, default: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.problem(key, f"{show(value)} is not a whole number from {low} to {high}")
        return default

    def duration(self, key: str, default: int) -> int:
        value = self.take(key)
        if key not in self.node:
            return default
        return self.nanoseconds(key, value, default)

    def nanoseconds(self, key: str, value: object, default: int) -> int:
        found = duration_ns(value)
        if found is None:
            self.problem(key, f"{show(value)} is not a time such as `2 ms`, `100 us` or `8 s`")
            return default
        return found

    def integers(self, key: str, low: int, high: int) -> tuple[int, ...] | None:
        """A list of whole numbers, None where absent or wrong."""
        value = self.take(key)
        if key not in self.node:
            return None
        if isinstance(value, list) and value and all(isinstance(v, int) and not isinstance(v, bool) and low <= v <= high for v in value):
            return tuple(cast(list[int], value))
        self.problem(key, f"{show(value)} is not a list of whole numbers from {low} to {high}")
        return None

    def words(self, key: str, allowed: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.take(key)
        if key not in self.node:
            return default
        if isinstance(value, list) and value and all(isinstance(v, str) and v in allowed for v in value):
            return tuple(cast(list[str], value))
        self.problem(key, f"{show(value)} is not a list out of: {', '.join(allowed)}")
        return default

    def draw(self, key: str, default: Draw, read: Callable[[str, object, int], int]) -> Draw:
        """A fixed value or `{random: [low, high]}`; `read` checks one end."""
        value = self.take(key)
        if key not in self.node:
            return default
        if isinstance(value, Mapping):
            ends = value.get("random")
            if set(value) != {"random"} or not isinstance(ends, list) or len(ends) != 2:
                self.problem(key, f"{show(value)} is not `{{random: [low, high]}}`")
                return default
            low, high = (read(key, end, default.low) for end in ends)
            if low > high:
                self.problem(key, f"{show(value)} has its ends the wrong way round")
                return default
            return Draw(low, high)
        fixed = read(key, value, default.low)
        return Draw(fixed, fixed)

    def finish(self) -> None:
        for key in self.node:
            if key not in self.known:
                self.problems.append(((*self.path, key if isinstance(key, str | int) else str(key)), _unknown(key, self.known)))


def duration_ns(value: object) -> int | None:
    """`2 ms`, `100 us`, `8 s` or a bare 0 as nanoseconds; None where it is no time."""
    if value == 0 and not isinstance(value, bool):
        return 0
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?) ?(ns|us|ms|s)", value) if isinstance(value, str) else None
    return round(float(found[1]) * TIME_UNITS[found[2]]) if found else None


def rate_bytes(value: object) -> float | None:
    """`8 kB/s`, `64 kbit/s` as bytes per second, more than 0; None where it is no rate."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?) ?([kM]?(?:B|bit)/s)", value) if isinstance(value, str) else None
    if not found or float(found[1]) <= 0:
        return None
    return float(found[1]) * RATE_UNITS[found[2]]


def show(value: object) -> str:
    """A value as it stands in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown(key: object, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(str(key), known, 1)
    return f"unknown key {show(key)}" + (f", did you mean `{close[0]}`?" if close else f"; known are: {', '.join(known)}")
