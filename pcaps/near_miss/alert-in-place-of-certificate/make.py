"""handshake_failure, 7 bytes, then FIN, one round trip after the hello, in a connection that never agreed on timestamps."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import server_close
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().says(bytes.fromhex("15030300020228"))
    server_close(talk)


def make(folder: Path) -> None:
    tell(folder, "alert-in-place-of-certificate", story, timestamps=False)


if __name__ == "__main__":
    make(Path(__file__).parent)
