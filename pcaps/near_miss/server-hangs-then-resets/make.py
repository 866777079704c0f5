"""The hello is acknowledged; nothing comes for fifteen seconds; the client closes and gets the bare reset of a missing socket."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    no_socket(begin().handshake().hello().acknowledge().wait(15000).client_fin(), 50)


def make(folder: Path) -> None:
    tell(folder, "server-hangs-then-resets", story, lasts=24_000)


if __name__ == "__main__":
    make(Path(__file__).parent)
