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
    ServerName,
    build,
    build_message,
    parse,
    printable_name,
    raw_name,
    read_server_names,
    with_extension,
)
from dpiprobe.tls.record import HANDSHAKE, Record

CIPHERS = (
    0x1302, 0x1303, 0x1301, 0xC02C, 0xC030, 0x009F, 0xCCA9, 0xCCA8, 0xCCAA, 0xC02B, 0xC02F, 0x009E, 0xC024, 0xC028, 0x006B, 0xC023, 0xC027,
    0x0067, 0xC00A, 0xC014, 0x0039, 0xC009, 0xC013, 0x0033, 0x009D, 0x009C, 0x003D, 0x003C, 0x0035, 0x002F,
)  # fmt: skip
X25519, X25519MLKEM768 = 0x001D, 0x11EC  # RFC 8446 section 4.2.7, draft-ietf-tls-ecdhe-mlkem
GROUPS = (X25519, 0x0017, 0x001E, 0x0018, 0x0019, 0x0029, 0x0100, 0x0101)
POST_QUANTUM_GROUPS = (X25519MLKEM768, 0x11EB, 0x11EE, *GROUPS)  # 0x11ee: curveSM2MLKEM768, in OpenSSL 4.0's default list
SIGNATURES = (
    0x0905, 0x0906, 0x0904, 0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081A, 0x081B, 0x081C, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806,
    0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0302, 0x0402, 0x0502, 0x0602,
    0x0708,
)  # fmt: skip
MLKEM_PRIME = 3329  # FIPS 203 section 2.4; every 12-bit coefficient of an encapsulation key must be smaller, and servers check
BROWSER_ALPN = (b"h2", b"http/1.1")
PADDED_SIZE = 512  # RFC 7685 section 1 and OpenSSL's SSL_OP_TLSEXT_PADDING: the size of the handshake message with padding
LETTERS = b"abcdefghijklmnopqrstuvwxyz"
MAX_NAME = 65_535 - 5  # what the 16-bit lengths of the extension leave


def client_hello(
    server_name: str | bytes | None, seed: bytes, *, alpn: Sequence[bytes] = (), post_quantum: bool = False, length: int | None = None
) -> bytes:
    """A ClientHello on the wire (one record), TLS 1.3 and 1.2, without GREASE.

    server_name: text (as `printable_name` writes it) or raw bytes; None leaves the extension out · seed: any bytes, decides random, session id
    and key share · alpn: protocols in order, e.g. BROWSER_ALPN · post_quantum: X25519MLKEM768 share of 1216 bytes: longer than one segment
    length: pad to that many bytes on the wire (see `pad_to`)."""
    stream = shake_256(b"client hello" + seed).digest(96)
    keys = _vector16(b"".join(_share(group, data) for group, data in _key_shares(seed, stream[64:96], post_quantum)))
    extensions = [
        Extension(0xFF01, b"\0"),
        Extension(11, b"\x01\0"),
        Extension(SUPPORTED_GROUPS, _numbers(POST_QUANTUM_GROUPS if post_quantum else GROUPS)),
        Extension(35, b""),
        Extension(22, b""),
        Extension(23, b""),
        Extension(13, _numbers(SIGNATURES)),
        Extension(43, b"\x04\x03\x04\x03\x03"),
        Extension(45, b"\x01\x01"),
        Extension(KEY_SHARE, keys),
    ]
    if server_name is not None:
        extensions.append(Extension(SERVER_NAME, server_name_body([ServerName(HOST_NAME, _raw(server_name))])))
    if alpn:
        extensions.append(Extension(ALPN, _vector16(b"".join(bytes((len(p),)) + p for p in alpn))))
    hello = ClientHello(0x0303, stream[:32], stream[32:64], CIPHERS, b"\0", tuple(extensions))
    hello = replace(hello, records=(Record(HANDSHAKE, 0x0301, len(build_message(hello))),))
    wire = build(hello)
    return wire if length is None else pad_to(wire, length)


def with_server_name(stream: bytes, name: str | bytes) -> bytes:
    """The same ClientHello with its first host name replaced; other entries, order and framing stay.

    Binders of pre-shared keys, which sign the whole hello, become wrong. UsageError where the hello is cut or carries no host name."""
    hello = _whole(stream)
    names = list(hello.server_names)
    at = next((i for i, entry in enumerate(names) if entry.type == HOST_NAME), None)
    data = hello.extension(SERVER_NAME)
    if at is None or data is None or server_name_body(read_server_names(data)) != data:
        raise UsageError("this ClientHello carries no well-formed host name to replace; choose another, or build one with client_hello()")
    raw = _raw(name)
    names[at] = ServerName(HOST_NAME, raw)
    changed = with_extension(hello, SERVER_NAME, server_name_body(names))
    if hello.padding is not None and len(build_message(hello)) == PADDED_SIZE:
        room = hello.padding - (len(build_message(changed)) - PADDED_SIZE)
        changed = with_extension(changed, PADDING, bytes(max(room, 1)))  # never an empty one last: some servers hang (RFC 7685 section 4)
    return build(changed)


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
    raw = _raw(name)
    body, dot, top = raw.rstrip(b".").rpartition(b".")
    tail = dot + top + raw[len(raw.rstrip(b".")) :] if dot else b""
    free = body if dot else raw
    for attempt in range(16):
        letters = shake_256(b"name" + bytes((attempt,)) + raw + b"\0" + seed).digest(len(free))
        made = bytes(old if old == 0x2E else LETTERS[new % 26] for old, new in zip(free, letters, strict=True)) + tail
        if made.lower() != raw.lower():
            break
    return printable_name(made)


def server_name_body(names: Sequence[ServerName]) -> bytes:
    """Body of a server_name extension (RFC 6066 section 3) with these entries."""
    return _vector16(b"".join(bytes((kind,)) + _vector16(name) for kind, name in names))


def _key_shares(seed: bytes, x25519: bytes, post_quantum: bool) -> list[tuple[int, bytes]]:
    if not post_quantum:
        return [(X25519, x25519)]
    second = shake_256(b"second share" + seed).digest(32)
    return [(X25519MLKEM768, _encapsulation_key(seed) + x25519), (X25519, second)]


def _encapsulation_key(seed: bytes) -> bytes:
    """1184 bytes that pass as an ML-KEM-768 encapsulation key (FIPS 203 section 7.2: coefficients below the prime). Nobody holds its key,
    so a handshake that settles on it ends after the ServerHello; nothing that dpiprobe looks at comes later."""
    drawn = shake_256(b"ml-kem" + seed).digest(2 * 768 + 32)
    numbers = [(drawn[2 * i] << 8 | drawn[2 * i + 1]) % MLKEM_PRIME for i in range(768)]
    packed = b"".join((a | b << 12).to_bytes(3, "little") for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    return packed + drawn[-32:]


def _whole(stream: bytes) -> ClientHello:
    hello = parse(stream)
    if hello is None or not hello.complete or hello.stopped_at or (hello.declared_length, hello.declared_extensions) != (None, None):
        raise UsageError("these bytes are not one whole, well-formed ClientHello; give the client's stream from its first record on")
    return hello


def _raw(name: str | bytes) -> bytes:
    raw = raw_name(name) if isinstance(name, str) else name
    if len(raw) > MAX_NAME:
        raise UsageError(f"a server name of {len(raw)} bytes does not fit into its extension; use at most {MAX_NAME}")
    return raw


def _share(group: int, key: bytes) -> bytes:
    return group.to_bytes(2, "big") + _vector16(key)


def _vector16(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _numbers(numbers: Sequence[int]) -> bytes:
    return _vector16(b"".join(n.to_bytes(2, "big") for n in numbers))
