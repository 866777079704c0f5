"""A server answers and aborts; its own reset overtakes the answer on the way, so that data arrives after the reset. By its sequence number
the reset stands behind that data."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape, server_flight


def make(folder: Path) -> None:
    tape = Tape(seed="data-overtaken-by-reset")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="aborts.example", begin=1000).handshake().hello().acknowledge()
    talk.loses(server_flight("late", 900)).server_reset(1.0).fills(20)
    tape.connection(name="another.example", begin=3000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
