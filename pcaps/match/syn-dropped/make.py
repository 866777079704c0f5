"""One client gets no answer to its SYNs for half a minute, while another network reaches the same address and port before, meanwhile and
after; later the first one does as well. Where the SYNs stay cannot be said from this end."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="syn-dropped")
    tape.connection(name="allowed.example").works()
    tape.connection(name="allowed.example", client="192.0.2.77", client_port=50001, begin=500).works()
    talk = tape.connection(name="blocked.example", begin=1000)
    talk.syn().wait(1000).syn().wait(2000).syn()
    tape.connection(name="allowed.example", client="192.0.2.77", client_port=50002, begin=3000).works()
    tape.connection(name="another.example", begin=60_000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
