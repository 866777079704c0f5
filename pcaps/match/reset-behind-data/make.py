"""An injector beside the path read the numbers before the server answered; its reset+ack arrives after 700 bytes of answer and stands at their
beginning."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-behind-data")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.acknowledge()
    at = talk.them.next
    talk.answer(700).forged("RA", after=2, ttl=60, ipid=0x7777, seq=at, believed=False).request().response().close()
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
