"""Four downloads by two names from one server: with one name a policer drops what exceeds its rate, holes are filled late."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape, application_data


def make(folder: Path) -> None:
    tape = Tape(seed="policed")
    for name, begin, pause in (
        ("allowed.example", 0, 20), ("blocked.example", 2000, 400), ("allowed.example", 30_000, 20), ("blocked.example", 32_000, 400),
        ("allowed.example", 60_000, 20), ("blocked.example", 62_000, 400), ("allowed.example", 90_000, 20), ("blocked.example", 92_000, 400),
    ):
        talk = tape.connection(name=name, begin=begin).handshake().hello().acknowledge().answer(3000).request()
        for step in range(30):
            data = application_data(f"{begin}/{step}", 1300)
            if pause > 100 and step % 5 == 2:
                talk.loses(data).says(data, after=pause, acknowledged=False).fills()
            else:
                talk.says(data, after=pause)
        talk.close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
