"""Four downloads by two names from one server: with one name a policer drops what exceeds its rate, and the connection waits for holes to be filled."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape, application_data


def make(folder: Path) -> None:
    tape = Tape(seed="policed")
    for name, begin, late in (
        ("allowed.example", 0, 0), ("blocked.example", 2000, 1600), ("allowed.example", 30_000, 0), ("blocked.example", 32_000, 1600),
        ("allowed.example", 60_000, 0), ("blocked.example", 62_000, 1600), ("allowed.example", 90_000, 0), ("blocked.example", 92_000, 1600),
    ):
        talk = tape.connection(name=name, begin=begin).handshake().hello().acknowledge().answer(3000).request()
        for step in range(30):
            data = application_data(f"{begin}/{step}", 1300)
            if late and step % 5 == 2:
                talk.loses(data).says(data, after=20, acknowledged=False).fills(late)
            else:
                talk.says(data, after=20)
        talk.close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
