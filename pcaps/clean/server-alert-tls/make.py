"""Servers refuse: an unknown name, a protocol version, a hello they cannot read; each with alert and close, and all their own marks."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-alert-tls")
    tape.connection(name="allowed.example").works()

    for i, description in enumerate(("70", "46", "32")):
        talk = tape.connection(name=f"refused{i}.example", begin=1000 + 1000 * i).handshake().hello().acknowledge()
        talk.says(bytes.fromhex("150303000202" + description), after=0.5, flags="FPA").client_fin()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
