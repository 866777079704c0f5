"""PSH+ACK to RST+ACK; RST+ACK: two within a millisecond with one acknowledgement number and IP IDs of their own."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="resets-alike-at-server")
    for begin, name in ((0, "allowed.example"), (6000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer(700).wait(50)
        fine._own("A").request().acknowledge(0.1).close()
    talk = tape.connection(name="blocked.example", begin=1000).handshake_at_server().hello().acknowledge(0.1).answer(700)
    talk.spoofed("RA", after=6, ttl=90, ipid=0x5511, window=500).spoofed("RA", after=0.5, ttl=90, ipid=0x6622, window=500)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
