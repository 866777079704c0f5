"""A reset+ack comes 3 ms after the SYN where the server is 50 ms away; the SYN/ACK follows and the client's kernel resets it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-beside-syn-ack")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).syn()
    talk.forged("RA", after=3, ttl=60, ipid=0x7777, seq=0, believed=True).wait(47)
    talk._send(talk.them, "SA", ack=talk.us.next, options=talk._syn_options(talk.them), ipid=0)
    talk.client_reset()
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
