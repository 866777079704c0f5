"""A hello in two segments, as those with post-quantum key shares are, acknowledged one by one."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="two-segment-hello")
    tape.connection(name="allowed.example").works()

    talk = tape.connection(name="large.example", begin=1000).handshake().hello(segment=200)
    talk.acknowledge(less=len(talk._hello)).acknowledge(0.3).answer().request().response().close()
    tape.connection(name="another.example", begin=3000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
