"""Every variation of the extensions, byte for byte."""

from __future__ import annotations

import pytest

from dpiprobe.tls.hello import parse
from tests.tls.vary.wire import (
    ALPN,
    CIPHERS,
    EMS,
    FORMATS,
    GROUPS,
    KEY,
    MODES,
    SHARES,
    SIGNATURES,
    VERSIONS,
    Ext,
    extensions,
    message,
    payloads,
    records,
    sni,
    wire,
)

ALL = extensions(sni())
UNKNOWN: Ext = ("abcd", "00" * 16)


def with_alpn(*alpn: Ext) -> bytes:
    return wire([EMS, sni(), GROUPS, FORMATS, SIGNATURES, *alpn, VERSIONS, MODES, SHARES])


EXPECTED: dict[str, bytes] = {
    "extensions-reversed": wire(ALL[::-1]),
    "extensions-ascending": wire([sni(), GROUPS, FORMATS, SIGNATURES, ALPN, EMS, VERSIONS, MODES, SHARES]),
    "extensions-none": wire(block=False),
    "extensions-empty": wire([]),
    "extensions-only-name": wire([sni()]),
    "extensions-twice": wire([e for e in ALL for _ in range(2)]),
    "extensions-grease": wire(
        [("2a2a", ""), EMS, sni(), ("000a", "0008 9a9a 001d 0017 0018"), FORMATS, SIGNATURES, ALPN, ("002b", "06 4a4a 0304 0303"), MODES,
         ("0033", "0029 9a9a 0001 00 001d 0020" + KEY.hex()), ("7a7a", "00")],
        ciphers="caca" + CIPHERS,
    ),
    "extension-unknown-first": wire([UNKNOWN, *ALL]),
    "extension-unknown-last": wire([*ALL, UNKNOWN]),
    "alpn-none": with_alpn(),
    "alpn-h2": with_alpn(("0010", "0003 02 6832")),
    "alpn-http-1.1": with_alpn(("0010", "0009 08 687474702f312e31")),
    "alpn-other": with_alpn(("0010", "0005 04 696d6170")),
    "key-share-classic": wire(),
    "key-share-none": wire([*ALL[:-1], ("0033", "0000")]),
    "without-supported-groups": wire([e for e in ALL if e[0] != "000a"]),
    "without-signature-algorithms": wire([e for e in ALL if e[0] != "000d"]),
}  # fmt: skip
DRAWN = {"extensions-shuffled", "key-share-post-quantum", "pre-shared-key"}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == [EXPECTED[name]]


def test_shuffled() -> None:
    (sent,) = payloads("extensions-shuffled")
    hello = parse(sent)
    assert hello is not None
    order = [f"{e.type:04x}" for e in hello.extensions or ()]
    assert order != [kind for kind, _ in ALL]
    assert sent == wire([(kind, dict(ALL)[kind]) for kind in order])


def test_post_quantum_share() -> None:
    """The X25519 half is the one of the classic share; the ML-KEM half's coefficients are below its prime (FIPS 203)."""
    (sent,) = payloads("key-share-post-quantum")
    start = sent.index(bytes.fromhex("11ec 04c0")) + 4
    key = sent[start : start + 1216]
    assert key[-32:] == KEY
    triples = [int.from_bytes(key[i : i + 3], "little") for i in range(0, 1152, 3)]
    assert max(max(t & 0xFFF, t >> 12) for t in triples) < 3329
    share = ("0033", f"{4 + 1216 + 4 + 32:04x} 11ec 04c0" + key.hex() + "001d 0020" + KEY.hex())
    assert sent == wire([EMS, sni(), ("000a", "0008 11ec 001d 0017 0018"), FORMATS, SIGNATURES, ALPN, VERSIONS, MODES, share])
    assert len(sent) - len(wire()) == 4 + 1216 + 2


def test_the_classic_share_undoes_it() -> None:
    from dpiprobe.tls.vary.catalogue import variation
    from dpiprobe.tls.vary.variation import apply

    (sent,) = payloads("key-share-post-quantum")
    hello = parse(sent)
    assert hello is not None
    assert apply(hello, [variation("key-share-classic")]).sending.stream == wire()


def test_pre_shared_key_is_last() -> None:
    (sent,) = payloads("pre-shared-key")
    size = 2 + (2 + 192 + 4) + 2 + (1 + 32)
    body = sent[-size:]
    identity, age, binder = body[4 : 4 + 192], body[196:200], body[-32:]
    assert body == bytes.fromhex("00c6 00c0") + identity + age + bytes.fromhex("0021 20") + binder
    assert sent == wire([*ALL, ("0029", body.hex())])
    assert payloads("pre-shared-key:identity=4;binder=32")[0][-(2 + 10 + 2 + 33) - 4 :][:6] == bytes.fromhex("0029 002f 000a")


def test_order_keeps_pre_shared_key_last() -> None:
    from dpiprobe.tls.vary.catalogue import variation
    from dpiprobe.tls.vary.variation import apply
    from tests.tls.vary.wire import base

    made = apply(base(), [variation("pre-shared-key"), variation("extensions-reversed")])
    assert [e.type for e in made.hello.extensions or ()] == [0x33, 0x2D, 0x2B, 0x10, 0x0D, 0x0B, 0x0A, 0, 0x17, 0x29]


assert records(message())[0] == wire()
