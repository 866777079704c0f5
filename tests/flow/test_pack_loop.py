"""What is told of payloads that are not kept whole."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from dpiprobe.flow import pack_loop
from dpiprobe.observe.packet_features import _lettered
from dpiprobe.wire.compiled import compiled
from dpiprobe.wire.packets import TEXT

TEXTS = re.compile(rb"[A-Za-z ]{%d}" % TEXT)


def payloads() -> list[bytes]:
    """Bytes with more and fewer letters among them, and the neighbours of letters."""
    chance = random.Random(7)
    kinds = (lambda: chance.randrange(256), lambda: chance.choice(b"AZazMm " * 9 + b"@0"), lambda: chance.choice(b"@AZ[`az{ \0\x1f!\xc1\xda"))
    made = [bytes(chance.choice(kinds[: 1 + n % 3])() for _ in range(n % 70)) for n in range(600)]
    return [*made, b"mitmproxy", b"\x00mitmproxy\x00", b"mitmprox\x00y", b"\x80" * 40 + b"mitmproxy", b""]


def test_wordless_payloads_hold_no_text() -> None:
    seen = set()
    for payload in payloads():
        told = pack_loop.wordless(b"ab" + payload + b"text that follows", 2, len(payload), bytearray(200))
        assert told == (TEXTS.search(payload) is None)
        seen.add(told)
    assert seen == {0, 1}


def test_without_room_nothing_is_told() -> None:
    assert pack_loop.wordless(b"\x80" * 40, 0, 40, bytearray(39)) == 0


def test_compiled_it_says_the_same() -> None:
    twin = compiled(pack_loop)
    if twin is None:
        pytest.skip("numba is not installed")
    room = np.empty(1 << 10, np.uint8)
    for payload in payloads():
        octets = np.frombuffer(payload + b"text", np.uint8)
        assert twin.wordless(octets, 0, len(payload), room) == pack_loop.wordless(payload, 0, len(payload), bytearray(200))


@pytest.mark.parametrize("text,most", [(b"mitmproxy", 9), (b"Location: x\r\n", 8), (b"\r\n\0", 0), (b"a\0b c", 3)])
def test_how_much_of_a_text_is_letters(text: bytes, most: int) -> None:
    assert _lettered(text) == most
