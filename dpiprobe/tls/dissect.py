"""A ClientHello taken apart for a reader: offset, bytes, field, value, line by line.

Alone responsible for the order and the words of that list. It decides nothing and colours nothing.

Rules of this file:
- Every byte of the stream up to the hello's end stands in exactly one line of depth 0 to 2 that has bytes; lines of a deeper level take a part of
  the line above apart. Offsets are those of the stream as it was given, record headers included.
- What is malformed is shown as far as it was read; the rest stands there as what it is: bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dpiprobe.tls import hello as h
from dpiprobe.tls.alert import read_alert
from dpiprobe.tls.hello import STAGES, ClientHello, build, build_message, printable_name, read_server_names
from dpiprobe.tls.position import stream_offset
from dpiprobe.tls.record import CLIENT_HELLO, HEADER
from dpiprobe.tls.registry import CIPHERS, EXTENSIONS, GROUPS, RECORDS, SIGNATURES, VERSIONS, named

_RECORD, _FIELD, _EXTENSION, _PART = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Line:
    """One field: where its first byte stands in the stream, its bytes, how deep it lies (0 record, 1 field, 2 extension, 3 part), name, value."""

    offset: int
    data: bytes
    depth: int
    field: str
    value: str


def dissect(hello: ClientHello) -> list[Line]:
    """The lines of a hello in the order of the stream."""
    lines = [*_prefix(hello), *_headers(hello), *_message(hello)]
    return sorted(lines, key=lambda line: line.offset)


def describe_body(kind: int, data: bytes) -> str:
    """What the body of an extension says, in one line; hex where it is not known or malformed."""
    probe = ClientHello(extensions=(h.Extension(kind, data),))
    if not data:
        return "empty"
    if kind == h.SERVER_NAME:
        entries = read_server_names(data)
        told = ", ".join([(printable_name(e.name) or '""') if e.type == h.HOST_NAME else f"type {e.type}: {printable_name(e.name)}" for e in entries])
        return told or "no entry"
    if kind == h.ALPN:
        return ", ".join([printable_name(p) for p in probe.alpn]) or "no protocol"
    if kind == h.SUPPORTED_GROUPS:
        return _list(probe.groups, GROUPS)
    if kind == h.SIGNATURE_ALGORITHMS:
        return _list(probe.signature_algorithms, SIGNATURES)
    if kind == h.SUPPORTED_VERSIONS:
        return _list(probe.supported_versions, VERSIONS)
    if kind == h.KEY_SHARE:
        return ", ".join([f"{named(s.group, GROUPS)} ({len(s.key)} bytes)" for s in probe.key_shares]) or "no share"
    if kind == h.PADDING:
        return f"{len(data)} zero bytes" if not any(data) else f"{len(data)} bytes, not all zero"
    if kind == h.PSK_KEY_EXCHANGE_MODES:
        return ", ".join([{0: "psk_ke", 1: "psk_dhe_ke"}.get(mode, f"mode {mode}") for mode in data[1 : 1 + data[0]]])
    if kind == h.EC_POINT_FORMATS:
        return ", ".join([{0: "uncompressed"}.get(form, str(form)) for form in probe.point_formats])
    if kind == h.ENCRYPTED_CLIENT_HELLO and len(data) >= 10 and data[0] == 0:
        enc = int.from_bytes(data[6:8], "big")
        payload = int.from_bytes(data[8 + enc : 10 + enc], "big")
        return f"outer, config {data[5]}, KDF {data[1] << 8 | data[2]}, AEAD {data[3] << 8 | data[4]}, key {enc} bytes, payload {payload} bytes"
    return f"{len(data)} bytes"


def _list(numbers: tuple[int, ...], names: Mapping[int, str]) -> str:
    return ", ".join([named(n, names) for n in numbers]) or "none"


def _prefix(hello: ClientHello) -> Iterator[Line]:
    """Records before the hello."""
    at = 0
    while at + HEADER <= len(hello.prefix):
        length = int.from_bytes(hello.prefix[at + 3 : at + 5], "big")
        data = hello.prefix[at : at + HEADER + length]
        kind, alert = data[0], read_alert(data)
        told = f"{RECORDS.get(kind, f'type {kind}')}, {_version(data[1] << 8 | data[2])}, {length} bytes"
        yield Line(at, data, _RECORD, "record before the hello", told + (f", {alert.name}" if alert else ""))
        at += HEADER + length


def _headers(hello: ClientHello) -> Iterator[Line]:
    """The headers of the records that carry the hello; one of which no byte is there is left out."""
    at = len(hello.prefix)
    stream = build(hello)
    for record in hello.records:
        told = f"{RECORDS.get(record.type, f'type {record.type}')}, {_version(record.version)}, {record.length} bytes"
        yield Line(at, stream[at : at + HEADER], _RECORD, "record", told)
        at += HEADER + record.length


def _version(number: int) -> str:
    return f"0x{number:04x} ({VERSIONS[number]})" if number in VERSIONS else f"0x{number:04x}"


def _message(hello: ClientHello) -> Iterator[Line]:
    message = build_message(hello)
    at = 0

    def line(size: int, depth: int, field: str, value: str = "") -> Line:
        nonlocal at
        made = Line(stream_offset(hello, at), message[at : at + size], depth, field, value)
        at += size
        return made

    order = STAGES.index(hello.stopped_at)
    if order > 0:
        declared = int.from_bytes(message[1:4], "big")
        wrong = "" if declared == len(message) - 4 else f" (there are {len(message) - 4})"
        yield line(1, _FIELD, "handshake type", {CLIENT_HELLO: "client_hello"}.get(message[0], str(message[0])))
        yield line(3, _FIELD, "length", f"{declared}{wrong}")
    if order > 1:
        yield line(2, _FIELD, "legacy_version", _version(hello.legacy_version))
    if order > 2:
        yield line(32, _FIELD, "random")
    if order > 3:
        yield line(1 + len(hello.session_id), _FIELD, "session_id", f"{len(hello.session_id)} bytes")
    if order > 4:
        yield line(2, _FIELD, "cipher_suites", f"{len(hello.ciphers)} suites")
        for number in hello.ciphers:
            yield line(2, _EXTENSION, "cipher", named(number, CIPHERS))
    if order > 5:
        yield line(1 + len(hello.compression), _FIELD, "compression_methods", ", ".join([{0: "null"}.get(m, str(m)) for m in hello.compression]) or "none")
    if hello.extensions is not None:
        told = int.from_bytes(message[at : at + 2], "big")
        wrong = "" if hello.declared_extensions is None else f" (there are {len(message) - at - 2})"
        yield line(2, _FIELD, "extensions", f"{len(hello.extensions)} extensions, {told} bytes{wrong}")
        for kind, data in hello.extensions:
            start = at
            known = named(kind, EXTENSIONS)
            yield line(4 + len(data), _EXTENSION, known, describe_body(kind, data) if known[:6] != "GREASE" else f"{len(data)} bytes")
            yield from _parts(hello, message, kind, data, start + 4)
    if hello.tail:
        yield line(len(hello.tail), _FIELD, "unread", f"{len(hello.tail)} bytes, reading stopped at {hello.stopped_at or 'the end'}")
    if hello.extra:
        yield Line(stream_offset(hello, len(message)), hello.extra, _FIELD, "behind the hello", f"{len(hello.extra)} bytes in its last record")


def _parts(hello: ClientHello, message: bytes, kind: int, data: bytes, at: int) -> Iterator[Line]:
    """The body of a server_name or key_share extension taken apart; `at`: where it begins in the message."""

    def line(start: int, end: int, field: str, value: str) -> Line:
        return Line(stream_offset(hello, at + start), message[at + start : at + end], _PART, field, value)

    if kind == h.SERVER_NAME and len(data) >= 2:
        yield line(0, 2, "list length", str(data[0] << 8 | data[1]))
        offset = 2
        for entry in read_server_names(data):
            yield line(offset, offset + 1, "name type", {h.HOST_NAME: "host_name"}.get(entry.type, str(entry.type)))
            yield line(offset + 1, offset + 3, "name length", str(len(entry.name)))
            yield line(offset + 3, offset + 3 + len(entry.name), "name", printable_name(entry.name) or '""')
            offset += 3 + len(entry.name)
        if offset < len(data):
            yield line(offset, len(data), "unread", f"{len(data) - offset} bytes")
    if kind == h.KEY_SHARE and len(data) >= 2:
        offset = 2
        for share in ClientHello(extensions=(h.Extension(kind, data),)).key_shares:
            yield line(offset, offset + 4 + len(share.key), named(share.group, GROUPS), f"{len(share.key)} bytes")
            offset += 4 + len(share.key)
