"""ClientHellos made, and changed in one respect only.

Alone responsible for a hello as OpenSSL's client of today sends it, for putting another name into any hello, and for innocuous names and
lengths that controls need.

Rules of this file:
- No randomness: what has to look random is drawn from the caller's seed by SHAKE-256, so the same call gives the same bytes.
- A change keeps every other byte and makes all lengths consistent. A hello that was padded to 512 bytes by its padding extension stays so.
- What cannot be done is the caller's error (UsageError), one sentence with what to do.

Template: the ClientHello of OpenSSL 4.0.3 (29 Sep 2026) with default settings, read on loopback; order, ciphers, groups and algorithms are
its; `tests/tls/test_craft.py` compares with the OpenSSL inside the installed `cryptography`. Without `post_quantum` the hello is what the
same client sends when its groups are set to the classic ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.extension import (
    X25519,
    X25519MLKEM768,
    alpn_body,
    key_share_body,
    numbers_body,
    raw_server_name,
    server_name_body,
    x25519mlkem768_key,
)
from dpiprobe.tls.hello import (
    ALPN,
    HOST_NAME,
    KEY_SHARE,
    PADDING,
    PRE_SHARED_KEY,
    SERVER_NAME,
    SUPPORTED_GROUPS,
    ClientHello,
    Extension,
    KeyShare,
    ServerName,
    build,
    build_message,
    parse,
    printable_name,
    with_extension,
)
from dpiprobe.tls.record import HANDSHAKE, Record
from dpiprobe.tls.rename import check_whole, with_name

CIPHERS = (
    0x1302, 0x1303, 0x1301, 0xC02C, 0xC030, 0x009F, 0xCCA9, 0xCCA8, 0xCCAA, 0xC02B, 0xC02F, 0x009E, 0xC024, 0xC028, 0x006B, 0xC023, 0xC027,
    0x0067, 0xC00A, 0xC014, 0x0039, 0xC009, 0xC013, 0x0033, 0x009D, 0x009C, 0x003D, 0x003C, 0x0035, 0x002F,
)  # fmt: skip
GROUPS = (X25519, 0x0017, 0x001E, 0x0018, 0x0019, 0x0029, 0x0100, 0x0101)
POST_QUANTUM_GROUPS = (X25519MLKEM768, 0x11EB, 0x11EE, *GROUPS)  # 0x11ee: curveSM2MLKEM768, in OpenSSL 4.0's default list
SIGNATURES = (
    0x0905, 0x0906, 0x0904, 0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081A, 0x081B, 0x081C, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806,
    0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0302, 0x0402, 0x0502, 0x0602,
    0x0708,
)  # fmt: skip
BROWSER_ALPN = (b"h2", b"http/1.1")
LETTERS = b"abcdefghijklmnopqrstuvwxyz"


def client_hello(
    server_name: str | bytes | None, seed: bytes, *, alpn: Sequence[bytes] = (), post_quantum: bool = False, length: int | None = None
) -> bytes:
    """A ClientHello on the wire (one record), TLS 1.3 and 1.2, without GREASE.

    server_name: text (as `printable_name` writes it) or raw bytes; None leaves the extension out · seed: any bytes, decides random, session id
    and key share · alpn: protocols in order, e.g. BROWSER_ALPN · post_quantum: X25519MLKEM768 share of 1216 bytes: longer than one segment
    length: pad to that many bytes on the wire (see `pad_to`)."""
    stream = shake_256(b"client hello" + seed).digest(96)
    keys = key_share_body(_key_shares(seed, stream[64:96], post_quantum))
    extensions = [
        Extension(0xFF01, b"\0"),
        Extension(11, b"\x01\0"),
        Extension(SUPPORTED_GROUPS, numbers_body(POST_QUANTUM_GROUPS if post_quantum else GROUPS)),
        Extension(35, b""),
        Extension(22, b""),
        Extension(23, b""),
        Extension(13, numbers_body(SIGNATURES)),
        Extension(43, b"\x04\x03\x04\x03\x03"),
        Extension(45, b"\x01\x01"),
        Extension(KEY_SHARE, keys),
    ]
    if server_name is not None:
        extensions.append(Extension(SERVER_NAME, server_name_body([ServerName(HOST_NAME, raw_server_name(server_name))])))
    if alpn:
        extensions.append(Extension(ALPN, alpn_body(alpn)))
    hello = ClientHello(0x0303, stream[:32], stream[32:64], CIPHERS, b"\0", tuple(extensions))
    hello = replace(hello, records=(Record(HANDSHAKE, 0x0301, len(build_message(hello))),))
    wire = build(hello)
    return wire if length is None else pad_to(wire, length)


def with_server_name(stream: bytes, name: str | bytes) -> bytes:
    """The same ClientHello with its first host name replaced; other entries, order and framing stay (`rename.with_name`).

    Binders of pre-shared keys, which sign the whole hello, become wrong. UsageError where the hello is cut or carries no host name."""
    hello = _whole(stream)
    if hello.extension(SERVER_NAME) is None:
        raise UsageError("this ClientHello carries no host name to replace; choose another, or build one with client_hello()")
    return build(with_name(hello, name))


def pad_to(stream: bytes, length: int) -> bytes:
    """The same ClientHello with a padding extension (RFC 7685) that makes it `length` bytes on the wire.

    UsageError where that is not reachable: shorter than it is without padding, or one to three bytes longer (an extension takes four)."""
    hello = _whole(stream)
    others = tuple(e for e in hello.extensions or () if e.type != PADDING)
    bare = len(build(replace(hello, extensions=others)))
    gap = length - bare
    if gap == 0:
        return build(replace(hello, extensions=others))
    if gap < 4:
        raise UsageError(f"a hello of {bare} bytes cannot be padded to {length}; ask for {bare} or at least {bare + 4}")
    made = build(_padded(hello, others, gap - 4))
    excess = len(made) - length  # the header of a further record
    if excess:
        made = build(_padded(hello, others, max(gap - 4 - excess, 0)))
        if len(made) != length:
            raise UsageError(f"a hello cannot be {length} bytes long, where a further record begins; ask for {length + 5}")
    return made


def _padded(hello: ClientHello, others: tuple[Extension, ...], size: int) -> ClientHello:
    """The padding extension where the hello has it, else last, but before pre_shared_key (which must be last, RFC 8446 section 4.2.11)."""
    if hello.padding is not None:
        return with_extension(hello, PADDING, bytes(size))
    at = len(others) - (1 if others and others[-1].type == PRE_SHARED_KEY else 0)
    return replace(hello, extensions=(*others[:at], Extension(PADDING, bytes(size)), *others[at:]))


def equal_length_name(name: str | bytes, seed: bytes) -> str:
    """A random-looking name (letters only) with the length in bytes, the dots and the last label of `name`: what a control asks for.

    Never `name` itself unless nothing in it can be changed."""
    raw = raw_server_name(name)
    body, dot, top = raw.rstrip(b".").rpartition(b".")
    tail = dot + top + raw[len(raw.rstrip(b".")) :] if dot else b""
    free = body if dot else raw
    for attempt in range(16):
        letters = shake_256(b"name" + bytes((attempt,)) + raw + b"\0" + seed).digest(len(free))
        made = bytes(old if old == 0x2E else LETTERS[new % 26] for old, new in zip(free, letters, strict=True)) + tail
        if made.lower() != raw.lower():
            break
    return printable_name(made)


def _key_shares(seed: bytes, x25519: bytes, post_quantum: bool) -> list[KeyShare]:
    if not post_quantum:
        return [KeyShare(X25519, x25519)]
    second = shake_256(b"second share" + seed).digest(32)
    return [KeyShare(X25519MLKEM768, x25519mlkem768_key(seed, x25519)), KeyShare(X25519, second)]


def _whole(stream: bytes) -> ClientHello:
    hello = parse(stream)
    if hello is None:
        raise UsageError("these bytes are not one whole, well-formed ClientHello; give the client's stream from its first record on")
    check_whole(hello)
    return hello
