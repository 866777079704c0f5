"""Four connections work, then every SYN is refused, whatever name was meant, and after ten seconds all works again."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import refuse
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    begin().handshake().hello().acknowledge().answer(700).close()
    for i, name in enumerate(("odd.example", "allowed.example", "odd.example")):
        refuse(begin(name, begin=1000 + 500 * i).syn(), 50)


def make(folder: Path) -> None:
    tell(folder, "rate-limit-of-the-prober", story, lasts=14_000)


if __name__ == "__main__":
    make(Path(__file__).parent)
