"""Both ends: the client itself aborts after its hello; its own capture holds the reset that the server gets."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Connection, Tape


def begun(tape: Tape, at_server: bool, **settings: object) -> Connection:
    """A connection up to its hello, as one end sees it."""
    talk = tape.connection(**settings)
    return (talk.handshake_at_server() if at_server else talk.handshake()).hello()


def make(folder: Path) -> None:
    for file, at_server in (("test.pcap", False), ("server.pcap", True)):
        tape = Tape(seed="client-reset-both-ends")
        trip = 0.1 if at_server else 50  # from what the client sends to what the server sends upon it, where the capture is
        for begin, name in ((0, "allowed.example"), (30_000, "another.example")):
            begun(tape, at_server, name=name, begin=begin).acknowledge(trip).answer().wait(50).close()
        talk = begun(tape, at_server, name="blocked.example", begin=1000)
        talk._own("RA")
        talk.gone = True
        talk.acknowledge(trip)
        tape.write(folder / file)


if __name__ == "__main__":
    make(Path(__file__).parent)
