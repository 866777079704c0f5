"""The server refuses the name by an alert and aborts; on the way the reset passes the alert."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().acknowledge().loses(bytes.fromhex("15030300020270"))
    talk.server_reset(0)
    talk.fills(20)


def make(folder: Path) -> None:
    tell(folder, "alert-overtaken-by-reset", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
