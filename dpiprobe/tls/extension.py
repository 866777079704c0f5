"""Bodies of ClientHello extensions, made from values.

Alone responsible for writing what `hello.py` reads: server_name lists, number lists, key shares, pre-shared keys, encrypted hellos, padding.

Rules of this file:
- Nothing is refused that the length fields can hold: empty lists, other types, names that are no names. What they cannot hold is the
  caller's error (UsageError), one sentence with what to do.
- Lengths follow from the values, except where an argument says otherwise (`declared`): senders of odd hellos get lengths wrong on purpose.
- No randomness: bytes that have to look random are drawn from the caller's seed by SHAKE-256.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import KeyShare, ServerName, raw_name

_NO_ESCAPE = re.compile(r"\\x(?![0-9a-fA-F]{2}).{0,2}")
MAX_NAME = 65_535 - 5  # what the 16-bit lengths of the extension leave for one name
MLKEM_PRIME = 3329  # FIPS 203 section 2.4; every 12-bit coefficient of an encapsulation key must be smaller, and servers check
SECP256R1, X25519, X25519MLKEM768 = 0x0017, 0x001D, 0x11EC  # RFC 8446 section 4.2.7, draft-ietf-tls-ecdhe-mlkem


def vector8(data: bytes) -> bytes:
    """A vector with a one-byte length."""
    if len(data) > 255:
        raise UsageError(f"{len(data)} bytes do not fit into a vector of at most 255; use fewer")
    return bytes((len(data),)) + data


def vector16(data: bytes) -> bytes:
    """A vector with a two-byte length."""
    if len(data) > 65_535:
        raise UsageError(f"{len(data)} bytes do not fit into a vector of at most 65,535; use fewer")
    return len(data).to_bytes(2, "big") + data


def raw_server_name(name: str | bytes) -> bytes:
    """The bytes of a name (text as `printable_name` writes it). UsageError where an escape is none, or it does not fit into its extension."""
    if isinstance(name, str) and (odd := _NO_ESCAPE.search(name)) is not None:
        raise UsageError(f"{odd[0]} in a name is no byte; write \\xHH with two hexadecimal digits, and \\x5c for a backslash")
    raw = raw_name(name) if isinstance(name, str) else name
    if len(raw) > MAX_NAME:
        raise UsageError(f"a server name of {len(raw)} bytes does not fit into its extension; use at most {MAX_NAME}")
    return raw


def server_name_body(names: Sequence[ServerName], declared: int | None = None) -> bytes:
    """server_name (RFC 6066 section 3) with these entries; `declared`: the list's length as it is to be told."""
    data = b"".join(bytes((kind,)) + vector16(name) for kind, name in names)
    return vector16(data) if declared is None else declared.to_bytes(2, "big") + data


def numbers_body(numbers: Sequence[int]) -> bytes:
    """A list of 16-bit numbers behind a two-byte length: supported_groups, signature_algorithms."""
    return vector16(b"".join(n.to_bytes(2, "big") for n in numbers))


def versions_body(versions: Sequence[int]) -> bytes:
    """supported_versions (RFC 8446 section 4.2.1)."""
    return vector8(b"".join(n.to_bytes(2, "big") for n in versions))


def alpn_body(protocols: Sequence[bytes]) -> bytes:
    """application_layer_protocol_negotiation (RFC 7301 section 3.1)."""
    return vector16(b"".join(vector8(p) for p in protocols))


def key_share_body(shares: Sequence[KeyShare]) -> bytes:
    """key_share (RFC 8446 section 4.2.8)."""
    return vector16(b"".join(group.to_bytes(2, "big") + vector16(key) for group, key in shares))


def pre_shared_key_body(identities: Sequence[tuple[bytes, int]], binders: Sequence[bytes]) -> bytes:
    """pre_shared_key (RFC 8446 section 4.2.11): (identity, obfuscated ticket age) and the binders. It has to be the last extension.

    The binders are the caller's; over bytes that nobody holds a key for they cannot be right, and the server goes on without the key."""
    told = b"".join(vector16(identity) + age.to_bytes(4, "big") for identity, age in identities)
    return vector16(told) + vector16(b"".join(vector8(b) for b in binders))


def ech_body(config_id: int, enc: bytes, payload: bytes, kdf: int = 1, aead: int = 1) -> bytes:
    """encrypted_client_hello of the outer hello (RFC 9849 section 5). kdf 1: HKDF-SHA256; aead 1: AES-128-GCM, 3: ChaCha20Poly1305."""
    return b"\0" + kdf.to_bytes(2, "big") + aead.to_bytes(2, "big") + bytes((config_id,)) + vector16(enc) + vector16(payload)


def esni_body(seed: bytes, length: int = 292, suite: int = 0x1301) -> bytes:
    """encrypted_server_name 0xffce as drafts 01 to 06 of draft-ietf-tls-esni had it: suite, key share entry, record digest, encrypted name.

    length: of the encrypted name; 292 = nonce 16 + padded list 260 + tag 16, what Firefox and Cloudflare used (draft-02 section 4.1)."""
    drawn = shake_256(b"esni" + seed).digest(32 + 32 + length)
    share = X25519.to_bytes(2, "big") + vector16(drawn[:32])
    return suite.to_bytes(2, "big") + share + vector16(drawn[32:64]) + vector16(drawn[64:])


def x25519mlkem768_key(seed: bytes, x25519: bytes) -> bytes:
    """1216 bytes of an X25519MLKEM768 share. Its ML-KEM half passes as an encapsulation key (FIPS 203 section 7.2: coefficients below the
    prime). Nobody holds its key, so a handshake that settles on it ends after the ServerHello."""
    drawn = shake_256(b"ml-kem" + seed).digest(2 * 768 + 32)
    numbers = [(drawn[2 * i] << 8 | drawn[2 * i + 1]) % MLKEM_PRIME for i in range(768)]
    packed = b"".join((a | b << 12).to_bytes(3, "little") for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    return packed + drawn[-32:] + x25519
