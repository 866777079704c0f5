"""A user closes the tab: the client ends the connection right after its hello, by a close and a reset."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="client-gives-up")
    tape.connection(name="allowed.example").works()

    talk = tape.connection(name="closed-tab.example", begin=1000).handshake().hello()
    talk.client_fin().client_reset(1)
    tape.connection(name="another.example", begin=3000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
