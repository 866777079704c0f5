"""A terminating middlebox completes TLS for one name with a certificate that it issued itself; another name at the same address, and the
same name later from elsewhere, have the server's."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.certificate import certificate, flight


def make(folder: Path) -> None:
    tape = Tape(seed="forged-certificate")
    for name, begin, issuer in (
        ("allowed.example", 0, "Public CA"), ("blocked.example", 1000, "Inspection Box"), ("allowed.example", 2000, "Public CA"),
    ):
        talk = tape.connection(name=name, begin=begin).handshake().hello().acknowledge()
        talk.says(flight(f"{begin}", certificate(name, issuer)), after=1.0).request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
