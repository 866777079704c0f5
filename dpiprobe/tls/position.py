"""Symbolic positions in a client's first bytes: `midsld`, `sniext+4`, `endhost-1`, `-2`.

Alone responsible for what the marks mean, as zapret's users write them (its docs/readme, "markers"):

    method    first byte of an HTTP request's method          host     first byte of the name
    endhost   the byte after the name                         sld      first byte of the second-level label
    endsld    the byte after that label                       midsld   the middle of that label
    sniext    first byte of the server_name extension's data (a hello only)
    half      the middle of all bytes (Geneva's fragment at -1)

each with an offset, or a plain number: bytes from the start, negative from the end.

Rules of this file:
- A position is a place between two bytes. In a hello over several records a mark lies right behind the byte before it, so before the record
  header where both meet; offsets count bytes of the message, plain numbers bytes of the stream.
- A mark that the bytes do not have is the caller's error (UsageError), one sentence with what to do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import HOST_NAME, SERVER_NAME, ClientHello, parse
from dpiprobe.tls.http import parse_request
from dpiprobe.tls.record import HEADER

MARKS = ("method", "host", "endhost", "sld", "endsld", "midsld", "sniext", "half")
_POSITION = re.compile(r"(?:(?P<mark>[a-z]+)(?P<more>[+-]\d+)?|(?P<number>-?\d+))", re.ASCII)


def resolve(stream: bytes, position: str) -> int:
    """The offset in the stream that a position names. UsageError where it is none, the stream has no such mark, or it lies outside."""
    mark, more = _split(position)
    if mark == "half":
        at = len(stream) // 2 + more
    elif mark:
        at = _marked(stream, mark, more)
    else:
        at = more + (len(stream) if more < 0 else 0)
    if not 0 <= at <= len(stream):
        raise UsageError(f"position {position} lies outside these {len(stream)} bytes; choose one between 0 and {len(stream)}")
    return at


def resolve_all(stream: bytes, positions: str | Sequence[str]) -> list[int]:
    """The offsets of positions (a list, or text with commas), ascending, each once."""
    texts = positions.split(",") if isinstance(positions, str) else positions
    return sorted({resolve(stream, text) for text in texts})


def message_offset(hello: ClientHello, position: str) -> int:
    """The same as an offset in the handshake message, record headers not counted: where to cut it into records."""
    return _mark_in_message(hello, *_split(position))


def stream_offset(hello: ClientHello, index: int) -> int:
    """Where byte `index` of the handshake message stands in the stream that carries it."""
    at = len(hello.prefix)
    for record in hello.records:
        if index < record.length:
            return at + HEADER + index
        index -= record.length
        at += HEADER + record.length
    return at + index


def server_name_at(hello: ClientHello) -> int | None:
    """Offset in the message of the data of the first server_name extension; None without one."""
    at = 4 + 2 + 32 + 1 + len(hello.session_id) + 2 + 2 * len(hello.ciphers) + 1 + len(hello.compression) + 2
    for kind, data in hello.extensions or ():
        if kind == SERVER_NAME:
            return at + 4
        at += 4 + len(data)
    return None


def _split(position: str) -> tuple[str, int]:
    found = _POSITION.fullmatch(position.strip())
    if found is None or (found["mark"] and found["mark"] not in MARKS):
        raise UsageError(f"{position!r} is not a position; write a number or one of {', '.join(MARKS)}, with +N or -N behind it")
    return found["mark"] or "", int(found["more"] or found["number"] or 0)


def _marked(stream: bytes, mark: str, more: int) -> int:
    hello = parse(stream)
    if hello is None:
        request = parse_request(stream)
        if request is None:
            raise UsageError(f"these bytes are neither a ClientHello nor an HTTP request and have no {mark}; give a number of bytes instead")
        return _mark_in_request(stream, mark) + more
    index = _mark_in_message(hello, mark, more)
    return stream_offset(hello, index - 1) + 1 if index > 0 else stream_offset(hello, 0) + index


def _mark_in_message(hello: ClientHello, mark: str, more: int) -> int:
    at = server_name_at(hello)
    if mark in ("", "half"):
        size = sum(r.length for r in hello.records) - len(hello.extra)
        return size // 2 + more if mark else more + (size if more < 0 else 0)
    if mark == "method":
        raise UsageError("method is a mark of HTTP requests and this is a ClientHello; use host, sld, midsld, endsld, endhost or sniext")
    if at is None:
        raise UsageError(f"this ClientHello has no server_name extension, so no {mark}; give a number of bytes or another hello")
    if mark == "sniext":
        return at + more
    offset = at + 2
    for entry in hello.server_names:
        if entry.type == HOST_NAME:
            return offset + 3 + _mark_in_name(entry.name, mark) + more
        offset += 3 + len(entry.name)
    raise UsageError(f"this ClientHello carries no host name, so no {mark}; give a number of bytes or another hello")


def _mark_in_request(stream: bytes, mark: str) -> int:
    if mark == "method":
        return next((i for i, byte in enumerate(stream) if byte not in b"\r\n"), 0)
    header = re.search(rb"\r?\nhost:[ \t]*([^\r\n]*)", stream, re.IGNORECASE)
    if mark == "sniext" or header is None:
        raise UsageError(f"this HTTP request has no {mark}; use method, or a number of bytes")
    return header.start(1) + _mark_in_name(header[1].rstrip(), mark)


def _mark_in_name(name: bytes, mark: str) -> int:
    """Offset inside the name. The second-level label is the last but one, or the only one; a final dot is not looked at."""
    if mark == "host":
        return 0
    if mark == "endhost":
        return len(name)
    bare = name.removesuffix(b".")
    end = bare.rfind(b".")
    end = len(bare) if end < 0 else end
    start = bare.rfind(b".", 0, end) + 1
    return {"sld": start, "endsld": end, "midsld": start + (end - start) // 2}[mark]
