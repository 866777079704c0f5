"""Three SYNs and no answer."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="syn-dropped")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server="203.0.113.9", begin=1000)
    talk.syn().wait(1000).syn().wait(2000).syn()
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
