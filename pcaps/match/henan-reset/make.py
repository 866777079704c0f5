"""Henan's provincial firewall: one reset+ack with the payload 01 02 ... 09 00, IP ID 1, window 0 (gfw.report, S&P 2025)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="henan-reset")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=2.6, ttl=57, ipid=1, payload=bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]))
    talk.acknowledge(47).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
