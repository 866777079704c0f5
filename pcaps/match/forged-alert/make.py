"""A fatal alert in the server's name, without options, early, and nothing of the server afterwards."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="forged-alert")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("PA", after=2.4, ttl=60, ipid=0x3AA1, window=8192, payload=bytes.fromhex("15030100020270"))
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
