"""TLS records, and handshake messages put together from them. Pure bytes in, values out.

Alone responsible for: record framing (RFC 8446 section 5.1; the same since TLS 1.0), where in a byte stream a handshake message
ends, and cutting a message into records.

Rules of this file:
- Three answers, never an exception for network bytes: `Complete`, `NeedMore`, `Invalid`.
- `end` is an offset into the stream as it was given: the first byte after the record that completes the message. Where bytes are
  missing it is what the peer itself declared so far (`exact` says whether more record headers could still move it).
- The record version is ignored, as RFC 8446 section 5.1 demands of a reader, except that a first record of an unheard-of version
  must look like a ClientHello in every other respect.
- A ClientHello may be preceded by records of other types (some evasions prepend an alert or ChangeCipherSpec) and by handshake records
  that ask for nothing: empty ones, a HelloRequest, a hello of no length. They are skipped and kept as `start`. Once a message has begun,
  another type in between is invalid (RFC 8446 section 5.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24  # IANA TLS ContentType
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11  # IANA TLS HandshakeType

HEADER = 5  # bytes of a record header
MAX_FRAGMENT = 2**14  # RFC 8446 section 5.1, plaintext
MAX_RECORD = 2**14 + 2048  # RFC 5246 section 6.2.3: the longest record that any version lets through
MAX_PREPENDED = 8  # records before the ClientHello that are skipped; unverified, a bound against nonsense
MAX_HELLO = 2**17  # longest ClientHello that OpenSSL reads: SSL3_RT_MAX_PLAIN_LENGTH * 8 rounded up; unverified


class Record(NamedTuple):
    """A record header as it stands on the wire: content type, version, declared length of the fragment."""

    type: int
    version: int
    length: int


@dataclass(frozen=True, slots=True)
class Complete:
    """A whole handshake message. `message` includes its 4-byte header; `start`, `end` are stream offsets of the records that carry it;
    `extra` are bytes of the last record behind the message."""

    message: bytes
    start: int
    end: int
    records: tuple[Record, ...]
    extra: bytes = b""
    exact: bool = True


@dataclass(frozen=True, slots=True)
class NeedMore:
    """The stream stops inside the message, or inside the record that ends it. `message` is what is there; `end` is where it ends by its own
    declaration: exact where the last record header has been seen, else the least possible offset. `extra`: bytes of the last record behind a
    message that is whole."""

    message: bytes
    start: int
    end: int
    records: tuple[Record, ...]
    exact: bool = False
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class Invalid:
    """These bytes are no such message. `offset` is where they stop to be one, `message` what was read before."""

    reason: str
    offset: int
    message: bytes = b""
    start: int = 0
    records: tuple[Record, ...] = ()


Answer = Complete | NeedMore | Invalid


def read_record(stream: bytes, offset: int = 0) -> Record | None:
    """The record header at `offset`, or None where fewer than five bytes are there or the content type is unknown."""
    if offset < 0 or offset + HEADER > len(stream) or not CHANGE_CIPHER_SPEC <= stream[offset] <= HEARTBEAT:
        return None
    return Record(stream[offset], stream[offset + 1] << 8 | stream[offset + 2], stream[offset + 3] << 8 | stream[offset + 4])


def read_handshake(stream: bytes, start: int = 0) -> Answer:
    """The handshake message that begins with the record at `start`, put together over as many records as it needs."""
    size = len(stream)
    offset, declared = start, -1
    records: list[Record] = []
    parts: list[bytes] = []
    have = 0
    while True:
        if offset + HEADER > size:
            if offset < size and stream[offset] != HANDSHAKE:
                return Invalid("not a handshake record", offset, b"".join(parts), start, tuple(records))
            rest = max(declared, 4) - have
            return NeedMore(b"".join(parts), start, offset + HEADER + max(rest, 1), tuple(records))
        kind, length = stream[offset], stream[offset + 3] << 8 | stream[offset + 4]
        if kind != HANDSHAKE:
            return Invalid("a record of another type inside the message" if parts else "not a handshake record",
                           offset, b"".join(parts), start, tuple(records))  # fmt: skip
        if length > MAX_RECORD or length == 0:  # RFC 8446 section 5.1: no zero-length fragments of handshake type
            return Invalid("empty handshake record" if length == 0 else "record longer than any version allows",
                           offset, b"".join(parts), start, tuple(records))  # fmt: skip
        records.append(Record(kind, stream[offset + 1] << 8 | stream[offset + 2], length))
        fragment = stream[offset + HEADER : offset + HEADER + length]
        parts.append(fragment)
        have += length
        if declared < 0:
            head = fragment if len(parts) == 1 else b"".join(parts)
            if len(head) >= 4:
                declared = 4 + (head[1] << 16 | head[2] << 8 | head[3])
        next_offset = offset + HEADER + length
        if next_offset > size:  # the record itself is cut
            if declared < 0 or have < declared:
                return NeedMore(b"".join(parts), start, next_offset + (HEADER + declared - have if declared > have else 0), tuple(records))
            message = b"".join(parts)
            return NeedMore(message[:declared], start, next_offset, tuple(records), exact=True, extra=message[declared:])
        if 0 <= declared <= have:
            message = parts[0] if len(parts) == 1 else b"".join(parts)
            return Complete(message[:declared], start, next_offset, tuple(records), message[declared:])
        offset = next_offset


def read_client_hello(stream: bytes) -> Answer:
    """The ClientHello with which a client's byte stream begins (records of other types before it are skipped)."""
    offset = skipped = 0
    while offset < len(stream) and (stream[offset] != HANDSHAKE or _asks_for_nothing(stream, offset)):
        record = read_record(stream, offset)
        if record is None or record.version >> 8 != 3 or record.length > MAX_RECORD or skipped == MAX_PREPENDED:
            return Invalid("not TLS", offset)
        if record.type == APPLICATION_DATA and skipped == 0:
            return Invalid("application data before any handshake: a connection seen from its middle", offset)
        skipped += 1
        offset += HEADER + record.length
    if offset > len(stream):
        return NeedMore(b"", offset, offset + HEADER + 4, ())
    answer = read_handshake(stream, offset)
    message = answer.message
    if message and message[0] != CLIENT_HELLO:
        return Invalid("a handshake message, but not a ClientHello", offset, b"", offset)
    if len(message) >= 4 and (message[1] << 16 | message[2] << 8 | message[3]) > MAX_HELLO:
        return Invalid("a ClientHello of impossible length", offset, b"", offset)
    if answer.records and answer.records[0].version >> 8 != 3 and len(message) >= 5 and message[4] != 3:
        return Invalid("neither the record nor the hello has a TLS version", offset, b"", offset)
    return answer


def _asks_for_nothing(stream: bytes, offset: int) -> bool:
    """Whether the handshake record at `offset` is empty, a HelloRequest, or a ClientHello of no length with something behind it."""
    length = stream[offset + 3 : offset + 5]
    if length == b"\0\0":
        return True
    if length != b"\0\4":
        return False
    message = stream[offset + HEADER : offset + HEADER + 4]
    return message == bytes(4) or (message == b"\1\0\0\0" and len(stream) > offset + HEADER + 4)


def to_records(message: bytes, version: int = 0x0301, sizes: Sequence[int] = ()) -> bytes:
    """Cut a handshake message into records: fragments of `sizes` bytes first, what is left in records of at most 2^14 bytes.

    0x0301 is what an initial ClientHello may carry for compatibility (RFC 8446 section 5.1)."""
    out = bytearray()
    offset = 0
    wanted = list(sizes)
    while offset < len(message):
        take = min(wanted.pop(0) if wanted else MAX_FRAGMENT, len(message) - offset)
        out += bytes((HANDSHAKE, version >> 8, version & 255)) + take.to_bytes(2, "big") + message[offset : offset + take]
        offset += take
    return bytes(out)
