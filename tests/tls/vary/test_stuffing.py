"""Every way to fill a hello up, byte for byte; what is drawn is read out and the rest asserted around it."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import CIPHERS, extensions, message, payloads, records, sni, wire

EXPECTED: dict[str, list[bytes]] = {
    "stuff-session-id-0": [wire(session_id=b"")],
    "stuff-compression-255": [wire(compression="00" + bytes(range(1, 255)).hex())],
    "stuff-padding-1400": [wire([("0015", "00" * 1400), *extensions(sni())])],
    "stuff-padding-16000": [wire([("0015", "00" * 16_000), *extensions(sni())])],
}
DRAWN = {"stuff-session-id-33", "stuff-session-id-255", "stuff-ciphers-700", "stuff-ciphers-8000"}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == EXPECTED[name]


@pytest.mark.parametrize("length", [33, 255])
def test_session_ids(length: int) -> None:
    (sent,) = payloads(f"stuff-session-id-{length}")
    drawn = sent[44 : 44 + length]
    assert sent == wire(session_id=drawn)
    assert len(set(drawn)) > 10


@pytest.mark.parametrize("count", [700, 8000])
def test_ciphers(count: int) -> None:
    (sent,) = payloads(f"stuff-ciphers-{count}")
    joined = sent[5 : 5 + 16_384] + sent[5 + 16_384 + 5 :]
    more = joined[73 + 16 : 73 + 2 * count]
    whole = message(ciphers=CIPHERS + more.hex())
    assert sent == b"".join(records(whole, *([16_384] if len(whole) > 16_384 else [])))
    numbers = [int.from_bytes(more[i : i + 2], "big") for i in range(0, len(more), 2)]
    assert len(numbers) == count - 8
    assert all(0xD100 <= n < 0xFF00 for n in numbers)
