"""A Windows server's reset: reset+ack, window 0, DF set, its own running IP ID, no timestamps negotiated."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="windows-reset")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="unknown.example", server="198.51.100.30", timestamps=False, hops=-52, begin=1000).handshake().hello()
    talk.server_reset()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
