"""A server closes on a name it does not know: FIN with timestamps and its running IP ID, one round trip after the hello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-closes-on-name")
    tape.connection(name="allowed.example").works()
    tape.connection(name="unknown.example", begin=1000).handshake().hello().acknowledge().server_fin(1.2)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
