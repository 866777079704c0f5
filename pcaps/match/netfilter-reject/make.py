"""iptables REJECT --reject-with tcp-reset in the path: a bare reset with ID 0, window 0, DF set, and the hello never reaches the server
(Linux net/ipv4/netfilter/nf_reject_ipv4.c)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="netfilter-reject")
    tape.connection(name="allowed.example").works()
    for begin, after in ((1000, 2.2), (2000, 2.4), (3000, 2.1)):
        tape.connection(name="blocked.example", begin=begin).handshake().hello().forged("R", after=after, ttl=63, ipid=0, df=True)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
