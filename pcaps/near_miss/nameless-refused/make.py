"""A server that has nothing to show without a name acknowledges the hello and sends the alert handshake_failure, with all its own marks."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="nameless-refused")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(begin=1000).handshake().hello(nameless=True).acknowledge()
    talk.says(bytes.fromhex("15030300020228"), after=0.5, flags="FPA").client_fin()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
