"""Turkmenistan: a bare reset with IP ID 30000, window 0, DF clear, initial TTL 128 (Nourin and others, 2023)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="turkmenistan-reset")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=6.5, ttl=119, ipid=30000)
    talk.acknowledge(44).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
