"""HTTP/1 heads as they stand at the beginning of a stream.

Alone responsible for recognising a plaintext request or answer and for reading what names a site (Host, target) or a block page (status,
Location, body). RFC 9112, read tolerantly: evasion and injection both write HTTP that no library would.

Rules of this file: never raises; raw bytes are kept raw (`printable_name` shows them); header names compare case-insensitively with the
spaces around them removed; duplicates and order are kept; a bare LF ends a line; empty lines before the request line are skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dpiprobe.tls.hello import printable_name

MAX_HEAD = 65_536  # a head longer than this is read up to here; unverified, common servers stop at 8 to 64 kB
BODY_PREFIX = 4096  # bytes of the body that are kept; unverified, block pages name themselves early

METHODS = frozenset(b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split())  # RFC 9110 section 9.3, RFC 5789

_REQUEST = re.compile(rb"\s{0,16}([!#$%&'*+.^_`|~0-9A-Za-z-]{1,24})[ \t]+([^\s]+)[ \t]*([^\r\n]*)")
_STATUS = re.compile(rb"HTTP/(\d(?:\.\d)?)[ \t]+(\d{3})(?:[ \t]+([^\r\n]*))?")
_BLANK = re.compile(rb"\r?\n\r?\n")

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request head. `hosts`: every Host value as sent; `complete`: the blank line has been seen; `end`: offset of the first byte after
    the head (of the stream's end while incomplete)."""

    method: bytes
    target: bytes
    version: bytes
    headers: Headers
    complete: bool
    end: int

    @property
    def hosts(self) -> tuple[bytes, ...]:
        """Values of all Host headers, in order."""
        return values(self.headers, b"host")

    @property
    def host(self) -> str | None:
        """The name asked for: of the first Host header, else of an absolute or CONNECT target; without port, as printable text."""
        raw = self.hosts[0] if self.hosts else _authority(self.target, self.method)
        return None if raw is None else printable_name(_without_port(raw))


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response head and the first bytes of its body (at most BODY_PREFIX, as sent: chunked and compressed stay so)."""

    status: int
    reason: bytes
    headers: Headers
    body: bytes
    complete: bool
    end: int

    @property
    def location(self) -> str | None:
        """Location header as printable text."""
        return _first(self.headers, b"location")

    @property
    def content_type(self) -> str | None:
        """Content-Type header as printable text."""
        return _first(self.headers, b"content-type")

    @property
    def server(self) -> str | None:
        """Server header as printable text."""
        return _first(self.headers, b"server")


def parse_request(stream: bytes) -> RequestHead | None:
    """The request with which a client's stream begins; None where it does not look like HTTP/1 (or too little is there to tell)."""
    match = _REQUEST.match(stream[:MAX_HEAD])
    if match is None:
        return None
    method, target, version = match.group(1), match.group(2), match.group(3).strip()
    if not version.upper().startswith(b"HTTP/") and method.upper() not in METHODS:
        return None
    line_end = stream.find(b"\n", match.end(), MAX_HEAD)
    headers, end, complete = _headers(stream, line_end)
    return RequestHead(method, target, version, headers, complete, end)


def parse_response(stream: bytes) -> ResponseHead | None:
    """The answer with which a server's stream begins; None where it is not HTTP/1."""
    match = _STATUS.match(stream[:MAX_HEAD])
    if match is None:
        return None
    line_end = stream.find(b"\n", match.end(), MAX_HEAD)
    headers, end, complete = _headers(stream, line_end)
    body = stream[end : end + BODY_PREFIX] if complete else b""
    return ResponseHead(int(match.group(2)), match.group(3) or b"", headers, body, complete, end)


def values(headers: Headers, name: bytes) -> tuple[bytes, ...]:
    """Every value of a header, in order; `name` in lower case."""
    return tuple([value for key, value in headers if key.lower() == name])


def _headers(stream: bytes, line_end: int) -> tuple[Headers, int, bool]:
    """Headers after the first line's LF at `line_end` (-1: not there yet), where the head ends, whether it does."""
    if line_end < 0:
        return (), len(stream), False
    blank = _BLANK.search(stream, line_end - 1 if stream[line_end - 1 : line_end] == b"\r" else line_end, MAX_HEAD)
    end = blank.end() if blank else len(stream)
    block = stream[line_end + 1 : blank.start() if blank else min(end, MAX_HEAD)]
    headers: list[tuple[bytes, bytes]] = []
    for line in block.split(b"\n"):
        if line[:1] in (b" ", b"\t") and headers:  # obs-fold, RFC 9112 section 5.2
            headers[-1] = (headers[-1][0], (headers[-1][1] + b" " + line.strip()).strip())
            continue
        key, colon, value = line.partition(b":")
        if colon:
            headers.append((key.strip(), value.strip()))
    return tuple(headers), end, blank is not None


def _authority(target: bytes, method: bytes) -> bytes | None:
    if method.upper() == b"CONNECT":
        return target
    scheme, found, rest = target.partition(b"://")
    if not found or not scheme.isalpha():
        return None
    return re.split(rb"[/?#]", rest, maxsplit=1)[0].rpartition(b"@")[2]


def _without_port(raw: bytes) -> bytes:
    if raw.startswith(b"["):  # IPv6 literal
        return raw[1 : raw.find(b"]")] if b"]" in raw else raw
    name, colon, port = raw.rpartition(b":")
    return name if colon and port.isdigit() and b":" not in name else raw


def _first(headers: Headers, name: bytes) -> str | None:
    found = values(headers, name)
    return printable_name(found[0]) if found else None
