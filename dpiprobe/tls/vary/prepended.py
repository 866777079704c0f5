"""Variations that put a record before the hello: one that a server skips or ignores, and that a filter may stop at.

Rules of this file: the hello's own records stay as they are; the record before them carries `version`, 0x0301 like a first ClientHello.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import ClientHello
from dpiprobe.tls.record import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, HEARTBEAT
from dpiprobe.tls.rename import reframed
from dpiprobe.tls.vary.variation import Value, Variation

_USER_CANCELED, _WARNING = 0x5A, 1  # RFC 8446 section 6


def before(hello: ClientHello, kind: int, body: str, version: int) -> ClientHello:
    """One record of type `kind` with `body` (hex) before what there is."""
    if not hello.records:
        raise UsageError("this hello stands in no record (QUIC), so none can stand before it; leave that variation out")
    try:
        data = bytes.fromhex(body)
    except ValueError:
        raise UsageError(f"{body!r} is not hex; give the record's bytes as pairs of hex digits") from None
    return reframed(replace(hello, prefix=bytes((kind,)) + version.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data + hello.prefix))


def _of(name: str, tests: str, make: Callable[..., ClientHello], source: str, /, **parameters: Value) -> Variation:
    return Variation(f"before-{name}", "prepended", tests, make, {**parameters, "version": 0x0301}, "records", source=source)


VARIATIONS: tuple[Variation, ...] = (
    _of("hello-request", "Is the hello found behind a HelloRequest, which only a server sends?", before, "CenDPI", kind=HANDSHAKE, body="00000000"),
    _of("empty-handshake", "Is the hello found behind a ClientHello of no length?", before, "CenDPI", kind=HANDSHAKE, body="01000000"),
    _of("empty-record", "Is the hello found behind an empty handshake record?", before, "CenDPI", kind=HANDSHAKE, body=""),
    _of("alert", "Is the hello found behind a warning (user_canceled)?", before, "CenDPI", kind=ALERT, body=f"{_WARNING:02x}{_USER_CANCELED:02x}"),
    _of("change-cipher-spec", "Is the hello found behind a ChangeCipherSpec?", before, "dpiprobe", kind=CHANGE_CIPHER_SPEC, body="01"),
    _of("heartbeat", "Is the hello found behind a heartbeat (RFC 6520)?", before, "dpiprobe", kind=HEARTBEAT, body="010003" + "00" * 19),
)  # fmt: skip
