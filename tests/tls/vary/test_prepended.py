"""Every record before the hello, byte for byte."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import payloads, wire

EXPECTED: dict[str, bytes] = {
    "before-hello-request": bytes.fromhex("16 0301 0004 00000000") + wire(),
    "before-empty-handshake": bytes.fromhex("16 0301 0004 01000000") + wire(),
    "before-empty-record": bytes.fromhex("16 0301 0000") + wire(),
    "before-alert": bytes.fromhex("15 0301 0002 015a") + wire(),
    "before-change-cipher-spec": bytes.fromhex("14 0301 0001 01") + wire(),
    "before-heartbeat": bytes.fromhex("18 0301 0016 01 0003" + "00" * 19) + wire(),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == [EXPECTED[name]]


def test_version_and_content_are_parameters() -> None:
    assert payloads("before-alert:version=0x0303;body=0100") == [bytes.fromhex("15 0303 0002 0100") + wire()]
