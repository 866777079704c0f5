"""A recording made into a template: what several hellos of one program have in common, and what changes from one to the next.

Alone responsible for the file that is written: dpiprobe/tls/clients/data/<client>.json (`dpiprobe.tls.clients.read` reads it).

Rules of this file: pure; the first recording is the template, byte for byte, the others only say what varies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dpiprobe.tls.fingerprint import GREASE, ja3, ja4
from dpiprobe.tls.hello import (
    ENCRYPTED_CLIENT_HELLO,
    KEY_SHARE,
    PADDING,
    PRE_SHARED_KEY,
    QUIC_TRANSPORT_PARAMETERS,
    ClientHello,
    Extension,
    build_message,
    parse,
    parse_message,
)
from dpiprobe.tls.quic_initial import client_hello_of
from tests.hellos.listen import Heard

WIDTH = 64  # bytes in a line of hex
ORDER, GREASE_ALIKE = "extension order", 0x0A0A


def hello_in(heard: Heard) -> ClientHello:
    """The hello of a first flight."""
    found = parse_message(client_hello_of(heard.datagrams) or b"") if heard.datagrams else parse(heard.stream)
    if found is None or not found.complete or found.stopped_at:
        raise ValueError("no whole, well-formed ClientHello")
    return found


def what_varies(hellos: Sequence[ClientHello]) -> list[str]:
    """Which parts differ among hellos of one program and one name."""
    first = hellos[0]
    found: list[str] = []
    for word, part in (("random", "random"), ("session id", "session_id"), ("GREASE ciphers", "ciphers")):
        if any(getattr(hello, part) != getattr(first, part) for hello in hellos):
            found.append(word)
    if any(_kinds(hello) != _kinds(first) for hello in hellos):
        found.append(ORDER)
    if any(_grease(hello) != _grease(first) for hello in hellos):
        found.append("GREASE")
    words = {KEY_SHARE: "key shares", ENCRYPTED_CLIENT_HELLO: "ECH", QUIC_TRANSPORT_PARAMETERS: "transport parameters", PADDING: "padding",
             PRE_SHARED_KEY: "pre-shared key"}  # fmt: skip
    for kind in sorted({kind for hello in hellos for kind, _ in hello.extensions or () if kind not in GREASE}):
        bodies = {_without_grease(kind, hello.extension(kind)) for hello in hellos}
        if len(bodies) > 1:
            found.append(words.get(kind, f"extension {kind}"))
    if len({len(hello.extensions or ()) for hello in hellos}) > 1:
        found.append("number of extensions")
    return [word for word in found if not (word == "GREASE ciphers" and "GREASE" in found)]


def record_of(facts: dict[str, Any], heard: Sequence[Heard], others: Mapping[str, Heard]) -> str:
    """The JSON text of one client. facts: everything but the bytes · heard: the same name again and again · others: for other names, by name"""
    hellos = [hello_in(one) for one in heard]
    first = hellos[0]
    quic = bool(heard[0].datagrams)
    record = {
        **facts,
        "recordings": len(heard),
        "varies": what_varies(hellos),
        "ja3": ja3(first),
        "ja4": ja4(first, "q" if quic else "t"),
        "pads": _pads([first, *(hello_in(one) for one in others.values())]),
        "other_names": {name: _length(hello_in(one)) for name, one in others.items()},
    }
    if quic:
        record["datagrams"] = [_lines(one) for one in heard[0].datagrams]
        record["hello"] = _lines(client_hello_of(heard[0].datagrams) or b"")
    else:
        record["hello"] = _lines(heard[0].stream)
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _length(hello: ClientHello) -> int:
    """Bytes of the message without the body of an ECH extension, whose length some clients draw."""
    return len(build_message(hello)) - len(hello.extension(ENCRYPTED_CLIENT_HELLO) or b"")


def _pads(hellos: Sequence[ClientHello]) -> bool | None:
    """Whether the client pads hellos of 256 to 511 bytes up to 512; None where none of these would have been of such a length, or where it
    pads in another way."""
    padded = [hello for hello in hellos if hello.padding is not None]
    if padded:
        return True if all(len(build_message(hello)) == 512 or hello.padding == 1 for hello in padded) else None
    return False if any(256 <= len(build_message(hello)) < 512 for hello in hellos) else None


def _lines(data: bytes) -> list[str]:
    return [data[i : i + WIDTH].hex() for i in range(0, len(data), WIDTH)]


def _kinds(hello: ClientHello) -> list[int]:
    return [GREASE_ALIKE if kind in GREASE else kind for kind, _ in hello.extensions or ()]


def _grease(hello: ClientHello) -> list[int]:
    return [
        n for n in (*hello.ciphers, *(kind for kind, _ in hello.extensions or ()), *hello.groups, *hello.supported_versions) if n in GREASE
    ]


def _without_grease(kind: int, body: bytes | None) -> bytes | None:
    """The body with GREASE values made alike where it is a list of numbers."""
    if body is None or kind not in (10, 13, 43, 51):
        return body
    blank = replace(ClientHello(), extensions=(Extension(kind, body),))
    if kind == KEY_SHARE:
        return b"".join(share.key for share in blank.key_shares)
    numbers = blank.groups if kind == 10 else blank.signature_algorithms if kind == 13 else blank.supported_versions
    return b"".join((GREASE_ALIKE if n in GREASE else n).to_bytes(2, "big") for n in numbers)
