"""The server cannot decrypt ECH and completes with its public name; the client alerts (ech_required), closes and comes again with the key it
was given (RFC 9849 section 6.1.6)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.payload import application_data
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    first = begin().handshake().hello(extension=(0xFE0D, bytes(64))).acknowledge().answer(700)
    first._own("PA", application_data("alert", 24)).close()
    begin(begin=1000).handshake().hello(extension=(0xFE0D, bytes(range(64)))).acknowledge().answer(700).close()


def make(folder: Path) -> None:
    tell(folder, "ech-retry", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
