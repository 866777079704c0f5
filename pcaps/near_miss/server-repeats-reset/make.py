"""A server aborts, and its reset comes three times because late packets of the client meet a closed socket: the copies differ in IP ID."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-repeats-reset")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="unknown.example", begin=1000).handshake().hello().acknowledge()
    talk.server_reset(1).server_reset(0.2).server_reset(0.2)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
