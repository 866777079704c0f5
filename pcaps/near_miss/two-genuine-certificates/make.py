"""One service, two certificates: a large site answers from servers with certificates of two authorities."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.certificate import certificate, flight


def make(folder: Path) -> None:
    tape = Tape(seed="two-genuine-certificates")
    for name, begin, issuer in (
        ("large.example", 0, "Public CA"), ("large.example", 1000, "Other CA"), ("large.example", 2000, "Public CA"),
    ):
        talk = tape.connection(name=name, begin=begin).handshake().hello().acknowledge()
        talk.says(flight(f"{begin}", certificate(name, issuer)), after=1.0).request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
