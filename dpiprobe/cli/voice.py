"""What commands say on stderr: notes, details, and progress of whatever takes longer than a second.

Rules of this file: stdout is never touched; nothing is animated away from a terminal; `-q` silences all but errors.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

import click

PATIENCE = 1.0  # seconds of silence that a person bears (clig.dev, "print something within 100 ms to 1 s")


@dataclass(slots=True)
class Voice:
    """How loud a command is: -1 quiet, 0 usual, 1 and more verbose."""

    level: int = 0
    _started: float = field(default_factory=time.monotonic)
    _last: float = 0.0
    _drawn: bool = False

    def note(self, text: str) -> None:
        """A line that a person wants unless they asked for quiet."""
        if self.level >= 0:
            self._wipe()
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """A line for `-v`."""
        if self.level >= 1:
            self._wipe()
            click.echo(text, err=True)

    def progress(self, text: str) -> None:
        """How far the work is; shown once it has taken longer than a second, then at most four times a second (on a
        terminal, in place) or every ten seconds (elsewhere, as lines)."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if self.level < 0 or now - self._started < PATIENCE or now - self._last < (0.25 if terminal else 10.0):
            return
        self._last = now
        if terminal:
            click.echo(f"\r\x1b[2K{text}", err=True, nl=False)
            self._drawn = True
        else:
            click.echo(text, err=True)

    def done(self) -> None:
        """The work is over: the progress line goes."""
        self._wipe()

    def _wipe(self) -> None:
        if self._drawn:
            click.echo("\r\x1b[2K", err=True, nl=False)
            self._drawn = False


def voice(ctx: click.Context) -> Voice:
    """The voice that the global options `-q` and `-v` ask for."""
    level = ctx.find_root().obj
    return Voice(level if isinstance(level, int) else 0)
