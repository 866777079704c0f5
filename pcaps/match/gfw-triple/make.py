"""Three identical reset+acks race the server's answer: same IP ID, same window, DF set, no options, within 0.2 ms; the server's own
acknowledgement and ServerHello come one round trip later (gfw.report and others, S&P 2025: TTL 39 to 238; window - TTL = 1375
in CenTrace's captures of 2022). Allowed names work before and after."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-triple")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=6.4, ttl=166, ipid=0x4242, window=1541, df=True, count=3, gap=0.1)
    talk.acknowledge(43.4).answer()
    tape.connection(name="other.example", begin=2000).handshake().hello().acknowledge().answer().request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
