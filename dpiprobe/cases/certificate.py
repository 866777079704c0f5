"""A TLS 1.2 server's first flight with a certificate in the clear, for cases that show whose certificate came.

Rules of this file: the DER is as small as it can be and still be walked (RFC 5280 section 4.1: serial, algorithm, issuer, validity, subject); no
key in it is real, no signature valid. What matters is that two certificates differ, and who says to have issued them.
"""

from __future__ import annotations

import hashlib


def certificate(subject: str, issuer: str, serial: int = 1) -> bytes:
    """DER of a certificate with these common names."""
    algorithm = _der(0x30, bytes.fromhex("06082a8648ce3d040302"))  # ecdsa-with-SHA256, RFC 5758 section 3.2
    validity = _der(0x30, _der(0x17, b"260101000000Z") + _der(0x17, b"270101000000Z"))
    fields = _der(0x02, serial.to_bytes(4, "big")) + algorithm + _name(issuer) + validity + _name(subject)
    return _der(0x30, _der(0x30, fields) + algorithm + _der(0x03, b"\0" + hashlib.sha256(fields).digest()))


def flight(seed: str, der: bytes) -> bytes:
    """ServerHello (TLS 1.2), Certificate and ServerHelloDone in one record (RFC 5246 section 7.4)."""
    noise = hashlib.sha256(seed.encode()).digest()
    hello = b"\x03\x03" + noise + b"\0" + bytes.fromhex("c02b00")  # ECDHE-ECDSA with AES-128-GCM
    chain = len(der).to_bytes(3, "big") + der
    messages = _message(2, hello) + _message(11, len(chain).to_bytes(3, "big") + chain) + _message(14, b"")
    return b"\x16\x03\x03" + len(messages).to_bytes(2, "big") + messages


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _name(common: str) -> bytes:
    """A distinguished name that is a common name alone (OID 2.5.4.3)."""
    return _der(0x30, _der(0x31, _der(0x30, bytes.fromhex("0603550403") + _der(0x0C, common.encode()))))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content
