"""iptables REJECT --reject-with tcp-reset in the path: a bare reset with ID 0, window 0, DF set, and the hello never reaches the server
(Linux net/ipv4/netfilter/nf_reject_ipv4.c)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="netfilter-reject")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=2.2, ttl=63, ipid=0, df=True)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
