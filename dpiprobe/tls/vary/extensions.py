"""Variations of the extensions around the name: their order, presence, repetition, and what they offer.

Rules of this file: server_name keeps its body. pre_shared_key stays last, as RFC 8446 section 4.2.11 demands, except where order is what is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.extension import (
    X25519,
    X25519MLKEM768,
    alpn_body,
    key_share_body,
    numbers_body,
    pre_shared_key_body,
    versions_body,
    x25519mlkem768_key,
)
from dpiprobe.tls.hello import (
    ALPN,
    KEY_SHARE,
    PADDING,
    PRE_SHARED_KEY,
    PSK_KEY_EXCHANGE_MODES,
    SERVER_NAME,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
    ClientHello,
    Extension,
    KeyShare,
)
from dpiprobe.tls.rename import refitted
from dpiprobe.tls.vary.variation import Value, Variation

GREASE_FIRST, GREASE_LAST, GREASE_CIPHER, GREASE_GROUP, GREASE_VERSION = 0x2A2A, 0x7A7A, 0xCACA, 0x9A9A, 0x4A4A
"""RFC 8701 section 2; that they stand first in each list, and first and last among the extensions, is what Chromium does"""


def with_extensions(hello: ClientHello, extensions: Sequence[Extension]) -> ClientHello:
    """The hello with these extensions instead of its own."""
    return refitted(replace(hello, extensions=tuple(extensions)), hello)


def extensions_of(hello: ClientHello) -> list[Extension]:
    """The extensions of a hello that has some. UsageError else."""
    if not hello.extensions:
        raise UsageError("this hello has no extensions to change; choose another client")
    return list(hello.extensions)


def _ordered(hello: ClientHello, order: Sequence[Extension]) -> ClientHello:
    """In this order, but pre_shared_key last."""
    return with_extensions(hello, sorted(order, key=lambda e: e.type == PRE_SHARED_KEY))


def reverse(hello: ClientHello) -> ClientHello:
    """From last to first."""
    return _ordered(hello, extensions_of(hello)[::-1])


def ascending(hello: ClientHello) -> ClientHello:
    """By number."""
    return _ordered(hello, sorted(extensions_of(hello), key=lambda e: e.type))


def shuffle(hello: ClientHello) -> ClientHello:
    """In an order drawn from the hello's random, as Chromium does since version 110."""
    extensions = extensions_of(hello)
    keys = shake_256(b"extensions" + hello.random).digest(4 * len(extensions))
    return _ordered(hello, [extensions[i] for i in sorted(range(len(extensions)), key=lambda i: keys[4 * i : 4 * i + 4])])


def without(hello: ClientHello, number: int) -> ClientHello:
    """Without one extension."""
    extensions = extensions_of(hello)
    left = [e for e in extensions if e.type != number]
    if len(left) == len(extensions):
        raise UsageError(f"this hello has no extension {number} to leave out; choose another client or number")
    return with_extensions(hello, left)


def no_block(hello: ClientHello) -> ClientHello:
    """No extension block at all, not even its length."""
    return refitted(replace(hello, extensions=None), hello)


def empty_block(hello: ClientHello) -> ClientHello:
    """An extension block of no bytes."""
    return with_extensions(hello, ())


def only_name(hello: ClientHello) -> ClientHello:
    """server_name and no other extension."""
    return with_extensions(hello, [e for e in extensions_of(hello) if e.type == SERVER_NAME])


def unknown(hello: ClientHello, number: int, size: int, first: bool) -> ClientHello:
    """One more extension that nobody knows, zeros inside, first or last."""
    more = Extension(number, bytes(size))
    extensions = extensions_of(hello)
    return _ordered(hello, [more, *extensions] if first else [*extensions, more])


def all_twice(hello: ClientHello) -> ClientHello:
    """Each extension but pre_shared_key twice in a row (which RFC 8446 section 4.2 forbids)."""
    return with_extensions(hello, [e for old in extensions_of(hello) for e in ([old] if old.type == PRE_SHARED_KEY else [old, old])])


def grease(hello: ClientHello) -> ClientHello:
    """GREASE (RFC 8701) where Chromium puts it: ciphers, groups, versions, key shares, first and last extension."""
    out: list[Extension] = [Extension(GREASE_FIRST, b"")]
    for kind, data in extensions_of(hello):
        body = data
        if kind == SUPPORTED_GROUPS:
            body = numbers_body([GREASE_GROUP, *hello.groups])
        elif kind == SUPPORTED_VERSIONS:
            body = versions_body([GREASE_VERSION, *hello.supported_versions])
        elif kind == KEY_SHARE:
            body = key_share_body([KeyShare(GREASE_GROUP, b"\0"), *hello.key_shares])
        out.append(Extension(kind, body))
    at = len(out) - sum(e.type in (PADDING, PRE_SHARED_KEY) for e in out[-2:])
    out.insert(at, Extension(GREASE_LAST, b"\0"))
    return refitted(replace(hello, ciphers=(GREASE_CIPHER, *hello.ciphers), extensions=tuple(out)), hello)


def alpn(hello: ClientHello, protocols: str) -> ClientHello:
    """ALPN with these protocols; none: without the extension."""
    extensions = [e for e in extensions_of(hello) if e.type != ALPN]
    if protocols:
        body = alpn_body([p.encode() for p in protocols.split(",")])
        at = next((i for i, e in enumerate(hello.extensions or ()) if e.type == ALPN), len(extensions))
        extensions.insert(at, Extension(ALPN, body))
    return _ordered(hello, extensions)


def post_quantum(hello: ClientHello) -> ClientHello:
    """X25519MLKEM768 first among groups and key shares: 1216 bytes, so that the hello needs two segments."""
    if hello.extension(KEY_SHARE) is None:
        raise UsageError("this hello has no key_share extension; choose a client that offers TLS 1.3")
    if X25519MLKEM768 in [share.group for share in hello.key_shares]:
        raise UsageError("this client offers X25519MLKEM768 already; leave key-share-post-quantum out")
    x25519 = next((s.key for s in hello.key_shares if s.group == X25519), shake_256(b"x25519" + hello.random).digest(32))
    share = KeyShare(X25519MLKEM768, x25519mlkem768_key(hello.random, x25519))
    bodies = {
        KEY_SHARE: key_share_body([share, *hello.key_shares]),
        SUPPORTED_GROUPS: numbers_body([X25519MLKEM768, *[g for g in hello.groups if g != X25519MLKEM768]]),
    }
    return with_extensions(hello, [Extension(e.type, bodies.get(e.type, e.data)) for e in extensions_of(hello)])


def classic_key_share(hello: ClientHello) -> ClientHello:
    """X25519 alone as key share and the classic groups: a hello that fits into one segment."""
    if X25519 not in [s.group for s in hello.key_shares]:
        raise UsageError("this hello has no X25519 key share to keep; choose another client")
    bodies = {
        KEY_SHARE: key_share_body([s for s in hello.key_shares if s.group == X25519]),
        SUPPORTED_GROUPS: numbers_body([g for g in hello.groups if not _is_post_quantum(g)]),
    }
    return with_extensions(hello, [Extension(e.type, bodies.get(e.type, e.data)) for e in extensions_of(hello)])


def no_key_share(hello: ClientHello) -> ClientHello:
    """A key_share extension without a share, which asks for a HelloRetryRequest (RFC 8446 section 4.2.8)."""
    if hello.extension(KEY_SHARE) is None:
        raise UsageError("this hello has no key_share extension; choose a client that offers TLS 1.3")
    return with_extensions(hello, [Extension(e.type, key_share_body([]) if e.type == KEY_SHARE else e.data) for e in extensions_of(hello)])


def pre_shared_key(hello: ClientHello, identity: int, binder: int) -> ClientHello:
    """A resumption: one identity and one binder of so many bytes, drawn from the hello's random; and PSK modes where there were none."""
    if hello.extension(SUPPORTED_VERSIONS) is None:
        raise UsageError("pre-shared keys need TLS 1.3; choose a client that offers it")
    drawn = shake_256(b"psk" + hello.random).digest(identity + binder + 4)
    extensions = [e for e in extensions_of(hello) if e.type != PRE_SHARED_KEY]
    if hello.extension(PSK_KEY_EXCHANGE_MODES) is None:
        extensions.append(Extension(PSK_KEY_EXCHANGE_MODES, b"\x01\x01"))
    age = int.from_bytes(drawn[-4:], "big")
    body = pre_shared_key_body([(drawn[:identity], age)], [drawn[identity : identity + binder]])
    return with_extensions(hello, [*extensions, Extension(PRE_SHARED_KEY, body)])


def _is_post_quantum(group: int) -> bool:
    return group in (0x0200, 0x0201, 0x0202, 0x6399, 0x639A, 0xFE30, 0xFE31) or 0x11EB <= group <= 0x11EE
    # ML-KEM alone; Kyber drafts; IANA's hybrids


def _of(name: str, tests: str, make: Callable[..., ClientHello], decides: str = "", source: str = "dpiprobe", /, **parameters: Value) -> Variation:
    return Variation(name, "extensions", tests, make, parameters, decides=decides, source=source)


_ORDER = "order of the extensions"

VARIATIONS: tuple[Variation, ...] = (
    _of("extensions-reversed", "Does the filter expect the name at its usual place (extensions in reverse)?", reverse, _ORDER),
    _of("extensions-ascending", "Does the filter know clients by the order of extensions (by number)?", ascending, _ORDER),
    _of("extensions-shuffled", "Does the filter know clients by the order of extensions (by chance)?", shuffle, _ORDER),
    _of("extensions-none", "What happens to a hello without an extension block?", no_block, _ORDER),
    _of("extensions-empty", "What happens to a hello whose extension block is empty?", empty_block, _ORDER),
    _of("extensions-only-name", "Is the name enough, without any other extension?", only_name, _ORDER),
    _of("extensions-twice", "Do repeated extensions keep the name from being read?", all_twice),
    _of("extensions-grease", "Does GREASE keep the hello from being read, or make it another client's?", grease, "GREASE"),
    _of("extension-unknown-first", "Does an unknown extension before the name hide it?", unknown, number=0xABCD, size=16, first=True),
    _of("extension-unknown-last", "Does an unknown extension behind the name hide it?", unknown, number=0xABCD, size=16, first=False),
    _of("alpn-none", "Is a hello without ALPN filtered the same?", alpn, "ALPN", protocols=""),
    _of("alpn-h2", "Is a hello that offers h2 alone filtered the same?", alpn, "ALPN", protocols="h2"),
    _of("alpn-http-1.1", "Is a hello that offers http/1.1 alone filtered the same?", alpn, "ALPN", protocols="http/1.1"),
    _of("alpn-other", "Is a hello for another protocol (imap) filtered the same?", alpn, "ALPN", protocols="imap"),
    _of("key-share-post-quantum", "Is a hello of two segments (X25519MLKEM768) read to its end?", post_quantum, "key share", "CenDPI"),
    _of("key-share-classic", "Is a hello of one segment (X25519 alone) filtered the same?", classic_key_share, "key share"),
    _of("key-share-none", "Is a hello without key shares, which costs a round trip, filtered the same?", no_key_share, "key share"),
    _of("pre-shared-key", "Is a resumption filtered the same?", pre_shared_key, identity=192, binder=32),
    _of("without-supported-groups", "Is a hello without supported_groups filtered the same?", without, number=SUPPORTED_GROUPS),
    _of("without-signature-algorithms", "Is a hello without signature_algorithms filtered the same?", without, number=13),
)  # fmt: skip
