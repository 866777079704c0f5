"""What a box looks for in a client's first bytes: the server name of a ClientHello, the Host of an HTTP request.

Rules of this file: bytes in, answer out; a box reads as little as real ones do (one ClientHello in handshake records, no decryption, no QUIC).
`More` says that the bytes so far may still become one, `Nothing` that they cannot.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from enum import Enum

from dpiprobe.signature.emulation import Trigger


class Verdict(Enum):
    """Not a name, and why."""

    MORE = "more"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Found:
    """A trigger that is whole: its name (None where it has none), its length in the client's stream, and what a hello looks like."""

    kind: str
    name: str | None
    length: int
    records: int = 1
    extensions: frozenset[int] = frozenset()


def look(data: bytes, kind: str) -> Found | Verdict:
    """What the client's first bytes hold; `kind` is `client_hello` or `http_request`."""
    return _hello(data) if kind == "client_hello" else _request(data)


def _hello(data: bytes) -> Found | Verdict:
    """RFC 8446 sections 4.1.2 and 5.1; the message may lie in several records."""
    message, at, records = b"", 0, 1
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
            name, kinds = _extensions(body)
            return Found("client_hello", name, end, records, kinds) if end <= len(data) else Verdict.MORE
        if len(data) < at + 5 + size:
            return Verdict.MORE
        at += 5 + size
        records += 1


def look_alone(data: bytes, kind: str) -> Found | Verdict:
    """What one segment holds by itself, as a box without reassembly reads it: the name must be whole in it, the rest may be missing."""
    found = look(data, kind)
    if isinstance(found, Found) or kind != "client_hello" or data[:2] != b"\x16\x03" or data[5:6] != b"\x01":
        return found if isinstance(found, Found) else Verdict.NOTHING
    name, kinds = _extensions(data[9:])
    return Found("client_hello", name, len(data), 1, kinds) if kinds else Verdict.NOTHING


def wanted(found: Found, trigger: Trigger, names: frozenset[str]) -> bool:
    """Does a hello or request meet the rule: its name by the name rule, its extensions, its records."""
    if trigger.extension is not None and trigger.extension not in found.extensions:
        return False
    if trigger.reassembly != "full" and found.records > 1:
        return False
    return listed(found.name, names, trigger.names)


def _extensions(body: bytes) -> tuple[str | None, frozenset[int]]:
    """The server name (RFC 6066 section 3) and the types of the extensions that are whole; a cut or broken hello gives what lies before the cut."""
    name: str | None = None
    kinds: set[int] = set()
    with contextlib.suppress(IndexError, struct.error):
        at = 34
        at += 1 + body[at]
        at += 2 + struct.unpack_from("!H", body, at)[0]
        at += 1 + body[at]
        end = at + 2 + struct.unpack_from("!H", body, at)[0]
        at += 2
        while at + 4 <= end:
            kind, size = struct.unpack_from("!HH", body, at)
            if at + 4 + size > len(body):
                break
            kinds.add(kind)
            if kind == 0:
                length = struct.unpack_from("!H", body, at + 7)[0]
                name = body[at + 9 : at + 9 + length].decode("ascii", "replace").lower()
            at += 4 + size
    return name, frozenset(kinds)


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


def listed(name: str | None, names: frozenset[str], rule: str = "suffix") -> bool:
    """Is the name on the list: `exact`, `suffix` (itself or below one that is), `substring` (an entry stands anywhere in it); `any` takes all, also none."""
    if rule == "any":
        return True
    if name is None:
        return False
    if rule == "substring":
        return any(entry in name for entry in names)
    return name in names or (rule == "suffix" and any(name.endswith("." + entry) for entry in names))
