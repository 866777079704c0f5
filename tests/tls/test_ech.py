"""Configurations are read as they are; HPKE is RFC 9180's, by its own vector and by another implementation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.ech import build_config, configs_of, encrypted, key_schedule, read_configs, shared_secret
from dpiprobe.tls.hello import parse

pytest.importorskip("cryptography")

# RFC 9180 appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode
EPHEMERAL = bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
ENC = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
RECEIVER = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
PUBLIC = bytes.fromhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
SHARED = bytes.fromhex("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc")


def test_the_vector_of_rfc_9180() -> None:
    assert shared_secret(EPHEMERAL, PUBLIC) == SHARED
    assert shared_secret(RECEIVER, b"", enc=ENC) == SHARED
    key, nonce = key_schedule(SHARED, INFO, 1, 1)
    assert (key.hex(), nonce.hex()) == ("4531685d41d65f03dc48f6b8302c05b0", "56d890e5accaaf011cff4b7d")


@pytest.mark.parametrize(("kdf", "aead"), [(1, 1), (1, 2), (1, 3), (2, 2), (3, 3)])
def test_what_another_implementation_seals_opens(kdf: int, aead: int) -> None:
    hpke = pytest.importorskip("cryptography.hazmat.primitives.hpke")
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    kdfs = {1: hpke.KDF.HKDF_SHA256, 2: hpke.KDF.HKDF_SHA384, 3: hpke.KDF.HKDF_SHA512}
    aeads = {1: hpke.AEAD.AES_128_GCM, 2: hpke.AEAD.AES_256_GCM, 3: hpke.AEAD.CHACHA20_POLY1305}
    sealed = hpke.Suite(hpke.KEM.X25519, kdfs[kdf], aeads[aead]).encrypt(b"in", X25519PublicKey.from_public_bytes(PUBLIC), info=INFO)
    key, nonce = key_schedule(shared_secret(RECEIVER, b"", enc=sealed[:32]), INFO, kdf, aead)
    cipher = ChaCha20Poly1305(key) if aead == 3 else AESGCM(key)
    assert cipher.decrypt(nonce, sealed[32:], b"") == b"in"


# ---- configurations


def test_a_configuration_is_read_back() -> None:
    (config,) = read_configs(build_config(7, PUBLIC, b"public.example", 64, ((1, 1), (1, 3))))
    assert (config.config_id, config.kem, config.public_key) == (7, 0x20, PUBLIC)
    assert (config.suites, config.longest_name, config.public_name) == (((1, 1), (1, 3)), 64, b"public.example")


def test_unknown_versions_are_passed_over() -> None:
    ours = build_config(7, PUBLIC, b"public.example")[2:]
    other = bytes.fromhex("fe0a 0003 010203")
    (config,) = read_configs((len(ours) + len(other)).to_bytes(2, "big") + other + ours)
    assert config.raw == ours


@given(st.binary(max_size=120))
def test_rubbish_is_the_callers_error(data: bytes) -> None:
    good = build_config(7, PUBLIC, b"public.example")
    for raw in (data, good[:-1], good + data, good[:4] + data + good[4:]):
        try:
            read_configs(raw)
        except UsageError:
            continue
    with pytest.raises(UsageError, match="base64"):
        configs_of("!!")
    with pytest.raises(UsageError, match="0xfe0d"):
        read_configs(bytes.fromhex("0007 fe0a 0003 010203"))


def test_names_of_different_length_give_payloads_of_one_length_where_the_configuration_says_so() -> None:
    config = read_configs(build_config(7, PUBLIC, b"public.example", 64))[0]
    lengths = set()
    for name in ("a.example", "a-rather-longer.example"):
        hello = parse(client_hello(name, b"s"))
        assert hello is not None
        outer = encrypted(hello, config, b"seed")
        assert (outer.server_name, outer.problems) == ("public.example", ())
        lengths.add(outer.end)
    assert len(lengths) == 1


def test_what_cannot_be_encrypted() -> None:
    config = read_configs(build_config(7, PUBLIC, b"public.example"))[0]
    hello = parse(client_hello("a.example", b"s"))
    assert hello is not None
    with pytest.raises(UsageError, match="algorithms"):
        encrypted(hello, replace(config, suites=((1, 9),)), b"")
    with pytest.raises(UsageError, match="algorithms"):
        encrypted(hello, replace(config, kem=0x10), b"")
    old = replace(hello, extensions=tuple(e for e in hello.extensions or () if e.type != 43))
    with pytest.raises(UsageError, match=r"TLS 1\.3"):
        encrypted(old, config, b"")
    with pytest.raises(UsageError, match="X25519"):
        encrypted(hello, replace(config, public_key=b"short"), b"")
