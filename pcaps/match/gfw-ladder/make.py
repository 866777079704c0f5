"""Three resets at the sequence numbers expected, +1460 and +4380, as the Great Firewall sent them in 2006 (Clayton, Murdoch, Watson)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-ladder")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    base = talk.them.next
    for ahead in (0, 1460, 4380):
        talk.forged("R", after=3 if not ahead else 0.05, ttl=47, ipid=0x2F00 + ahead, seq=base + ahead, believed=True)
    talk.acknowledge(45).says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", after=1.0)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
