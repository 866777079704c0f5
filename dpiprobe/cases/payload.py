"""Bytes that a TLS server or client would send, for cases that are built: right in their frame, noise inside, the same for the same seed."""

from __future__ import annotations

import hashlib


def server_flight(seed: str, size: int) -> bytes:
    """A TLS 1.3 server's first flight: ServerHello (RFC 8446 section 4.1.3), change_cipher_spec, encrypted records; `size` bytes in all."""
    noise = hashlib.shake_256(f"{seed}/server".encode()).digest(size + 256)
    extensions = bytes.fromhex("002b00020304") + bytes.fromhex("00330024001d0020") + noise[32:64]
    body = b"\x03\x03" + noise[:32] + b"\x00" + bytes.fromhex("130100") + len(extensions).to_bytes(2, "big") + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    flight = b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message + bytes.fromhex("140303000101")
    return flight + application_data(f"{seed}/certificate", max(size - len(flight), 64))


def application_data(seed: str, size: int) -> bytes:
    """One encrypted record of `size` bytes, header included (RFC 8446 section 5.2)."""
    return b"\x17\x03\x03" + (size - 5).to_bytes(2, "big") + hashlib.shake_256(seed.encode()).digest(size - 5)
