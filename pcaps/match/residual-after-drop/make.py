"""A hello is swallowed, and then for half a minute every SYN of the client to that address and port; names before and after work."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="residual-after-drop")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.hello_again(300, 600, 1200, 2400, 4800)
    for begin in (12_000, 20_000):
        tape.connection(name="allowed.example", begin=begin).syn().wait(1000).syn().wait(2000).syn()
    tape.connection(name="another.example", begin=60000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
