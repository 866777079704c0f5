"""How long to wait before the next trial: the rate, and punishment that is left over from an earlier one.

Pure. What may be believed of the application's view here is only how long to wait; nothing of it reaches a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpiprobe.plan.plan import Pace, Role


@dataclass(frozen=True, slots=True)
class Past:
    """A trial that was run: its role, and whether the server answered it as TLS."""

    role: Role
    worked: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds to wait, and why, in words for the person who waits (empty: the usual gap)."""

    seconds: float
    why: str = ""


def spare_is_wanted(past: Sequence[Past]) -> bool:
    """Whether a spare control is to be run: the one before it failed after a test, and controls have worked before."""
    return _punished(past) is not None


def wait_after(past: Sequence[Past], pace: Pace, since_start: float) -> Wait:
    """The wait before the next trial. past: all trials so far, in order · since_start: seconds since the last one began.

    The usual gap holds from start to start. A control that fails after a test, where it has worked before, may be punished for that
    test's name: then the punishment is waited out, at most `pace.recover` times in a row."""
    gap = Wait(max(0.0, pace.gap - since_start))
    failed_in_a_row = _punished(past)
    if failed_in_a_row is None or failed_in_a_row > pace.recover or pace.residual <= 0:
        return gap
    return Wait(max(gap.seconds, pace.residual), "the control failed after a test: waiting out a punishment that may be left over from it")


def _punished(past: Sequence[Past]) -> int | None:
    """How many controls failed in a row up to now, where the first of them came after a test that came after a working control; else None."""
    controlling: Role = "control" if any(trial.role == "control" for trial in past) else "random-control"
    if not past or past[-1].role != controlling or past[-1].worked:
        return None
    controls = [(i, trial.worked) for i, trial in enumerate(past) if trial.role == controlling]
    worked = [i for i, fine in controls if fine]
    if not worked or not any(trial.role == "test" for trial in past[worked[-1] :]):
        return None
    return sum(1 for i, _ in controls if i > worked[-1])
