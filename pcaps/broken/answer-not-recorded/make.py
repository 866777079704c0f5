"""The server acknowledged and answered, the recorder missed both; the client's next packets acknowledge bytes that are not in the file; then
the server aborts without options."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello()
    at = len(talk.tape.frames)
    talk.acknowledge().answer(700).request()
    talk.tape.frames[at:] = [f for f in talk.tape.frames[at:] if f[3]]
    talk.forged("RA", after=1, ttl=talk.them.ttl, ipid=0x77, df=True)


def make(folder: Path) -> None:
    tell(folder, "answer-not-recorded", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
