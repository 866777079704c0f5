"""Certificates that the caller says a name is served with, against those that flows were shown."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.cases.build import Tape
from dpiprobe.cases.certificate import certificate, flight
from dpiprobe.errors import InputError, UsageError
from dpiprobe.explain import explain
from dpiprobe.tls.server import dns_names
from dpiprobe.verdict.expected import Expected, expected_of, looks_like_hash
from dpiprobe.verdict.model import Judgement
from tests.verdict.scene import database

OWN = certificate("odd.example", "Public CA")
RENEWED = certificate("odd.example", "Public CA", serial=2)
FORGED = certificate("odd.example", "Box CA")


def judged(tmp_path: Path, der: bytes, *expected: Expected, both: bool = False) -> Judgement:
    """A connection that is shown this certificate, beside one of another name."""
    for file in ("near.pcap", "far.pcap"):
        tape = Tape()
        for i, (name, body) in enumerate((("odd.example", der), ("fine.example", certificate("fine.example", "Public CA")))):
            talk = tape.connection(name=name, begin=1000 * i).handshake().hello().acknowledge()
            talk.says(flight(f"{i}", body), after=1.0).request().response().close()
        tape.write(tmp_path / file)
    far = read_capture(tmp_path / "far.pcap") if both else None
    return explain(read_capture(tmp_path / "near.pcap"), database=database(), expected=expected, server_side=far).judgements[0]


def test_the_expected_certificate_is_ok(tmp_path: Path) -> None:
    assert judged(tmp_path, OWN, expected_of(OWN)).verdict == "ok"
    assert judged(tmp_path, OWN, expected_of(hashlib.sha256(OWN).hexdigest(), "odd.example")).verdict == "ok"


def test_one_of_another_authority_is_interception(tmp_path: Path) -> None:
    found = judged(tmp_path, FORGED, expected_of(OWN))
    assert (found.verdict, found.technique, found.mechanism, found.position) == ("blocked", "mitm", "tls.mitm", "in-path")
    assert "consented-inspection" in found.could_be
    assert "another authority" in found.reasons[0]


def test_one_of_the_same_authority_may_be_a_new_one(tmp_path: Path) -> None:
    found = judged(tmp_path, RENEWED, expected_of(OWN))
    assert (found.verdict, found.because, found.technique) == ("insufficient", "server-or-third-party", "mitm")


def test_a_hash_does_not_know_the_authority(tmp_path: Path) -> None:
    assert judged(tmp_path, FORGED, expected_of(hashlib.sha256(OWN).hexdigest(), "odd.example")).verdict == "insufficient"


def test_an_authority_may_be_expected_as_well(tmp_path: Path) -> None:
    authority = certificate("Box CA", "Box CA")
    assert judged(tmp_path, FORGED, expected_of(authority, "odd.example")).verdict == "insufficient"
    assert judged(tmp_path, FORGED, expected_of(OWN), expected_of(authority, "odd.example")).verdict == "insufficient"


def test_other_names_are_not_asked(tmp_path: Path) -> None:
    assert judged(tmp_path, FORGED, expected_of(certificate("else.example", "Public CA"))).verdict == "ok"


def test_what_the_server_itself_sent_is_no_interception(tmp_path: Path) -> None:
    assert judged(tmp_path, FORGED, expected_of(OWN), both=True).verdict == "insufficient"


def test_pem_der_and_what_is_neither() -> None:
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(OWN) + b"-----END CERTIFICATE-----\n"
    assert expected_of(pem) == expected_of(OWN)
    assert expected_of(OWN).names == ("odd.example",)
    with pytest.raises(InputError):
        expected_of(b"hello", what="cert.pem")
    with pytest.raises(UsageError):
        expected_of(certificate("Some CA", "Some CA"), what="ca.pem")
    assert looks_like_hash(":".join(["ab"] * 32)) and looks_like_hash("AB" * 32) and not looks_like_hash("ab" * 31)


@pytest.mark.parametrize(
    ("pattern", "name", "covered"), [("*.example", "odd.example", True), ("*.example", "a.odd.example", False), ("odd.example", "Odd.Example", True)]
)
def test_a_wildcard_stands_for_one_label(pattern: str, name: str, covered: bool) -> None:
    assert Expected((pattern,), frozenset()).speaks_for(name) is covered


def test_the_hosts_of_a_real_certificate() -> None:
    x509 = pytest.importorskip("cryptography.x509")
    from datetime import UTC, datetime

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.generate_private_key(ec.SECP256R1())
    owner = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ignored.example")])
    names = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("*.b.example")])
    for critical in (False, True):
        made = x509.CertificateBuilder().subject_name(owner).issuer_name(owner).public_key(key.public_key()).serial_number(7)
        made = made.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2027, 1, 1, tzinfo=UTC)).add_extension(names, critical)
        assert dns_names(made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)) == ("a.example", "*.b.example")
