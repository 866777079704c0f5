"""Every encrypted name: the bytes around what is encrypted are asserted; what is inside a configured hello is decrypted by another implementation."""

from __future__ import annotations

from hashlib import sha256

import pytest

from dpiprobe.tls.ech import key_schedule, shared_secret
from dpiprobe.tls.hello import parse, parse_message
from dpiprobe.tls.vary.catalogue import variation
from dpiprobe.tls.vary.esni_ech import EXAMPLE_CONFIG, EXAMPLE_KEY
from dpiprobe.tls.vary.variation import apply
from tests.tls.vary.wire import CIPHERS, base, extensions, message, payloads, sni, wire

EXPECTED: dict[str, bytes] = {}
DRAWN = {"ech-grease", "ech-grease-other-name", "ech-config", "ech-none", "esni", "esni-and-name"}
GREASE_SIZE = 1 + 2 + 2 + 1 + 2 + 32 + 2 + 144
CONFIG = bytes.fromhex(EXAMPLE_CONFIG)


@pytest.mark.parametrize(("recipe", "name"), [("ech-grease", b"www.blocked.example"), ("ech-grease-other-name", b"www.example.com")])
def test_ech_grease(recipe: str, name: bytes) -> None:
    (sent,) = payloads(recipe)
    body = sent[-GREASE_SIZE:]
    assert body == bytes.fromhex("00 0001 0001") + body[5:6] + bytes.fromhex("0020") + body[8:40] + bytes.fromhex("0090") + body[42:]
    assert sent == wire([*extensions(sni(name)), ("fe0d", body.hex())])


def test_ech_none_undoes_it() -> None:
    hello = apply(base(), [variation("ech-grease")]).hello
    assert apply(hello, [variation("ech-none")]).sending.stream == wire()


@pytest.mark.parametrize(("recipe", "names"), [("esni", ()), ("esni-and-name", (sni(),))])
def test_esni(recipe: str, names: tuple[tuple[str, str], ...]) -> None:
    (sent,) = payloads(recipe)
    size = 2 + (2 + 2 + 32) + (2 + 32) + (2 + 292)
    body = sent[-size:]
    assert body == (
        bytes.fromhex("1301 001d 0020") + body[6:38] + bytes.fromhex("0020") + body[40:72] + bytes.fromhex("0124") + body[74:]
    )
    assert sent == wire([*extensions(*names), ("ffce", body.hex())])


def test_the_example_configuration() -> None:
    """RFC 9849 section 4, field by field."""
    contents = "2a 0020 0020" + EXAMPLE_KEY + "0004 0001 0001 00 0e" + b"public.example".hex() + "0000"
    size = len(bytes.fromhex(contents))
    assert bytes.fromhex(f"{size + 4:04x} fe0d {size:04x}" + contents) == CONFIG


def test_a_configured_hello_opens_to_the_true_one() -> None:
    """The outer hello is put together by hand; the receiver's half of HPKE is held to RFC 9180 and another implementation in tests/tls/test_ech.py."""
    aead = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")
    (sent,) = payloads("ech-config")
    start = sent.index(bytes.fromhex("fe0d")) + 4
    body = sent[start:]
    payload = body[42:]
    assert body == bytes.fromhex("00 0001 0001 2a 0020") + body[8:40] + len(payload).to_bytes(2, "big") + payload
    assert sent == wire([*extensions(sni(b"public.example")), ("fe0d", body.hex())])
    around = message([*extensions(sni(b"public.example")), ("fe0d", body[:42].hex() + "00" * len(payload))])[4:]
    shared = shared_secret(sha256(b"dpiprobe ech").digest(), b"", enc=body[8:40])
    key, nonce = key_schedule(shared, b"tls ech\0" + CONFIG[2:], 1, 1)
    plain = aead.AESGCM(key).decrypt(nonce, payload, around)
    random = plain[2:34]
    inner = [e if e[0] != "002b" else ("002b", "02 0304") for e in extensions(sni())]
    expected = message([*inner, ("fe0d", "01")], random=random, session_id=b"", ciphers=CIPHERS)[4:]
    assert plain == expected + bytes(len(plain) - len(expected))
    assert len(plain) % 32 == 0 and len(plain) - len(expected) < 32 + 9
    opened = parse_message(b"\x01" + len(expected).to_bytes(3, "big") + expected)
    assert opened is not None and opened.server_name == "www.blocked.example"


def test_base64_is_read_as_well() -> None:
    import base64

    assert payloads("ech-config:config=" + base64.b64encode(CONFIG).decode()) == payloads("ech-config")
    assert parse(payloads("ech-config")[0]).ech == "ech"  # type: ignore[union-attr]
