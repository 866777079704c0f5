"""HTTP 451 (RFC 7725) of the server itself; geoblocking by the site is no interference on the way (Raman et al.)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin(server_port=80).handshake().http().acknowledge()
    talk.says(b"HTTP/1.1 451 Unavailable For Legal Reasons\r\nContent-Length: 31\r\n\r\n<html>Not in your country</html>", after=1.0).close()


def make(folder: Path) -> None:
    tell(folder, "geoblocked-451", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
