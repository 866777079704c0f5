"""A hello with the draft extension encrypted_server_name is answered like any other."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="esni-works")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="hidden.example", begin=1000).handshake().hello(nameless=True, extension=(0xFFCE, bytes(64)))
    talk.acknowledge().answer().request().response().close()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
