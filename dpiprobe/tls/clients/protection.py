"""Records sealed and opened: AEAD of TLS 1.3 (RFC 8446 section 5.2) and 1.2 (RFC 5288, RFC 7905), AES-CBC with HMAC of TLS 1.0 to 1.2 (RFC 5246
section 6.2.3.2, RFC 7366 where encrypt-then-MAC is negotiated).

Alone responsible for which cipher suites can be spoken here, and for one direction's record protection.

Rules of this file: `open` answers None for a record that does not authenticate, never an exception; initialisation vectors come from the seed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import shake_256
from typing import Any

from dpiprobe.tls.clients.schedule import expand_label


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite: AEAD kind (gcm, chacha, ccm) or cbc, key length, hash of PRF or schedule; of CBC suites the HMAC's hash."""

    kind: str
    key: int
    hash: str
    mac: str = ""


SUITES: dict[int, Suite] = {
    0x1301: Suite("gcm", 16, "sha256"), 0x1302: Suite("gcm", 32, "sha384"), 0x1303: Suite("chacha", 32, "sha256"), 0x1304: Suite("ccm", 16, "sha256"),
    0xC02B: Suite("gcm", 16, "sha256"), 0xC02F: Suite("gcm", 16, "sha256"), 0xC02C: Suite("gcm", 32, "sha384"), 0xC030: Suite("gcm", 32, "sha384"),
    0xCCA8: Suite("chacha", 32, "sha256"), 0xCCA9: Suite("chacha", 32, "sha256"),
    0xC009: Suite("cbc", 16, "sha256", "sha1"), 0xC013: Suite("cbc", 16, "sha256", "sha1"),
    0xC00A: Suite("cbc", 32, "sha256", "sha1"), 0xC014: Suite("cbc", 32, "sha256", "sha1"),
    0xC023: Suite("cbc", 16, "sha256", "sha256"), 0xC027: Suite("cbc", 16, "sha256", "sha256"),
    0xC024: Suite("cbc", 32, "sha384", "sha384"), 0xC028: Suite("cbc", 32, "sha384", "sha384"),
}  # fmt: skip
"""TLS 1.3, and the ECDHE suites of TLS 1.2 and older; IANA TLS Cipher Suites."""

_MAC_SIZE = {"sha1": 20, "sha256": 32, "sha384": 48}


def _aead(suite: Suite, key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers import aead

    return {"gcm": aead.AESGCM, "chacha": aead.ChaCha20Poly1305, "ccm": aead.AESCCM}[suite.kind](key)


@dataclass(slots=True)
class Sealed13:
    """One direction under one TLS 1.3 traffic secret."""

    suite: Suite
    secret: bytes
    number: int = 0
    _cipher: Any = field(init=False)
    _iv: int = field(init=False)

    def __post_init__(self) -> None:
        self._cipher = _aead(self.suite, expand_label(self.secret, "key", b"", self.suite.key, self.suite.hash))
        self._iv = int.from_bytes(expand_label(self.secret, "iv", b"", 12, self.suite.hash), "big")

    def seal(self, kind: int, data: bytes) -> bytes:
        """One record."""
        head = b"\x17\x03\x03" + (len(data) + 17).to_bytes(2, "big")
        sealed: bytes = self._cipher.encrypt(self._nonce(), data + bytes((kind,)), head)
        return head + sealed

    def open(self, head: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        """Content type and content of a record."""
        from cryptography.exceptions import InvalidTag

        try:
            inner = self._cipher.decrypt(self._nonce(), fragment, head).rstrip(b"\0")
        except (InvalidTag, ValueError):
            return None
        return (inner[-1], inner[:-1]) if inner else None

    def _nonce(self) -> bytes:
        self.number += 1
        return (self._iv ^ (self.number - 1)).to_bytes(12, "big")


@dataclass(slots=True)
class Sealed12:
    """One direction of TLS 1.0 to 1.2. iv: implicit nonce of AEAD suites, first vector of CBC in TLS 1.0 · etm: encrypt-then-MAC"""

    suite: Suite
    version: int
    key: bytes
    iv: bytes
    mac_key: bytes = b""
    etm: bool = False
    number: int = 0

    def seal(self, kind: int, data: bytes) -> bytes:
        """One record."""
        sequence, version = self._sequence(), self.version.to_bytes(2, "big")
        if self.suite.kind == "cbc":
            fragment = self._seal_cbc(sequence + bytes((kind,)) + version, data)
        else:
            nonce, shown = self._nonce(sequence, None)
            extra = sequence + bytes((kind,)) + version + len(data).to_bytes(2, "big")
            fragment = shown + _aead(self.suite, self.key).encrypt(nonce, data, extra)
        return bytes((kind,)) + version + len(fragment).to_bytes(2, "big") + fragment

    def open(self, head: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        """Content type and content of a record."""
        from cryptography.exceptions import InvalidTag

        sequence = self._sequence()
        try:
            if self.suite.kind == "cbc":
                data = self._open_cbc(sequence + head[:3], fragment)
                return None if data is None else (head[0], data)
            shown = 0 if self.suite.kind == "chacha" else 8
            nonce, _ = self._nonce(sequence, fragment[:shown])
            length = len(fragment) - shown - 16
            if length < 0:
                return None
            extra = sequence + head[:3] + length.to_bytes(2, "big")
            return head[0], _aead(self.suite, self.key).decrypt(nonce, fragment[shown:], extra)
        except (InvalidTag, ValueError):
            return None

    def _nonce(self, sequence: bytes, shown: bytes | None) -> tuple[bytes, bytes]:
        """Nonce, and its part that stands in the record."""
        if self.suite.kind == "chacha":
            return (int.from_bytes(self.iv, "big") ^ int.from_bytes(sequence, "big")).to_bytes(12, "big"), b""
        explicit = sequence if shown is None else shown
        return self.iv + explicit, explicit

    def _sequence(self) -> bytes:
        self.number += 1
        return (self.number - 1).to_bytes(8, "big")

    def _seal_cbc(self, prefix: bytes, data: bytes) -> bytes:
        tag = b"" if self.etm else self._mac(prefix + len(data).to_bytes(2, "big") + data)
        body = data + tag
        fill = 15 - len(body) % 16
        body += bytes((fill,)) * (fill + 1)
        explicit = self.version >= 0x0302  # RFC 4346 section 6.2.3.2
        iv = shake_256(b"iv" + self.key + prefix).digest(16) if explicit else self.iv
        sealed = (iv if explicit else b"") + self._crypt(iv, body, encrypt=True)
        if not explicit:
            self.iv = sealed[-16:]
        return sealed + self._mac(prefix + len(sealed).to_bytes(2, "big") + sealed) if self.etm else sealed

    def _open_cbc(self, prefix: bytes, fragment: bytes) -> bytes | None:
        size = _MAC_SIZE[self.suite.mac]
        if self.etm:
            fragment, tag = fragment[:-size], fragment[-size:]
            if self._mac(prefix + len(fragment).to_bytes(2, "big") + fragment) != tag:
                return None
        iv = self.iv
        if self.version >= 0x0302:
            iv, fragment = fragment[:16], fragment[16:]
        if not fragment:
            return None
        body = self._crypt(iv, fragment, encrypt=False)
        if self.version < 0x0302:
            self.iv = fragment[-16:]
        body = body[: len(body) - body[-1] - 1]
        if self.etm:
            return body
        data, tag = body[:-size], body[-size:]
        return data if self._mac(prefix + len(data).to_bytes(2, "big") + data) == tag else None

    def _crypt(self, iv: bytes, data: bytes, *, encrypt: bool) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        cipher = Cipher(algorithms.AES(self.key), modes.CBC(iv))
        worker = cipher.encryptor() if encrypt else cipher.decryptor()
        return worker.update(data) + worker.finalize()

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self.mac_key, data, self.suite.mac)


def key_sizes(suite: Suite, version: int) -> tuple[int, int, int]:
    """MAC key, key and IV lengths in the key block (RFC 5246 section 6.3)."""
    if suite.kind == "cbc":
        return _MAC_SIZE[suite.mac], suite.key, 16 if version < 0x0302 else 0
    return 0, suite.key, 12 if suite.kind == "chacha" else 4
