"""A router on the way wants smaller packets (code 4, RFC 1191); the client sends again, and it works."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="fragmentation-needed")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="small.example", begin=1000).handshake().hello()
    talk.icmp(3, 4, after=5, source="192.0.2.254", ttl=63)
    talk.hello_again(1).acknowledge().answer().request().response().close()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
