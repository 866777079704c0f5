"""A hello as data comes back as it was; what is written by hand becomes the bytes that it says; differences and dissections cover all of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.description import describe, read_description
from dpiprobe.tls.difference import Difference, differences
from dpiprobe.tls.dissect import dissect
from dpiprobe.tls.hello import ClientHello, build, parse
from dpiprobe.tls.record import Record, to_records
from dpiprobe.tls.registry import CIPHERS, EXTENSIONS, named, number_of
from dpiprobe.tls.vary.catalogue import CATALOGUE
from dpiprobe.tls.vary.variation import apply
from tests.tls.test_hello import hellos
from tests.tls.vary.wire import base, message, records, wire

NAMES = sorted(set(CATALOGUE) - {"ech-none"})
WIRE = client_hello("www.example.com", b"s", alpn=BROWSER_ALPN)


def read(stream: bytes) -> ClientHello:
    hello = parse(stream)
    assert hello is not None
    return hello


# ---- description


def through_json(hello: ClientHello) -> ClientHello:
    return read_description(json.loads(json.dumps(describe(hello))))


@pytest.mark.parametrize("name", NAMES)
def test_every_variation_comes_back(name: str) -> None:
    hello = apply(base(), [CATALOGUE[name]]).hello
    assert through_json(hello) == hello


@given(hellos)
def test_any_hello_comes_back(hello: ClientHello) -> None:
    framed = read(build(replace(hello, records=(Record(22, 0x0301, 0),))))
    assert through_json(framed) == framed


@given(st.integers(6, len(WIRE) - 1), st.integers(0, 255), st.integers(0, len(WIRE) - 1))
def test_cut_and_damaged_hellos_come_back(cut: int, value: int, at: int) -> None:
    damaged = bytearray(WIRE)
    damaged[at] = value
    for stream in (WIRE[:cut], bytes(damaged)):
        hello = parse(stream)
        if hello is not None:
            assert through_json(hello) == hello


def test_written_by_hand() -> None:
    made = read_description(
        {
            "random": bytes(range(32)).hex(), "session_id": bytes(range(0xA0, 0xC0)).hex(),
            "ciphers": ["TLS_AES_128_GCM_SHA256", "0x1302", 0x1303, "ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xCCA8, 0x009C, 0xC013, 0x002F],
            "extensions": [
                {"type": "extended_master_secret"}, {"type": "server_name", "value": "www.blocked.example"},
                {"type": "supported_groups", "value": ["x25519", "secp256r1", 24]}, {"type": 11, "data": "0100"},
                {"type": "signature_algorithms", "value": ["ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256", 0x0201]},
                {"number": 16, "value": ["h2", "http/1.1"]}, {"type": "supported_versions", "value": ["TLS 1.3", "TLS 1.2"]},
                {"type": "psk_key_exchange_modes", "data": "0101"},
                {"type": "key_share", "value": [{"group": "x25519", "key": bytes(range(0x40, 0x60)).hex()}]},
            ],
        }
    )  # fmt: skip
    assert build(made) == wire()


def test_the_example_of_the_documentation() -> None:
    import re

    from tests.conftest import ROOT

    (example,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "hello.md").read_text(), re.DOTALL)
    hello = read_description(json.loads(example))
    assert [(n.type, n.name) for n in hello.server_names] == [(0, b"a.example"), (7, b"x")]
    assert (hello.supported_versions, hello.padding, hello.extension(43981), hello.ciphers) == ((0x0304,), 200, b"\0\xff", (0x1301, 0x1302))
    assert parse(build(hello)) == hello


@pytest.mark.parametrize(
    ("raw", "word"),
    [({"cyphers": []}, "cyphers"), ({"ciphers": ["AES_128_GCM_SHA25"]}, "did you mean"), ({"random": "xyz"}, "random"), ({"ciphers": 5}, "a list"),
     ({"extensions": [{"data": "00"}]}, "type"), ({"extensions": [{"type": "cookie", "value": 3}]}, "in hex"), ({"declared_length": -1}, "declared_length"),
     ({"extensions": [{"type": "key_share", "value": [1]}]}, "key_share"), ({"stopped_at": "x"}, "stopped_at"), ({"legacy_version": 70_000}, "65535"),
     ({"extensions": [{"type": "padding", "value": 70_000}]}, "fit"), ({"session_id": "00" * 300}, "fit")],
)  # fmt: skip
def test_what_is_wrong_is_named(raw: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        build(read_description(raw))


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["type", "number", "data", "value", "group", "key", "name"]), inner, max_size=3), max_leaves=6)  # fmt: skip
KEYS = st.sampled_from(["ciphers", "extensions", "random", "session_id", "records", "record_version", "legacy_version", "tail", "complete", "stopped_at",
                        "declared_extensions", "prefix", "compression"])  # fmt: skip


@given(st.dictionaries(KEYS, json_values, max_size=4))
def test_any_description_is_read_or_refused(raw: dict[str, object]) -> None:
    try:
        build(read_description(raw))
    except UsageError:
        return


# ---- dissection


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_stands_in_one_line(name: str) -> None:
    made = apply(base(), [CATALOGUE[name]])
    stream = made.sending.stream
    lines = dissect(made.hello)
    assert sum(len(line.data) for line in lines if line.depth < 3) == len(stream)
    assert [line.offset for line in lines] == sorted(line.offset for line in lines)
    if len(made.hello.records) == 1:
        assert all(stream[line.offset : line.offset + len(line.data)] == line.data for line in lines)


def test_lines_of_a_plain_hello() -> None:
    shown = [(line.offset, line.data.hex()[:12], line.field, line.value) for line in dissect(base())]
    for line in (
        (0, "16030100e8", "record", "handshake, 0x0301 (TLS 1.0), 232 bytes"),
        (5, "01", "handshake type", "client_hello"),
        (9, "0303", "legacy_version", "0x0303 (TLS 1.2)"),
        (78, "1301", "cipher", "AES_128_GCM_SHA256"),
        (98, "00170000", "extended_master_secret", "empty"),
        (102, "000000180016", "server_name", "www.blocked.example"),
        (109, "0013", "name length", "19"),
        (111, "7777772e626c", "name", "www.blocked.example"),
        (180, "002b00050403", "supported_versions", "TLS 1.3, TLS 1.2"),
    ):
        assert line in shown, line


@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, len(WIRE) - 1), st.integers(6, len(WIRE)))
def test_whatever_parses_can_be_taken_apart(body: bytes, value: int, at: int, cut: int) -> None:
    damaged = bytearray(WIRE)
    damaged[at] = value
    for stream in (to_records(b"\x01" + len(body).to_bytes(3, "big") + body), bytes(damaged), WIRE[:cut]):
        hello = parse(stream)
        if hello is not None:
            dissect(hello)
            describe(hello)
            differences(hello, read(WIRE))


# ---- differences


def test_equal_hellos_do_not_differ() -> None:
    assert differences(base(), read(wire())) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_variation_of_the_bytes_is_seen(name: str) -> None:
    made = apply(base(), [CATALOGUE[name]])
    assert bool(differences(base(), made.hello)) == (made.sending.stream != wire())


def test_what_differs_is_named() -> None:
    renamed = apply(base(), [CATALOGUE["name-top-com"]]).hello
    found = {d.field: (d.left, d.right) for d in differences(base(), renamed)}
    assert found["server_name"] == ("www.blocked.example", "www.blocked.com")
    reordered = apply(base(), [CATALOGUE["extensions-reversed"]]).hello
    assert [d.field for d in differences(base(), reordered)] == ["order of the extensions", "JA3"]
    one = apply(base(), [CATALOGUE["cipher-1301"]]).hello
    assert Difference("cipher suites", "AES_256_GCM_SHA384, CHACHA20_POLY1305_SHA256, ECDHE_RSA_WITH_AES_128_GCM_SHA256, "
                      "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, RSA_WITH_AES_128_GCM_SHA256, ECDHE_RSA_WITH_AES_128_CBC_SHA, "
                      "RSA_WITH_AES_128_CBC_SHA", None) in differences(base(), one)  # fmt: skip


def test_records_differ() -> None:
    found = differences(base(), read(b"".join(records(message(), 64))))
    assert [(d.field, d.left, d.right) for d in found] == [("records", "type 22 0x0301 232 bytes", "type 22 0x0301 64 bytes, type 22 0x0301 168 bytes")]


# ---- names of numbers


def test_names_and_numbers() -> None:
    assert named(0x1301, CIPHERS) == "AES_128_GCM_SHA256"
    assert (named(0x2A2A, EXTENSIONS), named(0x1234, EXTENSIONS)) == ("GREASE (0x2a2a)", "0x1234")
    for number in (*CIPHERS, 0x2A2A, 0x1234):
        assert number_of(named(number, CIPHERS), CIPHERS, "cipher suite") == number


def test_names_are_those_of_openssl() -> None:
    """Where it is installed: the standard names of all its suites."""
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    listed = subprocess.run(["openssl", "ciphers", "-stdname", "-V", "ALL:COMPLEMENTOFALL"], capture_output=True, text=True, check=False).stdout
    seen = 0
    for line in listed.splitlines():
        fields = line.split()
        high, low = fields[0].split(",")
        number = int(high, 0) << 8 | int(low, 0)
        if number in CIPHERS:
            assert f"TLS_{CIPHERS[number]}" == fields[2]
            seen += 1
    assert seen > 50
