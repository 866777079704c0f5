"""What a box looks for in a client's first bytes: the server name of a ClientHello, the Host of an HTTP request.

Rules of this file: bytes in, answer out; a box reads as little as real ones do (one ClientHello in handshake records, no ECH, no QUIC).
`More` says that the bytes so far may still become one, `Nothing` that they cannot.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Not a name, and why."""

    MORE = "more"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Found:
    """A trigger that is whole: its name (None where it has none) and its length in the client's stream."""

    kind: str
    name: str | None
    length: int


def look(data: bytes, kind: str) -> Found | Verdict:
    """What the client's first bytes hold; `kind` is `client_hello` or `http_request`."""
    return _hello(data) if kind == "client_hello" else _request(data)


def _hello(data: bytes) -> Found | Verdict:
    """RFC 8446 sections 4.1.2 and 5.1; the message may lie in several records."""
    message, at = b"", 0
    while True:
        if data[at : at + 1] not in (b"", b"\x16"):
            return Verdict.NOTHING
        if len(data) < at + 5:
            return Verdict.MORE
        size = struct.unpack_from("!H", data, at + 3)[0]
        if data[at + 1] != 3 or not 0 < size <= 0x4000:
            return Verdict.NOTHING
        message += data[at + 5 : at + 5 + size]
        if message[:1] != b"\x01":
            return Verdict.NOTHING
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            end = at + 5 + size
            body = message[4 : 4 + int.from_bytes(message[1:4], "big")]
            return Found("client_hello", _server_name(body), end) if end <= len(data) else Verdict.MORE
        if len(data) < at + 5 + size:
            return Verdict.MORE
        at += 5 + size


def _server_name(body: bytes) -> str | None:
    """RFC 6066 section 3; None for a hello without, or with a broken, server name."""
    try:
        at = 34
        at += 1 + body[at]
        at += 2 + struct.unpack_from("!H", body, at)[0]
        at += 1 + body[at]
        end = at + 2 + struct.unpack_from("!H", body, at)[0]
        at += 2
        while at + 4 <= end:
            kind, size = struct.unpack_from("!HH", body, at)
            if kind == 0:
                length = struct.unpack_from("!H", body, at + 7)[0]
                return body[at + 9 : at + 9 + length].decode("ascii", "replace").lower()
            at += 4 + size
    except (IndexError, struct.error):
        pass
    return None


def _request(data: bytes) -> Found | Verdict:
    """RFC 9112 section 3; the whole header is awaited, as a box that matches Host must."""
    if not data[:1].isalpha() and data:
        return Verdict.NOTHING
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return Verdict.MORE if len(data) < 8192 else Verdict.NOTHING
    lines = data[:end].split(b"\r\n")
    if b" HTTP/1." not in lines[0]:
        return Verdict.NOTHING
    for line in lines[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"host":
            return Found("http_request", value.strip().decode("ascii", "replace").lower().partition(":")[0], end + 4)
    return Found("http_request", None, end + 4)


def listed(name: str | None, names: frozenset[str]) -> bool:
    """Is the name on the list, itself or below one that is."""
    return name is not None and (name in names or any(name.endswith("." + entry) for entry in names))
