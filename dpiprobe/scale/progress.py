"""How far a long run is, and how long it still takes, in words.

Rules of this file: it is told the time, it does not ask for it; what it cannot know yet it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SURE = 3.0
PART = 0.02
"""Seconds of work, and part of the whole, before the rest is guessed (our own)."""


@dataclass(slots=True)
class Progress:
    """Captures and bytes of a run. `total`, `total_bytes`: all of them · `began`: seconds on the caller's clock."""

    total: int
    total_bytes: int
    began: float
    done: int = 0
    done_bytes: int = 0

    def step(self, sizes: Iterable[int]) -> None:
        """Captures of these sizes are done."""
        for size in sizes:
            self.done += 1
            self.done_bytes += size

    def left(self, now: float) -> float | None:
        """Seconds still to come, None where nothing is known: by bytes, or by captures where sizes are not known."""
        spent = now - self.began
        part = self.done_bytes / self.total_bytes if self.total_bytes else self.done / max(self.total, 1)
        return spent / part - spent if part >= PART and spent >= SURE else None

    def text(self, now: float) -> str:
        """`1,200 of 2,000 captures, 60 % of the bytes, about 12 s left`."""
        parts = [f"{self.done:,} of {self.total:,} captures"]
        if self.total_bytes:
            parts.append(f"{100 * self.done_bytes // self.total_bytes} % of the bytes")
        left = self.left(now)
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """`8 s`, `3 min`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
