"""SYN/ACK and acknowledgement come from a front 10 ms away, answers of names it knows from machines two round trips behind; a name it does not
know is closed."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import server_close
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    for i, name in enumerate(("allowed.example", "odd.example", "another.example")):
        talk = begin(name, begin=1500 * i, rtt=10).handshake().hello().acknowledge()
        if name == "odd.example":
            server_close(talk)
        else:
            talk.answer(700, after=95).close()


def make(folder: Path) -> None:
    tell(folder, "sni-front-closes", story, controls=False)


if __name__ == "__main__":
    make(Path(__file__).parent)
