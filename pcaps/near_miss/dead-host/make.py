"""The last router cannot find the host: host unreachable, after its ARP failed for three seconds."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="dead-host")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="none.example", server="203.0.113.77", begin=1000).syn().wait(1000).syn().wait(2000)
    talk.icmp(3, 1, after=100, source="203.0.113.1", ttl=53)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
