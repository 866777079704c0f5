"""A hello as plain data, `dpiprobe-hello/1`: what `hello show --json` prints and `hello build --from` reads.

Alone responsible for that form.

Rules of this file:
- `read_description(describe(hello)) == hello`, malformed hellos included: every extension carries its body as hex.
- Written by hand less is needed: numbers may be names or numbers, an extension may have a `value` instead of `data`, what is not given is what a
  plain hello has. Keys that only inform (names, fingerprints, `value` beside `data`) are not read.
- What is wrong is the caller's error (UsageError) and names the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import shake_256
from typing import Any

from dpiprobe.errors import UsageError
from dpiprobe.tls import hello as h
from dpiprobe.tls.dissect import describe_body
from dpiprobe.tls.extension import alpn_body, key_share_body, numbers_body, raw_server_name, server_name_body, versions_body
from dpiprobe.tls.fingerprint import ja3, ja3_string, ja4, ja4_raw
from dpiprobe.tls.hello import ClientHello, Extension, KeyShare, ServerName, printable_name
from dpiprobe.tls.record import HANDSHAKE, Record
from dpiprobe.tls.registry import CIPHERS, EXTENSIONS, GROUPS, SIGNATURES, VERSIONS, named, number_of
from dpiprobe.tls.rename import reframed

FORMAT = "dpiprobe-hello/1"
_INFORMS = {
    "format", "kind", "server_name", "server_names", "alpn", "ja3", "ja3_string", "ja4", "ja4_r", "ech", "problems", "client", "variations",
    "segments", "stream",
}  # fmt: skip
_READ = {
    "legacy_version", "random", "session_id", "ciphers", "compression", "extensions", "records", "record_version", "prefix", "extra", "tail",
    "stopped_at", "declared_length", "declared_extensions", "complete",
}  # fmt: skip


def describe(hello: ClientHello) -> dict[str, Any]:
    """The hello as JSON values."""
    told: dict[str, Any] = {
        "format": FORMAT, "kind": "hello", "server_name": hello.server_name,
        "server_names": [{"type": e.type, "name": printable_name(e.name)} for e in hello.server_names],
        "alpn": [printable_name(p) for p in hello.alpn], "ech": hello.ech,
        "ja3": ja3(hello), "ja3_string": ja3_string(hello), "ja4": ja4(hello), "ja4_r": ja4_raw(hello),
        "records": [{"type": r.type, "version": f"0x{r.version:04x}", "length": r.length} for r in hello.records],
        "legacy_version": f"0x{hello.legacy_version:04x}", "random": hello.random.hex(), "session_id": hello.session_id.hex(),
        "ciphers": [named(c, CIPHERS) for c in hello.ciphers], "compression": hello.compression.hex(),
        "extensions": None if hello.extensions is None else [
            {"type": named(kind, EXTENSIONS), "number": kind, "data": data.hex(), "value": describe_body(kind, data)} for kind, data in hello.extensions
        ],
    }  # fmt: skip
    odd = {
        "prefix": hello.prefix.hex(), "extra": hello.extra.hex(), "tail": hello.tail.hex(), "stopped_at": hello.stopped_at,
        "declared_length": hello.declared_length, "declared_extensions": hello.declared_extensions, "problems": list(hello.problems),
    }  # fmt: skip
    told.update({key: value for key, value in odd.items() if value not in ("", None, [])})
    if not hello.complete:
        told["complete"] = False
    return told


def read_description(raw: Mapping[str, Any]) -> ClientHello:
    """The hello that a description tells. UsageError where it is wrong."""
    if not isinstance(raw, Mapping):
        raise UsageError("a hello's description is a JSON object; see 'dpiprobe hello show --json'")
    unknown = [key for key in raw if key not in _READ | _INFORMS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no key of a hello's description; use {', '.join(sorted(_READ))}")
    extensions = raw.get("extensions", [])
    hello = ClientHello(
        legacy_version=_number(raw, "legacy_version", 0x0303, VERSIONS, "version"),
        random=_hex(raw, "random", shake_256(b"description").digest(32)),
        session_id=_hex(raw, "session_id", b""),
        ciphers=tuple([number_of(c, CIPHERS, "cipher suite") for c in _array(raw, "ciphers")]),
        compression=_hex(raw, "compression", b"\0"),
        extensions=None if extensions is None else tuple([_extension(e) for e in _array(raw, "extensions")]),
        tail=_hex(raw, "tail", b""),
        stopped_at=_stage(raw),
        declared_length=_integer(raw, "declared_length"),
        declared_extensions=_integer(raw, "declared_extensions"),
        prefix=_hex(raw, "prefix", b""),
        extra=_hex(raw, "extra", b""),
        complete=raw.get("complete") is not False,
        records=tuple([_record(r) for r in _array(raw, "records")]),
    )
    if "records" in raw:
        return hello
    version = _number(raw, "record_version", 0x0301, VERSIONS, "version")
    from dataclasses import replace

    return reframed(replace(hello, records=(Record(HANDSHAKE, version, 0),)))


def _extension(raw: Any) -> Extension:
    if not isinstance(raw, Mapping) or not ("type" in raw or "number" in raw):
        raise UsageError("an extension of a description is an object with type (a name or number) and data (hex) or value; give both")
    kind = number_of(raw.get("number", raw.get("type")), EXTENSIONS, "extension")
    if "data" in raw:
        return Extension(kind, _hex(raw, "data", b""))
    return Extension(kind, _body(kind, raw.get("value")))


def _body(kind: int, value: Any) -> bytes:
    """The body of an extension from a value written by hand."""
    try:
        if kind == h.SERVER_NAME:
            entries = [value] if isinstance(value, str) else value
            pairs = [(h.HOST_NAME, e) if isinstance(e, str) else (int(e["type"]), e["name"]) for e in entries]
            return server_name_body([ServerName(number, raw_server_name(name)) for number, name in pairs])
        if kind == h.ALPN:
            return alpn_body([h.raw_name(p) for p in ([value] if isinstance(value, str) else value)])
        if kind == h.SUPPORTED_GROUPS:
            return numbers_body([number_of(n, GROUPS, "group") for n in value])
        if kind == h.SIGNATURE_ALGORITHMS:
            return numbers_body([number_of(n, SIGNATURES, "signature scheme") for n in value])
        if kind == h.SUPPORTED_VERSIONS:
            return versions_body([number_of(n, VERSIONS, "version") for n in value])
        if kind == h.KEY_SHARE:
            return key_share_body([KeyShare(number_of(e["group"], GROUPS, "group"), bytes.fromhex(e["key"])) for e in value])
        if kind == h.PADDING:
            return bytes(int(value))
    except (TypeError, KeyError, ValueError, OverflowError):
        raise UsageError(f"{value!r} is no value of {named(kind, EXTENSIONS)}; see docs/hello.md, or give its body as data, in hex") from None
    if value is None:
        return b""
    raise UsageError(f"{named(kind, EXTENSIONS)} has no value that can be written by hand; give its body as data, in hex")


def _record(raw: Any) -> Record:
    if not isinstance(raw, Mapping):
        raise UsageError("a record of a description is an object with type, version and length; give all three")
    return Record(
        _number(raw, "type", HANDSHAKE, {}, "record type"), _number(raw, "version", 0x0301, VERSIONS, "version"), _number(raw, "length", 0, {}, "length")
    )


def _array(raw: Mapping[str, Any], key: str) -> list[Any]:
    value = raw.get(key, [])
    if not isinstance(value, list):
        raise UsageError(f"{key} is {value!r}; a list is meant")
    return value


def _number(raw: Mapping[str, Any], key: str, default: int, names: Mapping[int, str], what: str) -> int:
    value = raw.get(key, default)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise UsageError(f"{key} is {value!r}; a number or a name is meant")
    return number_of(value, names, what)


def _integer(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise UsageError(f"{key} is {value!r}; a number or null is meant")
    return value


def _hex(raw: Mapping[str, Any], key: str, default: bytes) -> bytes:
    value = raw.get(key)
    if value is None:
        return default
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise UsageError(f"{key} is {value!r}; bytes in hex are meant") from None


def _stage(raw: Mapping[str, Any]) -> str:
    value = raw.get("stopped_at", "")
    if value not in h.STAGES:
        raise UsageError(f"stopped_at is {value!r}; one of {', '.join(h.STAGES[:-1])} is meant")
    return str(value)
