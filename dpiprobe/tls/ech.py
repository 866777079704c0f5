"""Encrypted ClientHello (RFC 9849): configurations read, and a hello sealed under one.

Alone responsible for ECHConfigList, the inner and the outer hello, and HPKE's base mode (RFC 9180) as far as ECH needs it.

Rules of this file:
- The inner hello is the given one with TLS 1.3 alone; no outer extensions are referenced, so it holds all of its own. Its name is padded as
  RFC 9849 section 6.1.3 says. The outer hello is the given one with the configuration's public name.
- No randomness: the inner random and the ephemeral key are drawn from the caller's seed, so the seed must stay secret where the name has to.
- X25519 alone (0x0020), which every deployment uses; HKDF-SHA256/384/512; AES-GCM and ChaCha20-Poly1305.
- `cryptography` is imported inside; without it EnvironmentError_ says so.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, replace
from hashlib import shake_256
from typing import TYPE_CHECKING

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.tls.extension import ech_body, versions_body
from dpiprobe.tls.hello import (
    ENCRYPTED_CLIENT_HELLO,
    PADDING,
    PRE_SHARED_KEY,
    SUPPORTED_VERSIONS,
    ClientHello,
    Extension,
    build_message,
)
from dpiprobe.tls.rename import check_whole, reframed, with_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

VERSION = 0xFE0D  # RFC 9849 section 4
X25519_KEM = 0x0020  # RFC 9180 section 7.1
_HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}  # RFC 9180 section 7.2
_KEY_SIZES = {1: 16, 2: 32, 3: 32}  # RFC 9180 section 7.3: AES-128-GCM, AES-256-GCM, ChaCha20Poly1305
_TAG = 16
_INNER = b"\x01"  # RFC 9849 section 5: ECHClientHelloType inner


@dataclass(frozen=True, slots=True)
class Config:
    """One ECHConfig. `raw`: all of it, version and length included; suites: (KDF, AEAD) pairs."""

    config_id: int
    kem: int
    public_key: bytes
    suites: tuple[tuple[int, int], ...]
    longest_name: int
    public_name: bytes
    raw: bytes


def read_configs(data: bytes) -> tuple[Config, ...]:
    """The configurations of an ECHConfigList that this version knows. UsageError where the list is malformed or holds none."""
    found: list[Config] = []
    try:
        if len(data) != 2 + int.from_bytes(data[:2], "big"):
            raise ValueError
        at = 2
        while at < len(data):
            version, length = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
            raw = data[at : at + 4 + length]
            if len(raw) != 4 + length:
                raise ValueError
            if version == VERSION:
                found.append(_read_config(raw))
            at += 4 + length
    except (ValueError, IndexError):
        raise UsageError("this is no ECHConfigList; give the ech= value of an HTTPS record, in base64 or hex") from None
    if not found:
        raise UsageError("this ECHConfigList holds no configuration of version 0xfe0d; give one that does")
    return tuple(found)


def configs_of(text: str) -> tuple[Config, ...]:
    """The same from text: base64 as DNS shows it, or hex."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise UsageError("this is neither base64 nor hex; give the ech= value of an HTTPS record") from None
    return read_configs(data)


def build_config(config_id: int, public_key: bytes, public_name: bytes, longest_name: int = 0, suites: tuple[tuple[int, int], ...] = ((1, 1),)) -> bytes:
    """An ECHConfigList of one configuration."""
    told = b"".join(kdf.to_bytes(2, "big") + aead.to_bytes(2, "big") for kdf, aead in suites)
    contents = bytes((config_id,)) + X25519_KEM.to_bytes(2, "big") + _vector16(public_key) + _vector16(told)
    contents += bytes((longest_name, len(public_name))) + public_name + b"\0\0"
    return _vector16(VERSION.to_bytes(2, "big") + _vector16(contents))


def encrypted(hello: ClientHello, config: Config, seed: bytes) -> ClientHello:
    """The outer hello that carries `hello`, name and all, encrypted under the configuration.

    UsageError where the hello is not whole or does not offer TLS 1.3, or the configuration has no suite known here."""
    check_whole(hello)
    if hello.extension(SUPPORTED_VERSIONS) is None:
        raise UsageError("an encrypted hello needs TLS 1.3; choose a client that offers it")
    suite = next(((kdf, aead) for kdf, aead in config.suites if kdf in _HASHES and aead in _KEY_SIZES), None)
    if suite is None or config.kem != X25519_KEM:
        raise UsageError("this configuration asks for algorithms other than X25519 with HKDF and AES-GCM or ChaCha20; give another")
    kdf, aead = suite
    plain = _encoded_inner(hello, config, shake_256(b"ech inner" + seed).digest(32))
    key = _private_key(shake_256(b"ech key" + seed).digest(32))
    enc = key.public_key().public_bytes_raw()

    def outer(payload: bytes) -> ClientHello:
        body = ech_body(config.config_id, enc, payload, kdf, aead)
        return _with_ech(with_name(hello, config.public_name), body)

    around = build_message(outer(bytes(len(plain) + _TAG)))[4:]
    shared = _shared_secret(key, config.public_key, enc)
    sealing, nonce = key_schedule(shared, b"tls ech\0" + config.raw, kdf, aead)
    return reframed(outer(_sealed(aead, sealing, nonce, plain, around)))


def key_schedule(shared: bytes, info: bytes, kdf: int, aead: int) -> tuple[bytes, bytes]:
    """HPKE's key and base nonce in base mode (RFC 9180 section 5.1)."""
    suite = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (X25519_KEM, kdf, aead))
    name = _HASHES[kdf]
    context = b"\0" + _extract(name, suite, b"", b"psk_id_hash", b"") + _extract(name, suite, b"", b"info_hash", info)
    secret = _extract(name, suite, shared, b"secret", b"")
    return _expand(name, suite, secret, b"key", context, _KEY_SIZES[aead]), _expand(name, suite, secret, b"base_nonce", context, 12)


def shared_secret(private: bytes, public: bytes, *, enc: bytes | None = None) -> bytes:
    """DHKEM's shared secret (RFC 9180 section 4.1) of a sender with an ephemeral private key, or of a receiver who was sent `enc`."""
    key = _private_key(private)
    return _shared_secret(key, public, key.public_key().public_bytes_raw()) if enc is None else _received_secret(key, enc)


def _encoded_inner(hello: ClientHello, config: Config, random: bytes) -> bytes:
    """EncodedClientHelloInner (RFC 9849 section 5.1): the hello without its session id, then zeros."""
    extensions = [
        Extension(SUPPORTED_VERSIONS, versions_body([0x0304])) if e.type == SUPPORTED_VERSIONS else e
        for e in hello.extensions or ()
        if e.type not in (PADDING, ENCRYPTED_CLIENT_HELLO)
    ]
    at = len(extensions) - (1 if extensions and extensions[-1].type == PRE_SHARED_KEY else 0)
    extensions.insert(at, Extension(ENCRYPTED_CLIENT_HELLO, _INNER))
    inner = replace(hello, random=random, session_id=b"", extensions=tuple(extensions), records=(), prefix=b"", extra=b"")
    plain = build_message(inner)[4:]
    names = hello.server_names
    room = config.longest_name - len(names[0].name) if names else config.longest_name + 9  # section 6.1.3
    plain += bytes(max(room, 0))
    return plain + bytes(31 - (len(plain) - 1) % 32)


def _with_ech(hello: ClientHello, body: bytes) -> ClientHello:
    """With this extension where it stands, else last but before pre_shared_key."""
    extensions = list(hello.extensions or ())
    at = next((i for i, e in enumerate(extensions) if e.type == ENCRYPTED_CLIENT_HELLO), None)
    if at is not None:
        extensions[at] = Extension(ENCRYPTED_CLIENT_HELLO, body)
    else:
        extensions.insert(len(extensions) - (1 if extensions and extensions[-1].type == PRE_SHARED_KEY else 0), Extension(ENCRYPTED_CLIENT_HELLO, body))
    return reframed(replace(hello, extensions=tuple(extensions)))


def _read_config(raw: bytes) -> Config:
    contents, at = raw[4:], 3
    public_key, at = _read_vector(contents, at, 2)
    told, at = _read_vector(contents, at, 2)
    numbers = [int.from_bytes(told[i : i + 2], "big") for i in range(0, len(told), 2)]
    longest = contents[at]
    public_name, at = _read_vector(contents, at + 1, 1)
    _, at = _read_vector(contents, at, 2)
    if at != len(contents) or len(told) % 4 or not public_name:
        raise ValueError
    suites = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    return Config(contents[0], int.from_bytes(contents[1:3], "big"), public_key, suites, longest, public_name, raw)


def _read_vector(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size + int.from_bytes(data[at : at + size], "big")
    if at + size > len(data) or end > len(data):
        raise ValueError
    return data[at + size : end], end


def _vector16(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


# ---- HPKE


def _private_key(raw: bytes) -> X25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    except ImportError:
        raise EnvironmentError_("an encrypted hello needs X25519; pip install 'dpiprobe[quic]'") from None
    return X25519PrivateKey.from_private_bytes(raw)


def _exchange(key: X25519PrivateKey, public: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    try:
        return key.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise UsageError("the configuration's public key is no X25519 key; give another configuration") from None


def _shared_secret(key: X25519PrivateKey, public: bytes, enc: bytes) -> bytes:
    return _derived(_exchange(key, public), enc + public)


def _received_secret(key: X25519PrivateKey, enc: bytes) -> bytes:
    return _derived(_exchange(key, enc), enc + key.public_key().public_bytes_raw())


def _derived(exchanged: bytes, context: bytes) -> bytes:
    suite = b"KEM" + X25519_KEM.to_bytes(2, "big")
    return _expand("sha256", suite, _extract("sha256", suite, b"", b"eae_prk", exchanged), b"shared_secret", context, 32)


def _extract(name: str, suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    """LabeledExtract (RFC 9180 section 4)."""
    size = hmac.new(b"", digestmod=name).digest_size
    return hmac.digest(salt or bytes(size), b"HPKE-v1" + suite + label + material, name)


def _expand(name: str, suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """LabeledExpand (RFC 9180 section 4), over HKDF-Expand (RFC 5869 section 2.3)."""
    told = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    out = block = b""
    count = 1
    while len(out) < length:
        block = hmac.digest(secret, block + told + bytes((count,)), name)
        out += block
        count += 1
    return out[:length]


def _sealed(aead: int, key: bytes, nonce: bytes, plain: bytes, around: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    cipher = ChaCha20Poly1305(key) if aead == 3 else AESGCM(key)
    return cipher.encrypt(nonce, plain, around)
