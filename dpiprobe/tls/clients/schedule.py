"""Secrets of a TLS connection: the key schedule of TLS 1.3 (RFC 8446 section 7.1) and the PRF of TLS 1.0 to 1.2 (RFC 5246 section 5, RFC 2246).

Rules of this file: pure; hashes are named as hashlib names them; nothing here knows records or messages.
"""

from __future__ import annotations

import hashlib
import hmac


def expand_label(secret: bytes, label: str, context: bytes, length: int, algorithm: str) -> bytes:
    """HKDF-Expand-Label."""
    full = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes((len(full),)) + full + bytes((len(context),)) + context
    out = block = b""
    counter = 1
    while len(out) < length:
        block = hmac.digest(secret, block + info + bytes((counter,)), algorithm)
        out += block
        counter += 1
    return out[:length]


def derive_secret(secret: bytes, label: str, transcript_hash: bytes, algorithm: str) -> bytes:
    """Derive-Secret, given the hash of the transcript."""
    return expand_label(secret, label, transcript_hash, hashlib.new(algorithm).digest_size, algorithm)


def handshake_secret(shared: bytes, algorithm: str) -> bytes:
    """The handshake secret without pre-shared key."""
    zeros = bytes(hashlib.new(algorithm).digest_size)
    early = hmac.digest(zeros, zeros, algorithm)
    return hmac.digest(derive_secret(early, "derived", hashlib.new(algorithm).digest(), algorithm), shared, algorithm)


def master_secret(handshake: bytes, algorithm: str) -> bytes:
    """The master secret of TLS 1.3."""
    zeros = bytes(hashlib.new(algorithm).digest_size)
    return hmac.digest(derive_secret(handshake, "derived", hashlib.new(algorithm).digest(), algorithm), zeros, algorithm)


def finished(base: bytes, transcript_hash: bytes, algorithm: str) -> bytes:
    """The verify_data of TLS 1.3 (RFC 8446 section 4.4.4)."""
    key = expand_label(base, "finished", b"", hashlib.new(algorithm).digest_size, algorithm)
    return hmac.digest(key, transcript_hash, algorithm)


def prf(secret: bytes, label: bytes, seed: bytes, length: int, version: int, algorithm: str) -> bytes:
    """The PRF: P_hash in TLS 1.2 (RFC 5246 section 5), P_MD5 xor P_SHA1 before (RFC 2246 section 5)."""
    if version >= 0x0303:
        return _p_hash(secret, label + seed, length, algorithm)
    half = (len(secret) + 1) // 2
    first = _p_hash(secret[:half], label + seed, length, "md5")
    second = _p_hash(secret[len(secret) - half :], label + seed, length, "sha1")
    return bytes([a ^ b for a, b in zip(first, second, strict=True)])


def transcript_hash(messages: bytes, version: int, algorithm: str) -> bytes:
    """The hash over all handshake messages: MD5 and SHA-1 together before TLS 1.2."""
    if version >= 0x0303:
        return hashlib.new(algorithm, messages).digest()
    return hashlib.md5(messages, usedforsecurity=False).digest() + hashlib.sha1(messages, usedforsecurity=False).digest()


def _p_hash(secret: bytes, seed: bytes, length: int, algorithm: str) -> bytes:
    out = b""
    a = seed
    while len(out) < length:
        a = hmac.digest(secret, a, algorithm)
        out += hmac.digest(secret, a + seed, algorithm)
    return out[:length]
