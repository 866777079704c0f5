"""The server's machine restarted in the middle of an answer: its kernel answers each ACK of ours with a bare reset where we asked, and we
asked one segment later the second time."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape, application_data


def make(folder: Path) -> None:
    tape = Tape(seed="resets-one-segment-apart")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="restarted.example", begin=1000).handshake().hello().acknowledge().answer(700)
    at = talk.them.next
    for step in (0, 1460):
        talk.says(application_data(f"part {step}", 1460), after=1)
        talk.wait(0.1)
    talk.forged("R", after=60, ttl=52, ipid=0, df=True, seq=at + 1460).forged("R", after=0.1, ttl=52, ipid=0, df=True, seq=at + 2920)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
