"""A capture at the server: a hello, and 6 ms after it three identical reset+acks in the name of the client, which did not send them (S&P
2025: type II goes to both ends)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="triple-at-server")
    for begin, name in ((0, "allowed.example"), (4000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer().wait(50)
        fine._own("A").request().acknowledge(0.1).close()

    talk = tape.connection(name="blocked.example", begin=1000).handshake_at_server().hello().acknowledge(0.1).answer()
    talk.spoofed("RA", after=6, ttl=166, ipid=0x4242, window=1541, df=True, count=3, gap=0.1)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
