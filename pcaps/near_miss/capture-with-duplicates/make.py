"""A server aborts one connection (reset+ack with timestamps, its running IP ID, its own TTL), seen through a mirror port that shows every
packet three times: three identical reset+acks, and nobody to blame."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="mirrored-server-reset")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    tape.connection(name="unknown.example", begin=1000).handshake().hello().server_reset()
    tape.write(folder / "test.pcap", copies=3)


if __name__ == "__main__":
    make(Path(__file__).parent)
