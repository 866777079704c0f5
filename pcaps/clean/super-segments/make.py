"""GSO and GRO: the recorder shows one frame of 1800 bytes of hello and frames of 2896 bytes of answer, larger than any MTU (seen in the
captures of EchCensorshipResults)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.payload import application_data, server_flight
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello(extension=(0x0015, bytes(1300))).acknowledge()
    for part in range(2):
        talk.says(application_data(f"part {part}", 2896) if part else server_flight("super", 2896), after=1.0)
    talk.close()


def make(folder: Path) -> None:
    tell(folder, "super-segments", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
