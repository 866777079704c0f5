"""A server that is slow for every name."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape, application_data


def make(folder: Path) -> None:
    tape = Tape(seed="slow-server-all-names")
    for index, name in enumerate(("one.example", "two.example", "one.example", "two.example", "one.example", "two.example")):
        talk = tape.connection(name=name, begin=30_000 * index).handshake().hello().acknowledge().answer(3000).request()
        for step in range(20):
            talk.says(application_data(f"{index}/{step}", 1300), after=400)
        talk.close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
