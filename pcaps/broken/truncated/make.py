"""A capture whose recorder died: it ends inside a packet, just after a hello. Absence proves nothing in it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="truncated")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    tape.connection(name="cut.example", begin=1000).handshake().hello().hello_again(200, 420)
    file = folder / "test.pcap"
    tape.write(file)
    file.write_bytes(file.read_bytes()[:-100])


if __name__ == "__main__":
    make(Path(__file__).parent)
