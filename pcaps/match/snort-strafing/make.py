"""Five early resets within a millisecond at five sequence numbers, with the TTL of the server's own packets."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="snort-strafing")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    for step in (0, 700, 100, 1400, 300):
        talk.forged("RA", after=2 if step == 0 else 0.1, ttl=talk.them.ttl, ipid=0x2000 + step, seq=talk.them.next + step, believed=True)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
