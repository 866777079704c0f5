"""Keep-alive probes with one byte of garbage, as some stacks send them (RFC 9293 section 3.8.4)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="keep-alive-probe")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="idle.example", begin=1000).handshake().hello().acknowledge().answer().request().response()
    for _ in range(2):
        talk.wait(15_000).server_keep_alive(b"\x00")
    talk.close()
    tape.connection(name="another.example", begin=60000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
