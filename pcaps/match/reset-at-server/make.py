"""PSH+ACK to RST: no ACK flag and yet a window, 6 ms after the hello, where the client is 50 ms away and goes on."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-at-server")
    for begin, name in ((0, "allowed.example"), (6000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer(700).wait(50)
        fine._own("A").request().acknowledge(0.1).close()
    talk = tape.connection(name="blocked.example", begin=1000).handshake_at_server().hello().acknowledge(0.1).answer(700)
    talk.spoofed("R", after=6, ttl=90, ipid=0x5511, window=41579)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
