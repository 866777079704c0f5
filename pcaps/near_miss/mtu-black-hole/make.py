"""A path that loses large packets: of a hello in two segments the large first one never arrives, the small second one is acknowledged
selectively at best. Small hellos work."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="mtu-black-hole")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="long.example", begin=1000).handshake().hello(extension=(0x0015, bytes(1100)), segment=1400)
    talk.hello_again(400, 800, 1600, 3200, 6400, first=True)
    tape.connection(name="another.example", begin=20000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
