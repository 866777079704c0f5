"""JA4 against the vectors of FoxIO's description (technical_details/JA4.md), JA3 against the worked example of Salesforce's README."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dpiprobe.tls.fingerprint import ja3, ja3_string, ja4, ja4_raw
from dpiprobe.tls.hello import ClientHello, Extension


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part, 16) for part in text.split(","))


def listed(text: str) -> bytes:
    body = b"".join(n.to_bytes(2, "big") for n in numbers(text))
    return len(body).to_bytes(2, "big") + body


BODIES = {
    0: bytes.fromhex("000e00000b") + b"example.com",
    16: b"\0\x0c\x02h2\x08http/1.1",
    13: listed("0403,0804,0401,0503,0805,0501,0806,0601"),
    43: bytes.fromhex("06baba03040303"),
}

EXAMPLE = ClientHello(  # the worked example of JA4.md, GREASE put where Chrome puts it
    ciphers=numbers("2a2a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"),
    extensions=tuple(
        Extension(n, BODIES.get(n, b""))
        for n in numbers("3a3a,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,fafa,0015")
    ),
)


def test_the_published_example() -> None:
    assert ja4(EXAMPLE) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_the_published_raw_form() -> None:
    assert ja4_raw(EXAMPLE) == (
        "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9"
        "_0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601"
    )


def test_quic_and_no_name() -> None:
    nameless = replace(EXAMPLE, extensions=tuple(e for e in EXAMPLE.extensions or () if e.type))
    assert ja4(nameless, "q") == "q13i1515h2_8daaf6152771_e5627efa2ab1"


def test_without_signature_algorithms_the_list_ends_without_underscore() -> None:
    """JA4.md: ... = 6d807ffa2a79; its list still holds 000d, so an empty signature_algorithms body."""
    hello = replace(EXAMPLE, extensions=tuple(Extension(k, b"\0\0" if k == 13 else d) for k, d in EXAMPLE.extensions or ()))
    assert ja4(hello).endswith("_6d807ffa2a79")


def test_empty_lists_are_zeros_not_a_hash_of_nothing() -> None:
    assert ja4(ClientHello(extensions=None)) == "t12i000000_000000000000_000000000000"
    only_name = ClientHello(extensions=(Extension(0, BODIES[0]),))
    assert ja4(only_name) == "t12d000100_000000000000_000000000000"


@pytest.mark.parametrize(
    ("protocol", "mark"),
    [("ab", "ab"), ("abcd", "ad"), ("30ab", "3b"), ("3031abcd", "3d"), ("30abcd31", "01"), ("68", "hh"), ("", "00")],
)
def test_alpn_mark(protocol: str, mark: str) -> None:
    """The examples of JA4.md, a single character, and an empty first protocol."""
    raw = bytes.fromhex(protocol)
    body = bytes((len(raw),)) + raw
    hello = ClientHello(extensions=(Extension(16, len(body).to_bytes(2, "big") + body),))
    assert ja4(hello)[8:10] == mark


@pytest.mark.parametrize(
    ("version", "mark"), [(0x0300, "s3"), (0x0301, "10"), (0x0302, "11"), (0x0303, "12"), (0x0002, "s2"), (0x0305, "00")]
)
def test_version_falls_back_to_the_legacy_field(version: int, mark: str) -> None:
    assert ja4(ClientHello(legacy_version=version))[1:3] == mark


def test_counts_stop_at_99() -> None:
    assert ja4(ClientHello(ciphers=tuple(range(150))))[4:6] == "99"


def test_ja3_published_examples() -> None:
    """README of salesforce/ja3, 'How it works': both strings and their MD5."""
    hello = ClientHello(
        legacy_version=769,
        ciphers=(47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4),
        extensions=(Extension(0, b""), Extension(10, listed("0017,0018,0019")), Extension(11, b"\x01\0")),
    )
    assert ja3_string(hello) == "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"
    assert ja3(hello) == "ada70206e40642a3e4461f35503241d5"
    bare = ClientHello(legacy_version=769, ciphers=(4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99), extensions=None)
    assert ja3_string(bare) == "769,4-5-10-9-100-98-3-6-19-18-99,,,"
    assert ja3(bare) == "de350869b8c85de67a350c8d186f11e6"
