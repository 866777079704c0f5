"""Certificates made on the spot: a server's own, and those of an authority that an intercepting box brings.

Rules of this file: keys live in memory; OpenSSL wants a file to load them from, so they pass through an anonymous memory file. Nothing is on disk.
"""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_VALID = datetime.timedelta(days=30)


class Authority:
    """Signs certificates for any name; `issuer` is its common name."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.contexts: dict[str, ssl.SSLContext] = {}

    @cached_property
    def key(self) -> EllipticCurvePrivateKey:
        """Its private key."""
        return _new_key()

    @cached_property
    def root(self) -> x509.Certificate:
        """Its own certificate."""
        return _sign(self.issuer, [], self.key, self.issuer, self.key, authority=True)

    def pem(self) -> bytes:
        """Private key and certificate, for a program that signs by itself."""
        return _pem(self.key, [self.root])

    def context(self, name: str) -> ssl.SSLContext:
        """A server's context with a certificate for this name, made once."""
        if name not in self.contexts:
            key = _new_key()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(["http/1.1"])
            load(context, _pem(key, [_sign(name, [name], key, self.issuer, self.key), self.root]))
            self.contexts[name] = context
        return self.contexts[name]


def self_signed(common_name: str, names: Sequence[str]) -> bytes:
    """PEM of a fresh P-256 key and a certificate for these names that it signed itself."""
    key = _new_key()
    return _pem(key, [_sign(common_name, names, key, common_name, key)])


def load(context: ssl.SSLContext, pem: bytes) -> None:
    """Give a context its key and certificates."""
    fd = os.memfd_create("lab-key")
    try:
        os.write(fd, pem)
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _sign(
    subject: str, names: Sequence[str], key: EllipticCurvePrivateKey, issuer: str, issuer_key: EllipticCurvePrivateKey, *, authority: bool = False
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    def common(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])

    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(common(subject)).issuer_name(common(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )  # fmt: skip
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in dict.fromkeys(names)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(key: EllipticCurvePrivateKey, certificates: Sequence[x509.Certificate]) -> bytes:
    from cryptography.hazmat.primitives import serialization

    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)
