"""HelloRetryRequest (RFC 8446 section 4.1.4): the server wants another key share, the client says its hello again; both names are in the
clear."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import hello_retry_request
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().says(hello_retry_request())
    talk._own("PA", talk._hello).acknowledge().answer(700).request().response().close()


def make(folder: Path) -> None:
    tell(folder, "hello-retry-request", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
