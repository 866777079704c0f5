"""The hello is acknowledged, and for ten seconds nothing else comes, while other names at the address are answered."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="answer-dropped")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.acknowledge().wait(12_000)
    talk.client_reset()
    tape.connection(name="another.example", begin=15000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
