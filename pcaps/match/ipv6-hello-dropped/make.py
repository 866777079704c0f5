"""The end of the hello is never acknowledged in six copies, while other names are before and after."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="ipv6-hello-dropped")
    tape.connection(name="allowed.example", client="2001:db8::10", server="2001:db8:1::20").works()
    talk = tape.connection(name="blocked.example", begin=1000, client="2001:db8::10", server="2001:db8:1::20").handshake().hello()
    talk.hello_again(300, 600, 1200, 2400, 4800)
    tape.connection(name="another.example", begin=18_000, client="2001:db8::10", server="2001:db8:1::20").works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
