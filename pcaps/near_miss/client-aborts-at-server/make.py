"""A capture at the server: the client aborts in the middle of the answer, and its kernel answers what still comes with a bare reset."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="client-aborts-at-server")
    for begin, name in ((0, "allowed.example"), (4000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer().wait(50)
        fine._own("A").request().acknowledge(0.1).close()

    talk = tape.connection(name="aborted.example", begin=1000).handshake_at_server().hello().acknowledge(0.1).answer().wait(50)
    talk._own("RA").spoofed("R", after=50, ttl=64, ipid=0, df=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
