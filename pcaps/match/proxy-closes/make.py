"""A terminating proxy on the way closes for one name; the round trips of allowed names are split, 4 ms to it and 60 ms to the server.
Whose proxy it is, this capture cannot say."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="proxy-closes")
    for begin in (0, 500, 3000, 3500):
        tape.connection(name="allowed.example", rtt=4, begin=begin).handshake().hello().acknowledge().answer(after=60).request().response().close()
    tape.connection(name="blocked.example", rtt=4, begin=1000).handshake().hello().acknowledge().server_fin(0.5)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
