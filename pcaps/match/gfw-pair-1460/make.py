"""The kind called SEQ 1460 of the Great Firewall in 2009 (Weaver et al.): always 1460, whatever segment size was agreed on."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-pair-1460")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("R", after=6, ttl=47, ipid=0x1111).forged("R", after=0.05, ttl=47, ipid=0x1112, seq=talk.them.next + 1460)
    talk.acknowledge(43).answer(700)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
