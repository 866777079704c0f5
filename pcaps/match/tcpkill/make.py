"""tcpkill -3: three resets at the expected sequence number, one and three windows ahead (dsniff's tcpkill.c)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="tcpkill")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    base = talk.them.next
    for rung in (0, 1, 3):
        talk.forged("R", after=5 if not rung else 0.01, ttl=61, ipid=0x4100 + rung, seq=base + rung * 502, believed=True)
    talk.acknowledge(45).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
