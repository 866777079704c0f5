"""Variations of the versions a hello offers and of the two version fields that mean nothing any more.

Rules of this file:
- A highest version below 1.3 gives the hello that a client of that version sends: no supported_versions, key shares, PSK modes, cookies, early
  data or pre-shared keys, no TLS 1.3 ciphers; below 1.2 no signature_algorithms and no cipher that needs SHA-256 or AEAD (RFC 5246 section
  A.5). Where no cipher is left the seven that every old client had are put in.
- A lowest version changes the list of versions and nothing else. GREASE in that list stays.
- legacy_version and record versions are changed alone, so that they are the only difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dpiprobe.errors import UsageError
from dpiprobe.tls.extension import versions_body
from dpiprobe.tls.fingerprint import GREASE
from dpiprobe.tls.hello import (
    COOKIE,
    EARLY_DATA,
    KEY_SHARE,
    PRE_SHARED_KEY,
    PSK_KEY_EXCHANGE_MODES,
    SIGNATURE_ALGORITHMS,
    SUPPORTED_VERSIONS,
    ClientHello,
    Extension,
)
from dpiprobe.tls.rename import refitted
from dpiprobe.tls.vary.variation import Stage, Value, Variation

TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0301, 0x0302, 0x0303, 0x0304
ONLY_1_3 = {SUPPORTED_VERSIONS, KEY_SHARE, PSK_KEY_EXCHANGE_MODES, COOKIE, EARLY_DATA, PRE_SHARED_KEY}  # RFC 8446 section 4.2
OLD_CIPHERS = (0xC009, 0xC013, 0xC00A, 0xC014, 0x002F, 0x0035, 0x000A)  # ECDHE and RSA with AES-CBC-SHA, RSA with 3DES: RFC 4492, 5246
_OLD_RANGES = ((0x0001, 0x003A), (0x0041, 0x0046), (0x0084, 0x008B), (0x008C, 0x0095), (0x0096, 0x009B), (0xC001, 0xC022))
"""IANA cipher numbers that are defined for TLS 1.0: RFC 2246, 4132, 4162, 4279, 4492, 5054; SCSVs are 0x00ff and 0x5600"""


def for_tls_1_0(cipher: int) -> bool:
    """Whether a cipher may be offered to a TLS 1.0 server."""
    return cipher in (0x00FF, 0x5600) or any(low <= cipher <= high for low, high in _OLD_RANGES)


def lowest(hello: ClientHello, version: int) -> ClientHello:
    """supported_versions from 1.3 down to `version`."""
    old = hello.extension(SUPPORTED_VERSIONS)
    if old is None:
        raise UsageError("this hello has no supported_versions extension, so no lowest version; choose a client that offers TLS 1.3")
    grease = [n for n in hello.supported_versions if n in GREASE]
    body = versions_body([*grease, *range(TLS_1_3, version - 1, -1)])
    extensions = tuple([Extension(SUPPORTED_VERSIONS, body) if e.type == SUPPORTED_VERSIONS else e for e in hello.extensions or ()])
    return refitted(replace(hello, extensions=extensions), hello)


def highest(hello: ClientHello, version: int) -> ClientHello:
    """What a client whose highest version is `version` sends. 1.3: supported_versions is 1.3 and 1.2."""
    if version >= TLS_1_3:
        return lowest(hello, TLS_1_2)
    ciphers = [c for c in hello.ciphers if c >> 8 != 0x13]
    drop = set(ONLY_1_3)
    if version < TLS_1_2:
        ciphers = [c for c in ciphers if for_tls_1_0(c) or c in GREASE]
        drop.add(SIGNATURE_ALGORITHMS)
    if not any(c not in GREASE and c not in (0x00FF, 0x5600) for c in ciphers):
        ciphers += OLD_CIPHERS
    extensions = tuple([e for e in hello.extensions or () if e.type not in drop])
    changed = replace(hello, legacy_version=version, ciphers=tuple(ciphers), extensions=extensions if hello.extensions is not None else None)
    return refitted(changed, hello)


def only(hello: ClientHello, version: int) -> ClientHello:
    """supported_versions holds this one number."""
    if hello.extension(SUPPORTED_VERSIONS) is None:
        raise UsageError("this hello has no supported_versions extension to change; choose a client that offers TLS 1.3")
    body = versions_body([version])
    return replace_extension(hello, SUPPORTED_VERSIONS, body)


def replace_extension(hello: ClientHello, number: int, body: bytes) -> ClientHello:
    """The hello with the body of all extensions of this type replaced."""
    extensions = tuple([Extension(number, body) if e.type == number else e for e in hello.extensions or ()])
    return refitted(replace(hello, extensions=extensions), hello)


def legacy(hello: ClientHello, version: int) -> ClientHello:
    """legacy_version, the version field inside the hello."""
    return refitted(replace(hello, legacy_version=version), hello)


def record(hello: ClientHello, version: int) -> ClientHello:
    """The version field of every record that carries the hello."""
    if not hello.records:
        raise UsageError("this hello stands in no record (QUIC), so it has no record version; leave that variation out")
    return refitted(replace(hello, records=tuple([r._replace(version=version) for r in hello.records])), hello)


def _of(
    name: str, tests: str, make: Callable[..., ClientHello], decides: str, source: str = "dpiprobe", stage: Stage = "hello", **parameters: Value
) -> Variation:
    return Variation(f"version-{name}", "versions", tests, make, parameters, stage, decides, source)


_WORDS = {TLS_1_0: "TLS 1.0", TLS_1_1: "TLS 1.1", TLS_1_2: "TLS 1.2", TLS_1_3: "TLS 1.3"}

VARIATIONS: tuple[Variation, ...] = (
    *(_of(f"min-{v:04x}", f"Does a lowest offered version of {word} change the answer?", lowest, "offer", "CenFuzz 2", version=v)
      for v, word in _WORDS.items()),
    *(_of(f"max-{v:04x}", f"Is a hello whose highest version is {word} filtered the same?", highest, "offer", "CenFuzz 3", version=v)
      for v, word in _WORDS.items()),
    _of("only-7f1c", "Does a draft number (0x7f1c) as the only version keep the hello from being read?", only, "offer", version=0x7F1C),
    *(_of(f"legacy-{v:04x}", f"Does a legacy_version of 0x{v:04x} keep the hello from being read?", legacy, "legacy version", source, version=v)
      for v, source in ((0x0000, "CenDPI"), (0x0300, "dpiprobe"), (0x0301, "dpiprobe"), (0x0304, "CenDPI"), (0xFFFF, "CenDPI"))),
    *(_of(f"record-{v:04x}", f"Does a record version of 0x{v:04x} keep the hello from being read?", record, "record version", source, "records", version=v)
      for v, source in ((0x0000, "DPYProxy INVALID_SMALLER"), (0x0300, "CenDPI; DPYProxy SSL3"), (0x0301, "DPYProxy TLS10"), (0x0302, "DPYProxy TLS11"),
                        (0x0303, "DPYProxy TLS12"), (0x0304, "CenDPI; DPYProxy TLS13"), (0x03FF, "CenDPI; byedpi tlsminor"),
                        (0x2020, "DPYProxy INVALID_BIGGER"), (0x7F1C, "DPYProxy TLS13_DRAFT_28"))),
)  # fmt: skip
