"""The client closes first; the server, with data unread, answers with a reset."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-after-our-close")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="allowed.example", begin=1000).handshake().hello().acknowledge().answer().request().wait(1)
    talk.client_fin().server_reset()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
