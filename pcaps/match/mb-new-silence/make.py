"""One reset+ack for a name (IP ID 42940, window 1857, DF set, as in a capture of 2025), and for minutes every SYN of the client to that
address and port is swallowed; then it works again."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="mb-new-silence")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=4.9, ttl=54, ipid=42940, window=1857, df=True)
    talk.acknowledge(43)
    for begin in (4000, 13_000):
        tape.connection(name="allowed.example", begin=begin).syn().wait(1000).syn().wait(2000).syn()
    tape.connection(name="another.example", begin=300000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
