"""As a filter of 2022 counts (CenTrace, 116.223.148.197): 0x7d1c, 0x7e1c, 0x7f1c; TTL 237 where the server's packets have 52."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="resets-ipid-plus-256")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    for i in range(3):
        talk.forged("R", after=3, ttl=237, ipid=0x7D1C + 256 * i)
    talk.acknowledge(40).answer(700)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
