"""No hello was sent; the client closed; a bare reset of the server comes one round trip later."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    no_socket(begin().handshake().wait(3).client_fin(), 50)


def make(folder: Path) -> None:
    tell(folder, "happy-eyeballs-late-reset", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
