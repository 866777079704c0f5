"""A client certificate with a chosen common name, for servers that ask for one.

Alone responsible for making it and giving it to a TLS context. Up to TLS 1.2 it crosses the wire in clear text, so a filter can read its name
(CenFuzz, "client certificate"); the context is held to 1.2 for that.

Rules of this file: self-signed, fresh key each time, valid for the years around its use. `cryptography` is imported inside; without it EnvironmentError_.
"""

from __future__ import annotations

import datetime
import ssl
import tempfile
from functools import lru_cache
from pathlib import Path

from dpiprobe.errors import EnvironmentError_


@lru_cache(maxsize=8)
def certificate_for(common_name: str) -> bytes:
    """Key and certificate, PEM; the same within one process."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise EnvironmentError_("a client certificate needs the package cryptography; pip install 'dpiprobe[lab]'") from None
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=365)).not_valid_after(now + datetime.timedelta(days=365)).sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def present(context: ssl.SSLContext, common_name: str) -> None:
    """Let a client's context present a certificate of this name, in clear text: TLS 1.2 at the highest."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory(prefix="dpiprobe-") as folder:
        path = Path(folder) / "client.pem"
        path.touch(mode=0o600)
        path.write_bytes(certificate_for(common_name))
        context.load_cert_chain(path)
