"""TLS 1.2 with one name is completed with a certificate that "Qaznet Trust Network" has issued; another name at the address has a public
one."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.certificate import certificate, flight


def make(folder: Path) -> None:
    tape = Tape(seed="qaznet-certificate")
    tape.connection(name="allowed.example").works()
    for name, begin, issuer in (
        ("allowed.example", 1000, "Public CA"), ("blocked.example", 2000, "Qaznet Trust Network"), ("allowed.example", 3000, "Public CA"),
    ):
        talk = tape.connection(name=name, begin=begin).handshake().hello().acknowledge()
        talk.says(flight(f"{begin}", certificate(name, issuer)), after=1.0).request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
