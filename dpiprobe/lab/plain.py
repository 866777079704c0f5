"""A condition as plain data and back, for the way over the lab's control socket.

Rules of this file: nothing but numbers, text and lists; what comes back equals what went in.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from dpiprobe.lab.conditions import Condition
from dpiprobe.lab.weather import Burst


def to_plain(condition: Condition) -> dict[str, Any]:
    """The condition as JSON knows it."""
    return asdict(condition)


def from_plain(data: dict[str, Any]) -> Condition:
    """The condition that `to_plain` was given."""
    values = {field.name: data[field.name] for field in fields(Condition)}
    for name in ("near", "far"):
        values[name] = tuple(values[name])
    for name in ("bursts", "outage"):
        values[name] = None if values[name] is None else Burst(**values[name])
    return Condition(**values)
