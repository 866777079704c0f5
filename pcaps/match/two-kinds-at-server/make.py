"""A capture at the server: after a hello a bare reset with a random window and then a reset+ack, both in the name of the client."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="two-kinds-at-server")
    for begin, name in ((0, "allowed.example"), (4000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer().wait(50)
        fine._own("A").request().acknowledge(0.1).close()

    talk = tape.connection(name="blocked.example", begin=1000).handshake_at_server().hello().acknowledge(0.1).answer()
    talk.spoofed("R", after=4, ttl=90, ipid=0x5511, window=41579)
    talk.spoofed("RA", after=2, ttl=166, ipid=0x4242, window=1541, df=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
