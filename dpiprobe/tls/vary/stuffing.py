"""Variations that fill a hello up: long session id, many ciphers, compression methods, padding, so that the name falls behind the first packet.

Rules of this file: each fills one field and nothing else; the record sizes follow (a hello of more than 2^14 bytes takes two). Numbers that fill a
list are drawn from the hello's random and leave what stood there in front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import PADDING, ClientHello, Extension
from dpiprobe.tls.rename import reframed
from dpiprobe.tls.vary.extensions import extensions_of
from dpiprobe.tls.vary.variation import Value, Variation


def session_id(hello: ClientHello, length: int) -> ClientHello:
    """A session id of so many bytes, drawn from the hello's random; more than 32 are against RFC 8446 section 4.1.2."""
    if not 0 <= length <= 255:
        raise UsageError(f"a session id of {length} bytes does not fit; use at most 255")
    return reframed(replace(hello, session_id=shake_256(b"session" + hello.random).digest(length)))


def ciphers(hello: ClientHello, count: int) -> ClientHello:
    """So many ciphers: the hello's own, then numbers that are assigned to none (0xd100 to 0xfeff)."""
    missing = count - len(hello.ciphers)
    if missing < 0 or count > 32_767:
        raise UsageError(f"{count} ciphers are fewer than the {len(hello.ciphers)} there are, or more than 32,767; choose a number between")
    drawn = shake_256(b"ciphers" + hello.random).digest(2 * missing)
    more = tuple([0xD100 + int.from_bytes(drawn[i : i + 2], "big") % 0x2E00 for i in range(0, 2 * missing, 2)])
    return reframed(replace(hello, ciphers=hello.ciphers + more))


def compression(hello: ClientHello, count: int) -> ClientHello:
    """So many compression methods: null, then 1, 2, 3 ... round and round."""
    if not 1 <= count <= 255:
        raise UsageError(f"{count} compression methods do not fit; use 1 to 255")
    return reframed(replace(hello, compression=bytes([0, *[1 + i % 255 for i in range(count - 1)]])))


def padding(hello: ClientHello, length: int) -> ClientHello:
    """A padding extension of so many zero bytes before all others, in place of the one there was."""
    others = [e for e in extensions_of(hello) if e.type != PADDING]
    return reframed(replace(hello, extensions=(Extension(PADDING, bytes(length)), *others)))


def _of(name: str, tests: str, make: Callable[..., ClientHello], source: str = "OONI tq-027", **parameters: Value) -> Variation:
    return Variation(f"stuff-{name}", "stuffing", tests, make, parameters, source=source)


VARIATIONS: tuple[Variation, ...] = (
    _of("session-id-0", "Is a hello without a session id filtered the same?", session_id, "dpiprobe", length=0),
    _of("session-id-33", "Is a session id one byte longer than allowed skipped?", session_id, "dpiprobe", length=33),
    _of("session-id-255", "Is a session id of 255 bytes skipped?", session_id, length=255),
    _of("ciphers-700", "Is the name found behind 1.4 kB of ciphers, in the second segment?", ciphers, count=700),
    _of("ciphers-8000", "Is the name found behind 16 kB of ciphers?", ciphers, count=8000),
    _of("compression-255", "Is a list of 255 compression methods skipped?", compression, count=255),
    _of("padding-1400", "Is the name found behind 1.4 kB of padding, in the second segment?", padding, length=1400),
    _of("padding-16000", "Is the name found behind 16 kB of padding?", padding, length=16_000),
)  # fmt: skip
