"""A server answers an unknown name with the alert unrecognized_name (RFC 6066 section 3), timestamps and all, and closes."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-unrecognized-name")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="unknown.example", begin=1000).handshake().hello().acknowledge()
    talk.says(bytes.fromhex("15030300020270"), after=1).server_fin(0.2)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
