"""Mutual TLS: after the client's second flight an encrypted alert and a close; the kernel resets what still comes."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.payload import application_data
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().acknowledge().answer(900).request(1200).says(application_data("alert", 24))
    talk._send(talk.them, "FA", ack=talk.us.next)
    no_socket(talk.client_fin(), 50)


def make(folder: Path) -> None:
    tell(folder, "client-certificate-refused", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
