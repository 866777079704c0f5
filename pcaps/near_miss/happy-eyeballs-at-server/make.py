"""SYN, SYN/ACK, ACK and a reset+ack with the connection's timestamps; no hello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="happy-eyeballs-at-server")
    for begin, name in ((0, "allowed.example"), (6000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer(700).wait(50)
        fine._own("A").request().acknowledge(0.1).close()
    talk = tape.connection(name="none.example", begin=1000).handshake_at_server().wait(5)
    talk._own("RA")
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
