"""The connection never agreed on timestamps; the client aborts by a reset+ack with its running IP ID and the don't-fragment bit set."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="closed-tab-at-server")
    for begin, name in ((0, "allowed.example"), (6000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer(700).wait(50)
        fine._own("A").request().acknowledge(0.1).close()
    talk = tape.connection(name="closed.example", begin=1000, timestamps=False).handshake_at_server().hello().acknowledge(0.1).answer(700).wait(80)
    talk._send(talk.us, "RA", ack=talk.them.next, window=0)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
