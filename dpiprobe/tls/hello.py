"""The ClientHello: parse and build, byte exact.

Alone responsible for the structure of RFC 8446 section 4.1.2 (unchanged in form since SSL 3.0) and for reading its extensions.

Rules of this file:
- Network bytes never raise. A malformed hello is kept as far as it goes: `problems` says what is wrong, `stopped_at` where reading
  stopped, `tail` holds the bytes from there on.
- `build(parse(b)) == b` for every stream that starts with a ClientHello, up to the end of the record that completes it; malformed and
  cut ones included. Lengths are computed, except those that the sender got wrong (`declared_length`, `declared_extensions`).
- What the length fields cannot hold is the caller's error (UsageError), in `build` alone.
- Order and duplicates of extensions are kept. An accessor reads the first extension of its type, as servers do.
- A name is shown as text only where it is text: see `printable_name`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from struct import Struct, error, unpack_from
from typing import NamedTuple

from dpiprobe.errors import UsageError
from dpiprobe.tls.record import CLIENT_HELLO, MAX_FRAGMENT, Complete, Invalid, NeedMore, Record, read_client_hello

# IANA TLS ExtensionType values
SERVER_NAME, STATUS_REQUEST, SUPPORTED_GROUPS, EC_POINT_FORMATS, SIGNATURE_ALGORITHMS, ALPN = 0, 5, 10, 11, 13, 16
PADDING, ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET, SESSION_TICKET = 21, 22, 23, 35
PRE_SHARED_KEY, EARLY_DATA, SUPPORTED_VERSIONS, COOKIE, PSK_KEY_EXCHANGE_MODES, KEY_SHARE = 41, 42, 43, 44, 45, 51
QUIC_TRANSPORT_PARAMETERS, ENCRYPTED_CLIENT_HELLO, ESNI, RENEGOTIATION_INFO = 57, 0xFE0D, 0xFFCE, 0xFF01  # ESNI: draft-ietf-tls-esni-00..06

HOST_NAME = 0  # RFC 6066 section 3, the only NameType ever defined

_TWO = Struct(">HH").unpack_from
_MAKE = tuple.__new__  # a NamedTuple without the detour over its __new__, which is half the cost of an extension
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")

# Where reading can stop, in order; "": it did not
STAGES = ("header", "version", "random", "session_id", "ciphers", "compression", "extensions", "")


class Extension(NamedTuple):
    """One extension as it stands on the wire: type number and raw body."""

    type: int
    data: bytes


class ServerName(NamedTuple):
    """One entry of the server_name list: its type (0 = host_name) and raw bytes."""

    type: int
    name: bytes


class KeyShare(NamedTuple):
    """One key share: named group and key exchange bytes (RFC 8446 section 4.2.8)."""

    group: int
    key: bytes


@dataclass(frozen=True, slots=True)
class ClientHello:
    """One ClientHello and how it was framed.

    `extensions` None: the hello has no extension block at all (legal before TLS 1.3). `records`: headers of the records that carried it,
    () for a bare message (QUIC). `prefix`: bytes of records before it; `extra`: bytes behind it in its last record.
    `complete`: every byte the sender declared is there. `end`: offset after the record that completes it (declared, where bytes are missing).
    """

    legacy_version: int = 0x0303
    random: bytes = bytes(32)
    session_id: bytes = b""
    ciphers: tuple[int, ...] = ()
    compression: bytes = b"\0"
    extensions: tuple[Extension, ...] | None = ()
    tail: bytes = b""
    stopped_at: str = ""
    declared_length: int | None = None
    declared_extensions: int | None = None
    records: tuple[Record, ...] = ()
    prefix: bytes = b""
    extra: bytes = b""
    complete: bool = True
    end: int = field(default=0, compare=False)
    problems: tuple[str, ...] = field(default=(), compare=False)

    # ---- what is asked most

    def extension(self, number: int) -> bytes | None:
        """Body of the first extension of this type, or None."""
        for kind, data in self.extensions or ():
            if kind == number:
                return data
        return None

    @property
    def record_version(self) -> int | None:
        """Version in the first record header; None for a bare message."""
        return self.records[0].version if self.records else None

    @property
    def server_names(self) -> tuple[ServerName, ...]:
        """All entries of the server_name extension, whatever their type; as many as can be read."""
        data = self.extension(SERVER_NAME)
        return () if data is None else read_server_names(data)

    @property
    def server_name(self) -> str | None:
        """The first host_name entry as printable text; None without one. An empty name is ''."""
        for kind, name in self.server_names:
            if kind == HOST_NAME:
                return printable_name(name)
        return None

    @property
    def alpn(self) -> tuple[bytes, ...]:
        """Protocol names offered (RFC 7301), in order, raw; `printable_name` shows them."""
        data = self.extension(ALPN)
        return () if data is None else _vector8(data, 2)

    @property
    def supported_versions(self) -> tuple[int, ...]:
        """RFC 8446 section 4.2.1, in order, GREASE included."""
        data = self.extension(SUPPORTED_VERSIONS)
        return _numbers(data[1 : 1 + data[0]]) if data else ()

    @property
    def groups(self) -> tuple[int, ...]:
        """supported_groups (RFC 8446 section 4.2.7)."""
        return _numbers_after_length(self.extension(SUPPORTED_GROUPS))

    @property
    def signature_algorithms(self) -> tuple[int, ...]:
        """signature_algorithms (RFC 8446 section 4.2.3)."""
        return _numbers_after_length(self.extension(SIGNATURE_ALGORITHMS))

    @property
    def point_formats(self) -> tuple[int, ...]:
        """ec_point_formats (RFC 8422 section 5.1.2)."""
        data = self.extension(EC_POINT_FORMATS)
        return tuple(data[1 : 1 + data[0]]) if data else ()

    @property
    def key_shares(self) -> tuple[KeyShare, ...]:
        """Key shares that can be read whole (RFC 8446 section 4.2.8)."""
        data = self.extension(KEY_SHARE)
        shares: list[KeyShare] = []
        offset = 2
        while data is not None and offset + 4 <= len(data):
            group, length = unpack_from(">HH", data, offset)
            if offset + 4 + length > len(data):
                break
            shares.append(KeyShare(group, data[offset + 4 : offset + 4 + length]))
            offset += 4 + length
        return tuple(shares)

    @property
    def ech(self) -> str | None:
        """'ech' (0xfe0d: real or GREASE, which cannot be told apart from outside), 'esni' (0xffce, drafts up to 6), or None."""
        for kind, _ in self.extensions or ():
            if kind == ENCRYPTED_CLIENT_HELLO:
                return "ech"
            if kind == ESNI:
                return "esni"
        return None

    @property
    def padding(self) -> int | None:
        """Bytes in the padding extension (RFC 7685), or None."""
        data = self.extension(PADDING)
        return None if data is None else len(data)


def parse(stream: bytes) -> ClientHello | None:
    """The ClientHello with which this client-to-server byte stream begins; None where it does not begin with one."""
    answer = read_client_hello(stream)
    message = answer.message
    if not message or message[0] != CLIENT_HELLO:
        return None
    if isinstance(answer, Complete):
        return _parse(message, answer.records, stream[: answer.start], answer.extra, True, answer.end, ())
    problems = (answer.reason,) if isinstance(answer, Invalid) else ()
    end, extra = (answer.end, answer.extra) if isinstance(answer, NeedMore) else (answer.offset, b"")
    return _parse(message, answer.records, stream[: answer.start], extra, False, end, problems)


def parse_message(message: bytes) -> ClientHello | None:
    """A bare ClientHello handshake message (from type byte on), as QUIC carries it; None where it is something else."""
    if len(message) < 4 or message[0] != CLIENT_HELLO:
        return None
    size = 4 + int.from_bytes(message[1:4], "big")
    return _parse(message[:size], (), b"", message[size:], len(message) >= size, size, ())


def _parse(
    message: bytes, records: tuple[Record, ...], prefix: bytes, extra: bytes, complete: bool, end: int, problems: tuple[str, ...]
) -> ClientHello:
    size = len(message)
    found: list[str] = list(problems)
    declared = None
    version, random, session_id, compression = 0, b"", b"", b""
    ciphers: tuple[int, ...] = ()
    extensions: tuple[Extension, ...] | None = None
    declared_extensions = None
    offset = 4
    if size >= 4 and 4 + (message[1] << 16 | message[2] << 8 | message[3]) != size:
        declared = message[1] << 16 | message[2] << 8 | message[3]
        if not complete:
            found.append(f"{4 + declared - size} bytes are missing")
    while True:  # a block left by `break`, so that each stage can stop reading
        if size < 4:
            stage, offset = "header", 0
            break
        stage = "version"
        if size < 6:
            break
        version, offset = message[4] << 8 | message[5], 6
        stage = "random"
        if size < 38:
            break
        random, offset = message[6:38], 38
        stage = "session_id"
        if size < 39 or size < 39 + message[38]:
            break
        offset = 39 + message[38]
        session_id = message[39:offset]
        if len(session_id) > 32:
            found.append("session id longer than 32 bytes")
        stage = "ciphers"
        if size < offset + 2:
            break
        length = message[offset] << 8 | message[offset + 1]
        if length & 1 or size < offset + 2 + length:
            break
        ciphers = unpack_from(f">{length >> 1}H", message, offset + 2)
        offset += 2 + length
        stage = "compression"
        if size < offset + 1 or size < offset + 1 + message[offset]:
            break
        compression = message[offset + 1 : offset + 1 + message[offset]]
        offset += 1 + len(compression)
        stage = "" if complete else "extensions"
        if size == offset:
            break
        stage = "extensions"
        if size < offset + 2:
            break
        length = message[offset] << 8 | message[offset + 1]
        offset += 2
        if length != size - offset:
            declared_extensions = length
            if complete:
                found.append("the extension block is not as long as it declares")
        limit = min(size, offset + length)
        read: list[Extension] = []
        while offset + 4 <= limit:
            kind, length = _TWO(message, offset)
            step = offset + 4 + length
            if step > limit:
                break
            read.append(_MAKE(Extension, (kind, message[offset + 4 : step])))
            offset = step
        extensions = tuple(read)
        if offset == size:
            stage = "" if complete else "extensions"
        break
    if stage and complete:
        found.append(f"malformed at {stage}")
    return ClientHello(
        version, random, session_id, ciphers, compression, extensions, message[offset:], stage,
        declared, declared_extensions, records, prefix, extra, complete, end, tuple(found),
    )  # fmt: skip


def build_message(hello: ClientHello) -> bytes:
    """The handshake message, from its type byte on, without records. UsageError where a value does not fit into its field."""
    try:
        return _build_message(hello)
    except (OverflowError, ValueError, error):
        raise UsageError("a value does not fit into its field of the ClientHello; lists and extensions hold at most 65,535 bytes") from None


def _build_message(hello: ClientHello) -> bytes:
    order = STAGES.index(hello.stopped_at)
    if order == 0:
        return hello.tail
    body = bytearray()
    if order > 1:
        body += hello.legacy_version.to_bytes(2, "big")
    if order > 2:
        body += hello.random
    if order > 3:
        body += bytes((len(hello.session_id),)) + hello.session_id
    if order > 4:
        body += (2 * len(hello.ciphers)).to_bytes(2, "big") + b"".join([c.to_bytes(2, "big") for c in hello.ciphers])
    if order > 5:
        body += bytes((len(hello.compression),)) + hello.compression
    if hello.extensions is not None:
        block = b"".join([k.to_bytes(2, "big") + len(d).to_bytes(2, "big") + d for k, d in hello.extensions])
        length = len(block) + len(hello.tail) if hello.declared_extensions is None else hello.declared_extensions
        body += length.to_bytes(2, "big") + block
    body += hello.tail
    declared = len(body) if hello.declared_length is None else hello.declared_length
    return bytes((CLIENT_HELLO,)) + declared.to_bytes(3, "big") + bytes(body)


def build(hello: ClientHello) -> bytes:
    """The bytes on the wire: prefix, then the message in the records it names.

    What a message grew by goes into the last record (and further ones, where that would exceed the limit); what it shrank by is taken
    from the last records, and no empty record is sent."""
    message = build_message(hello) + hello.extra
    if not hello.records:
        return hello.prefix + message
    out = bytearray(hello.prefix)
    offset = 0
    last = len(hello.records) - 1
    for i, record in enumerate(hello.records):
        head = bytes((record.type, record.version >> 8, record.version & 255))
        if not hello.complete:
            out += head + record.length.to_bytes(2, "big") + message[offset : offset + record.length]
            offset += record.length
            continue
        longest = max(record.length, MAX_FRAGMENT) if i == last else record.length
        while offset < len(message):
            piece = message[offset : offset + longest]
            out += head + len(piece).to_bytes(2, "big") + piece
            offset += len(piece)
            if i != last:
                break
    return bytes(out)


def with_extension(hello: ClientHello, number: int, data: bytes) -> ClientHello:
    """The same hello with the body of the first extension of this type replaced, or the extension appended."""
    extensions = list(hello.extensions or ())
    for i, (kind, _) in enumerate(extensions):
        if kind == number:
            extensions[i] = Extension(number, data)
            break
    else:
        extensions.append(Extension(number, data))
    return replace(hello, extensions=tuple(extensions))


def read_server_names(data: bytes) -> tuple[ServerName, ...]:
    """Entries of a server_name extension body (RFC 6066 section 3) that begin inside the list (of a list of length 0: inside the body, for what a
    lenient filter might read); a cut or overrunning entry ends it."""
    names: list[ServerName] = []
    offset, declared = 2, int.from_bytes(data[:2], "big")
    while offset + 3 <= len(data) and (offset < 2 + declared or not declared):
        length = data[offset + 1] << 8 | data[offset + 2]
        if offset + 3 + length > len(data):
            break
        names.append(ServerName(data[offset], data[offset + 3 : offset + 3 + length]))
        offset += 3 + length
    return tuple(names)


def printable_name(raw: bytes) -> str:
    """Text that is safe in terminals, CSV and JSON, and unambiguous: UTF-8 is shown as it is; bytes that are not UTF-8, control, format
    (bidirectional, zero-width), unassigned and separator characters, and the backslash itself, as \\xHH of each byte."""
    if b"\\" in raw:
        raw = raw.replace(b"\\", b"\\x5c")
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else "".join([f"\\x{b:02x}" for b in c.encode()]) for c in text])


def raw_name(text: str) -> bytes:
    """The bytes that `printable_name` shows as `text`: its inverse. Plain text is UTF-8 (so for real names: ASCII)."""
    raw = text.encode("utf-8", "surrogatepass")
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw) if b"\\" in raw else raw


def _vector8(data: bytes, offset: int) -> tuple[bytes, ...]:
    items: list[bytes] = []
    while offset < len(data):
        end = offset + 1 + data[offset]
        if end > len(data):
            break
        items.append(data[offset + 1 : end])
        offset = end
    return tuple(items)


def _numbers(data: bytes) -> tuple[int, ...]:
    return unpack_from(f">{len(data) >> 1}H", data)


def _numbers_after_length(data: bytes | None) -> tuple[int, ...]:
    if data is None or len(data) < 2:
        return ()
    return _numbers(data[2 : 2 + (data[0] << 8 | data[1])])
