"""A port on which nobody listens: the host's own reset+ack, one round trip after the SYN."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="closed-port")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="none.example", server_port=8443, begin=1000).syn()
    talk.forged("RA", after=50, ttl=talk.them.ttl, ipid=0, df=True, seq=0)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
