"""A crowded server: the handshake completes, the server has no room for the connection, repeats its SYN/ACK and acknowledges no data for
seconds."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="accept-queue-overflow")
    tape.connection(name="allowed.example").works()

    talk = tape.connection(name="crowded.example", begin=1000).handshake().hello()
    for pause in (900, 1900, 3900):
        talk.wait(pause)
        talk._send(talk.them, "SA", ack=talk._hello_seq, options=talk._syn_options(talk.them), ipid=0, seq=talk.them.next - 1)
        talk.hello_again(100)
    tape.connection(name="another.example", begin=20_000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
