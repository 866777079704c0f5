"""tcpkill sees the hello late: the connection has worked and is closed when three resets come, in steps of the window that the hello carried."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="tcpkill-late")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    first = talk.them.next
    talk.acknowledge().answer().request().response().close().wait(200)
    for steps, ipid in ((0, 0x8AF4), (1, 0xF942), (3, 0xC4FC)):
        talk.forged("R", after=0.05, ttl=63, ipid=ipid, seq=first + 502 * steps, ack=0)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
