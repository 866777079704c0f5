"""Both ends: one forged reset comes to the client and one to the server, neither sent by the other."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Connection, Tape


def begun(tape: Tape, at_server: bool, **settings: object) -> Connection:
    """A connection up to its hello, as one end sees it."""
    talk = tape.connection(**settings)
    return (talk.handshake_at_server() if at_server else talk.handshake()).hello()


def make(folder: Path) -> None:
    for file, at_server in (("test.pcap", False), ("server.pcap", True)):
        tape = Tape(seed="resets-to-both-ends")
        trip = 0.1 if at_server else 50  # from what the client sends to what the server sends upon it, where the capture is
        for begin, name in ((0, "allowed.example"), (30_000, "another.example")):
            begun(tape, at_server, name=name, begin=begin).acknowledge(trip).answer().wait(50).close()
        talk = begun(tape, at_server, name="blocked.example", begin=1000)
        if at_server:
            talk.acknowledge(trip).spoofed("RA", after=2, ttl=57, ipid=0x4242)
        else:
            talk.forged("RA", after=10, ttl=58, ipid=0x4243).acknowledge(trip - 10)
        tape.write(folder / file)


if __name__ == "__main__":
    make(Path(__file__).parent)
