"""A terminating proxy on the way acknowledges the hello with one name and says nothing; the round trips of allowed names are split."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="proxy-swallows")
    for begin in (0, 500, 15_000, 15_500):
        tape.connection(name="allowed.example", rtt=4, begin=begin).handshake().hello().acknowledge().answer(after=60).request().response().close()
    tape.connection(name="blocked.example", rtt=4, begin=1000).handshake().hello().acknowledge().wait(10_000).client_fin()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
