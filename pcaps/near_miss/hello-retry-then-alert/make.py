"""HelloRetryRequest, second hello, alert unrecognized_name."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import hello_retry_request, server_close
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().says(hello_retry_request())
    talk._own("PA", talk._hello).says(bytes.fromhex("15030300020270"))
    server_close(talk)


def make(folder: Path) -> None:
    tell(folder, "hello-retry-then-alert", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
