"""Every odd server_name extension, byte for byte."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import HOST, NAME, extensions, payloads, sni, wire

N = NAME.hex()  # 19 bytes: 0x13; an entry has 0x16
HOST_ENTRY = "000013" + N


def body(data: str) -> bytes:
    return wire(extensions(("0000", data)))


EXPECTED: dict[str, bytes] = {
    "names-twice": body("002c" + HOST_ENTRY + HOST_ENTRY),
    "names-type-1": body("0016" + "010013" + N),
    "names-type-255": body("0016" + "ff0013" + N),
    "names-type-before": body("001a" + "01000178" + HOST_ENTRY),
    "names-type-behind": body("001a" + HOST_ENTRY + "01000178"),
    "names-extension-twice": wire(extensions(sni(), sni())),
    "names-empty-list": body("0000"),
    "names-empty-body": body(""),
    "names-list-length-short": body("0015" + HOST_ENTRY),
    "names-list-length-long": body("0017" + HOST_ENTRY),
    "names-name-length-short": body("0016" + "000012" + N),
    "names-name-length-long": body("0016" + "000014" + N),
    "names-bytes-behind": body("0016" + HOST_ENTRY + "00000000"),
}
DRAWN = {"names-two-name-first", "names-two-name-last", "names-two-extensions-name-first", "names-two-extensions-name-last"}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == [EXPECTED[name]]


def test_two_names_in_one_list() -> None:
    for place, at in (("first", HOST + 22), ("last", HOST)):
        (sent,) = payloads(f"names-two-name-{place}")
        other = sent[at : at + 19]
        assert other.endswith(b".example") and other != NAME
        entries = [HOST_ENTRY, "000013" + other.hex()]
        assert sent == body("002c" + "".join(entries if place == "first" else entries[::-1]))
    entry = "00000b" + b"other.world".hex()
    assert payloads("names-two-name-last:other=other.world;name=last") == [body(f"{0x16 + 14:04x}" + entry + HOST_ENTRY)]


def test_two_extensions() -> None:
    for place, at in (("first", HOST + 28), ("last", HOST)):
        (sent,) = payloads(f"names-two-extensions-name-{place}")
        other = sent[at : at + 19]
        assert other.endswith(b".example") and other != NAME
        pair = [sni(), sni(other)]
        assert sent == wire(extensions(*(pair if place == "first" else pair[::-1])))
