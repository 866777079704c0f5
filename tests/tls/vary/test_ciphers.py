"""Every variation of ciphers, byte for byte."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import ALPN, CIPHERS, EMS, FORMATS, GROUPS, SIGNATURES, payloads, sni, wire

TLS_1_2 = [EMS, sni(), GROUPS, FORMATS, SIGNATURES, ALPN]  # what is left of the extensions where 1.2 is the highest version
CENFUZZ_1_2 = [
    "0005", "000a", "002f", "0035", "003c", "009c", "009d", "c007", "c009", "c00a", "c011",
    "c012", "c013", "c014", "c023", "c027", "c02f", "c02b", "c030", "c02c", "cca8", "cca9",
]  # fmt: skip
CENFUZZ_1_3 = ["1301", "1302", "1303"]

EXPECTED: dict[str, bytes] = {
    **{f"cipher-{c}": wire(TLS_1_2, ciphers=c) for c in CENFUZZ_1_2},
    **{f"cipher-{c}": wire(ciphers=c) for c in CENFUZZ_1_3},
    **{f"cipher-{c}-in-0303": wire(TLS_1_2, ciphers=c) for c in CENFUZZ_1_3},
    "cipher-order-reversed": wire(ciphers="002f c013 009c cca8 c02f 1303 1302 1301"),
}
DRAWN = {"cipher-order-shuffled"}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == [EXPECTED[name]]


def test_shuffled() -> None:
    (sent,) = payloads("cipher-order-shuffled")
    found = sent[78 : 78 + 16]
    assert sent == wire(ciphers=found.hex())
    pairs = [found[i : i + 2].hex() for i in range(0, 16, 2)]
    assert sorted(pairs) == sorted(CIPHERS.split()) and pairs != CIPHERS.split()
