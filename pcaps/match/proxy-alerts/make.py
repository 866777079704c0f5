"""A terminating proxy on the way sends an alert for one name; the round trips of allowed names are split."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="proxy-alerts")
    for begin in (0, 500, 3000, 3500):
        tape.connection(name="allowed.example", rtt=4, begin=begin).handshake().hello().acknowledge().answer(after=60).request().response().close()
    talk = tape.connection(name="blocked.example", rtt=4, begin=1000).handshake().hello().acknowledge()
    talk.says(bytes.fromhex("15030300020228"), after=0.5).server_fin(0.2)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
