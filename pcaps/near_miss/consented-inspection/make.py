"""TLS 1.2: the certificates of all names, the control's included, are of the same inside authority."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.certificate import certificate, flight
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    for i, name in enumerate(("allowed.example", "odd.example", "another.example")):
        talk = begin(name, begin=1500 * i).handshake().hello().acknowledge()
        talk.says(flight(name, certificate(name, "Example Corp Inspection")), after=1.0).request().response().close()


def make(folder: Path) -> None:
    tell(folder, "consented-inspection", story, controls=False)


if __name__ == "__main__":
    make(Path(__file__).parent)
