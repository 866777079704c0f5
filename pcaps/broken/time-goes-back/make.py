"""Packets stand in order, their times do not: after the hello the clock is two seconds behind."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.told import Begin, tell


def unsorted(tape: Tape) -> None:
    tape.ordered = lambda: [(tape.start + t, p, out) for t, _, p, out in tape.frames]  # type: ignore[method-assign]


def story(begin: Begin) -> None:
    talk = begin().handshake().hello()
    talk.wait(-2000)
    talk.acknowledge().answer(700).close()


def make(folder: Path) -> None:
    tell(folder, "time-goes-back", story, v6=False, spoil=unsorted)


if __name__ == "__main__":
    make(Path(__file__).parent)
