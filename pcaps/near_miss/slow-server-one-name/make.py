"""Four downloads by two names from one server, which itself is slow with one of them: nothing is lost, nothing waits on the way."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape, application_data


def make(folder: Path) -> None:
    tape = Tape(seed="slow-server-one-name")
    for name, begin, pause in (
        ("allowed.example", 0, 20), ("slow.example", 2000, 400), ("allowed.example", 30_000, 20), ("slow.example", 32_000, 400),
        ("allowed.example", 60_000, 20), ("slow.example", 62_000, 400), ("allowed.example", 90_000, 20), ("slow.example", 92_000, 400),
    ):
        talk = tape.connection(name=name, begin=begin).handshake().hello().acknowledge().answer(3000).request()
        for step in range(30):
            talk.says(application_data(f"{begin}/{step}", 1300), after=pause)
        talk.close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
