"""The plain-English values of signatures: `2 to 4`, `at most 10 ms`, `not 0`, `[54, 187, 188]`, and what they ask of a column.

Rules of this file:
- A value is read once, typed by its feature, into a `Test` of plain data; a test then judges whole numpy columns.
- Numbers, durations, ratios, choices and flags all become a union of closed intervals, negated or not: one way to judge them all.
- Lists mean any of. A bare value means exactly that value. Durations and rates carry their unit; a number without one is refused.
- A test says nothing about rows whose value is unknown; the caller has the mask.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.vocabulary import Feature

Interval = tuple[float | int | None, float | int | None]
Bools = npt.NDArray[np.bool_]

DURATION_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000, "h": 3_600_000_000_000}
SIZE_UNITS = {"B": 1, "byte": 1, "bytes": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}  # SI, as in IEC 80000-13
RATE_UNITS = {"B/s": 1, "kB/s": 1_000, "MB/s": 1_000_000, "bit/s": 0.125, "kbit/s": 125, "Mbit/s": 125_000}

_QUANTITY = re.compile(r"([-+]?(?:0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?))\s*([A-Za-zµ]+(?:/s)?)?")
_RANGE = re.compile(r"(.+?)\s+to\s+(.+)")


class ValueProblem(ValueError):
    """A value that its feature cannot have; the text says what it may be."""


@dataclass(frozen=True, slots=True)
class Test:
    """What a value asks of a column.

    how: `in` a number lies in one of the intervals (both ends included, None is open) · `bytes` the payload is one of the patterns ·
    `text` the payload holds one of the patterns · negated: the opposite · said: the value as it was written, for people
    """

    how: Literal["in", "bytes", "text"]
    intervals: tuple[Interval, ...] = ()
    patterns: tuple[bytes, ...] = ()
    negated: bool = False
    said: str = ""

    __test__ = False  # not a pytest class

    def mask(self, data: npt.NDArray[Any]) -> Bools:
        """Which entries of a column pass. Entries that are unknown give anything; mask them."""
        if self.how == "in":
            result = self._within(data)
        elif self.how == "bytes":
            result = np.fromiter((entry in self.patterns for entry in data), np.bool_, len(data))
        else:
            result = np.zeros(len(data), np.bool_)
            for pattern in self.patterns:
                result |= np.fromiter([pattern in (entry or b"") for entry in data], np.bool_, len(data))
        return ~result if self.negated else result

    def _within(self, data: npt.NDArray[Any]) -> Bools:
        result: Bools | None = None
        for low, high in self.intervals:
            if low is not None and low == high:
                part = data == low
            elif low is None:
                part = np.ones(len(data), np.bool_) if high is None else data <= high
            else:
                part = data >= low
                if high is not None:
                    part = part & (data <= high)
            result = part if result is None else result | part
        return result if result is not None else np.zeros(len(data), np.bool_)

    def accepts(self, value: float | int | bytes | None) -> bool:
        """One value alone (None passes nothing)."""
        if value is None:
            return False
        if self.how != "in":
            data: npt.NDArray[Any] = np.empty(1, object)
            data[0] = value
        else:
            data = np.array([value])
        return bool(self.mask(data)[0])

    def size(self) -> float:
        """How many integers pass; infinite where an end is open or the test is negated. Tells narrow values from wide ones."""
        if self.negated or self.how != "in":
            return math.inf if self.negated else len(self.patterns)
        total = 0.0
        for low, high in self.intervals:
            total += math.inf if low is None or high is None else high - low + 1
        return total

    def plain(self) -> list[Any]:
        """As JSON data; `restore` turns it back."""
        return [self.how, [list(i) for i in self.intervals], [p.hex() for p in self.patterns], self.negated, self.said]


def restore(plain: list[Any]) -> Test:
    """The test that `Test.plain` wrote."""
    how, intervals, patterns, negated, said = plain
    return Test(how, tuple((low, high) for low, high in intervals), tuple(bytes.fromhex(p) for p in patterns), negated, said)


def number_test(node: Any, meaning: str = "a number") -> Test:
    """A test on plain integers that belong to no feature (`count`, `seq_offsets`)."""
    return read_value(node, Feature("", "number", meaning))


def duration_test(node: Any) -> Test:
    """A test on durations that belong to no feature (`span`)."""
    return read_value(node, Feature("", "duration", "a duration"))


def read_duration(node: Any) -> int:
    """One duration in nanoseconds, as in `within: 10 s`."""
    value = _quantity(node, Feature("", "duration", ""))
    if value <= 0:
        raise ValueProblem(f"{node!r} is not a time that can pass")
    return int(value)


def read_value(node: Any, feature: Feature) -> Test:
    """The test that a value of this feature asks for.

    Raises ValueProblem, whose text says what the feature may have.
    """
    said = _said(node)
    items = node if isinstance(node, list) else [node]
    if not items:
        raise ValueProblem("an empty list passes nothing; name a value")
    if feature.kind in ("bytes", "text"):
        return _pattern_test(items, feature, said)
    intervals: list[Interval] = []
    negated = False
    for item in items:
        if isinstance(item, dict | list) or item is None:
            raise ValueProblem(f"{feature.name or 'this'} takes {_may_be(feature)}, not a {'mapping' if isinstance(item, dict) else 'list'}")
        text = item.strip() if isinstance(item, str) else item
        if isinstance(text, str) and text.startswith("not "):
            if len(items) > 1:
                raise ValueProblem(f"{text!r} inside a list; a list means any of, so write `not` alone")
            negated, text = True, text[4:].strip()
        intervals.append(_interval(text, feature))
    return Test("in", tuple(intervals), (), negated, said)


def _said(node: Any) -> str:
    if isinstance(node, list):
        return " or ".join(_said(n) for n in node)
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node)


def _may_be(feature: Feature) -> str:
    return {
        "number": "a number such as 3, `2 to 4`, `at least 2`, `not 0` or a list",
        "duration": "a duration with its unit, such as `at most 10 ms` or `2 s to 5 s`",
        "ratio": "a number such as 0.5, `at most 0.5` or `at least 10 kB/s`" if feature.unit == "bytes/s" else "a number such as `at most 0.5`",
        "choice": "one of " + ", ".join(feature.choices),
        "flag": "true or false",
        "bytes": "bytes in hex such as `01 02 0a`",
        "text": "a text that the payload holds",
    }[feature.kind]


def _pattern_test(items: list[Any], feature: Feature, said: str) -> Test:
    patterns: list[bytes] = []
    negated = False
    for item in items:
        if not isinstance(item, str):
            raise ValueProblem(f"{feature.name} takes {_may_be(feature)}; quote {item!r}")
        text = item
        if text.startswith("not ") and len(items) == 1:
            negated, text = True, text[4:]
        if feature.kind == "text":
            patterns.append(text.encode())
            continue
        try:
            patterns.append(bytes.fromhex(text))
        except ValueError:
            raise ValueProblem(f"{text!r} is not hex; {feature.name} takes {_may_be(feature)}") from None
    if not all(patterns):
        raise ValueProblem(f"{feature.name}: an empty value is in every payload; name one")
    return Test("bytes" if feature.kind == "bytes" else "text", (), tuple(patterns), negated, said)


def _interval(item: Any, feature: Feature) -> Interval:
    if feature.kind == "flag":
        if not isinstance(item, bool):
            raise ValueProblem(f"{feature.name} takes true or false, not {item!r}")
        return (int(item), int(item))
    if feature.kind == "choice":
        if item not in feature.choices:
            raise ValueProblem(f"{feature.name} cannot be {item!r}{suggestion(str(item), feature.choices)}")
        index = feature.choices.index(item)
        return (index, index)
    if isinstance(item, bool):
        raise ValueProblem(f"{feature.name or 'this'} takes {_may_be(feature)}, not {'true' if item else 'false'}")
    if isinstance(item, str):
        for words, low_end, strict in (("at least ", True, False), ("at most ", False, False), ("more than ", True, True), ("less than ", False, True)):
            if item.startswith(words):
                edge = _quantity(item[len(words) :], feature)
                if strict:
                    edge = _next(edge, feature, up=low_end)
                return (edge, None) if low_end else (None, edge)
        if item.startswith("exactly "):
            item = item[len("exactly ") :]
        elif (match := _RANGE.fullmatch(item)) is not None:
            return _range(match.group(1), match.group(2), feature)
    value = _quantity(item, feature)
    return (value, value)


def _range(first: str, second: str, feature: Feature) -> Interval:
    if feature.kind == "duration" and (unit := _QUANTITY.fullmatch(second.strip())) and first.strip().replace(".", "", 1).isdigit():
        first = f"{first} {unit.group(2) or ''}"  # `3 to 17 ms`
    low, high = _quantity(first, feature), _quantity(second, feature)
    if low > high:
        raise ValueProblem(f"`{first} to {second}` runs backwards; the smaller comes first")
    return (low, high)


def _next(edge: float | int, feature: Feature, up: bool) -> float | int:
    if feature.kind == "ratio":
        return math.nextafter(edge, math.inf if up else -math.inf)
    return edge + (1 if up else -1)


LARGEST = 1 << 63
"""Columns are int64."""


def _quantity(item: Any, feature: Feature) -> float | int:
    match = _QUANTITY.fullmatch(item.strip()) if isinstance(item, str) else None
    if match is None and isinstance(item, str):
        raise ValueProblem(f"cannot read {item!r}; {feature.name or 'it'} takes {_may_be(feature)}")
    number: float | int
    if match is not None:
        text, unit = match.group(1), match.group(2)
        number = float(text) if "." in text else int(text, 0) if "0x" in text else int(text)
    else:
        number, unit = item, None
    units: dict[str, Any] = {}
    if feature.kind == "duration":
        units = DURATION_UNITS
        if unit is None:
            raise ValueProblem(f"{item!r} has no unit; write it like `{item} ms`")
    elif feature.unit == "bytes/s":
        units = RATE_UNITS
        if unit is None:
            raise ValueProblem(f"{item!r} has no unit; write it like `{item} kB/s`")
    elif feature.unit == "bytes":
        units = SIZE_UNITS
    if unit is not None:
        if unit not in units:
            known = f"; units are {', '.join(units)}" if units else "; it has no unit"
            raise ValueProblem(f"{unit!r} is no unit of {feature.name or 'this'}{known}")
        number = number * units[unit]
    if not abs(number) < LARGEST:  # infinite and not-a-number too
        raise ValueProblem(f"{str(item)[:40]!r} is beyond what any packet holds; the largest number is 2^63 - 1")
    if feature.kind == "ratio":
        return float(number)
    if number != int(number):
        raise ValueProblem(f"{item!r} is not a whole number of {feature.unit or 'units'}")
    return int(number)


def suggestion(word: str, words: Any) -> str:
    """`, did you mean X?` where one of `words` is near, else the words themselves where they are few."""
    near = get_close_matches(word, list(words), n=1, cutoff=0.6)
    if near:
        return f", did you mean {near[0]}?"
    return f"; it may be {', '.join(words)}" if len(words) <= 8 else ""
