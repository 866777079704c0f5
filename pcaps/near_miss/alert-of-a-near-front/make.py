"""An anycast front whose SYN path is slower than its data path: Cloudflare's alert handshake_failure came 17 ms after the hello where the
handshake had taken 50 ms."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import server_close
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().says(bytes.fromhex("15030100020228"), after=17)
    server_close(talk)


def make(folder: Path) -> None:
    tell(folder, "alert-of-a-near-front", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
