"""One recorded client: its hello and what is known of the program that sent it.

Alone responsible for the shape of `data/<client>.json`.

Rules of this file: pure; a file that does not fit is an InputError that says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpiprobe.errors import InputError
from dpiprobe.tls.hello import ClientHello, parse, parse_message

ORDER = "extension order"
KINDS = ("browser", "tool", "library", "mimicry")


@dataclass(frozen=True, slots=True)
class Client:
    """A program as it was recorded.

    hello: the template · stream: its bytes on the wire; of a QUIC client the handshake message · datagrams: its first UDP payloads, () over TCP
    program, version, library, library_version: what sent it (None where the library has no version of its own) · settings: how it was set
    kind: browser, tool, library, or mimicry: what its authors believe `imitates` to send · transport: tcp or quic
    os, date, command, install, record: where, when and how, how to install the program, how to record again · server_name: asked for then
    varies: parts that differed between recordings (random, session id, key shares, GREASE, extension order, ECH, ...)
    pads: whether it pads hellos of 256 to 511 bytes up to 512; None where no recording could show it
    other_names: for two other names, the length of the message that it sent, without the body of an ECH extension
    ja3, ja4: as this package computed them at the recording
    """

    name: str
    program: str
    version: str
    library: str
    library_version: str | None
    kind: str
    imitates: str | None
    transport: str
    os: str
    date: str
    settings: str
    server_name: str
    command: tuple[str, ...]
    install: str
    record: str
    recordings: int
    varies: tuple[str, ...]
    pads: bool | None
    other_names: Mapping[str, int]
    ja3: str
    ja4: str
    stream: bytes
    datagrams: tuple[bytes, ...]
    hello: ClientHello


def read_client(text: str) -> Client:
    """The client that a data file describes. InputError where it does not."""
    try:
        table: dict[str, Any] = json.loads(text)
        stream = bytes.fromhex("".join(table.pop("hello")))
        datagrams = tuple(bytes.fromhex("".join(lines)) for lines in table.pop("datagrams", ()))
        hello = parse_message(stream) if table["transport"] == "quic" else parse(stream)
        if hello is None or not hello.complete or hello.stopped_at:
            raise ValueError("its hello is no whole ClientHello")
        command, varies = tuple(table.pop("command")), tuple(table.pop("varies"))
        return Client(**table, command=command, varies=varies, stream=stream, datagrams=datagrams, hello=hello)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"a recorded client cannot be read ({error}); record it again with 'make hellos'") from None
