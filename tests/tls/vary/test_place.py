"""Every place of the name, byte for byte."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import NAME, extensions, message, payloads, records, sni, wire

REST = extensions()


def padded(size: int) -> bytes:
    return message([("0015", "00" * size), sni(), *REST])


# The name begins at byte 111 where server_name is the second extension, at 107 where it is the first. A padding extension of n bytes in front moves it
# by 4 + n; each full record of 2^14 bytes by 5 more.
EXPECTED: dict[str, list[bytes]] = {
    "place-first": [wire([sni(), *REST])],
    "place-last": [wire([*REST, sni()])],
    "place-behind-1400": [records(padded(1500 - 107 - 4))[0]],
    "place-behind-4096": [records(padded(4400 - 107 - 4))[0]],
    "place-behind-16384": [b"".join(records(padded(16_500 - 107 - 4 - 5), 16_384))],
    "place-behind-32768": [b"".join(records(padded(33_000 - 107 - 4 - 10), 16_384, 32_768))],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == EXPECTED[name]


@pytest.mark.parametrize(("name", "at"), [("1400", 1500), ("4096", 4400), ("16384", 16_500), ("32768", 33_000)])
def test_the_name_begins_where_it_says(name: str, at: int) -> None:
    assert payloads(f"place-behind-{name}")[0].index(NAME) == at


def test_another_extension_can_push() -> None:
    assert payloads("place-behind-1400:offset=200;number=0xabcd") == [wire([("abcd", "00" * (200 - 107 - 4)), sni(), *REST])]
