"""Made hellos are what OpenSSL sends; changed hellos differ in nothing but what was asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import BROWSER_ALPN, client_hello, equal_length_name, pad_to, with_server_name
from dpiprobe.tls.fingerprint import ja4
from dpiprobe.tls.hello import ClientHello, build, parse, raw_name
from dpiprobe.tls.record import to_records
from tests.tls.clients import answer_to, openssl_hello, server_context


def read(stream: bytes) -> ClientHello:
    hello = parse(stream)
    assert hello is not None
    return hello


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert client_hello("a.example", b"1") == client_hello("a.example", b"1")
    assert client_hello("a.example", b"1") != client_hello("a.example", b"2")


@pytest.mark.parametrize("post_quantum", [False, True])
def test_equals_what_a_current_openssl_sends(post_quantum: bool) -> None:
    real = read(openssl_of_cryptography(None if post_quantum else b"X25519:P-256:X448:P-384:P-521:curveSM2:ffdhe2048:ffdhe3072"))
    ours = read(client_hello("example.com", b"seed", alpn=BROWSER_ALPN, post_quantum=post_quantum))
    assert ours.ciphers == real.ciphers
    assert [e.type for e in ours.extensions or ()] == [e.type for e in real.extensions or ()]
    for mine, theirs in zip(ours.extensions or (), real.extensions or (), strict=True):
        assert mine.type == 51 or mine.data == theirs.data, mine.type
    assert [(s.group, len(s.key)) for s in ours.key_shares] == [(s.group, len(s.key)) for s in real.key_shares]
    assert (ours.records, ours.compression, len(ours.session_id)) == (real.records, real.compression, len(real.session_id))
    assert ja4(ours) == ja4(real)


def openssl_of_cryptography(groups: bytes | None) -> bytes:
    """The first flight of the OpenSSL that is linked into `cryptography` (newer than the system's); skips where it is not a 4.x."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.bindings.openssl.binding import Binding

    lib, ffi = Binding().lib, Binding().ffi
    version = ffi.string(lib.OpenSSL_version(0)).decode()
    if not version.startswith("OpenSSL 4.0"):
        pytest.skip(f"cryptography is linked with {version}; the template is OpenSSL 4.0's")
    context = lib.SSL_CTX_new(lib.TLS_method())
    protocols = b"\x02h2\x08http/1.1"
    lib.SSL_CTX_set_alpn_protos(context, protocols, len(protocols))
    if groups:
        assert lib.SSL_CTX_set1_curves_list(context, groups) == 1
    connection, incoming, outgoing = lib.SSL_new(context), lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
    lib.SSL_set_bio(connection, incoming, outgoing)
    lib.SSL_set_connect_state(connection)
    lib.SSL_set_tlsext_host_name(connection, b"example.com")
    lib.SSL_do_handshake(connection)
    buffer = ffi.new("char[]", 20_000)
    data = bytes(ffi.buffer(buffer, lib.BIO_read(outgoing, buffer, 20_000)))
    lib.SSL_free(connection)
    lib.SSL_CTX_free(context)
    return data


@pytest.mark.parametrize("options", [{}, {"alpn": BROWSER_ALPN}, {"post_quantum": True}, {"length": 900}], ids=str)
def test_a_server_answers_it(options: dict[str, object]) -> None:
    """OpenSSL reads the hello and sends a ServerHello (type 2), not an alert."""
    reply = answer_to(client_hello("example.com", b"seed", **options), server_context())  # type: ignore[arg-type]
    assert (reply[0], reply[5]) == (22, 2)


def test_the_post_quantum_share_needs_two_segments() -> None:
    hello = read(client_hello("example.com", b"seed", post_quantum=True))
    assert len(hello.key_shares[0].key) == 1216
    assert hello.end > 1460


def test_mlkem_coefficients_are_below_the_prime() -> None:
    key = read(client_hello(None, b"s", post_quantum=True)).key_shares[0].key[:1152]
    numbers = [int.from_bytes(key[i : i + 3], "little") for i in range(0, 1152, 3)]
    assert all(n & 0xFFF < 3329 and n >> 12 < 3329 for n in numbers)


def test_without_a_name() -> None:
    assert read(client_hello(None, b"s")).extension(0) is None


# ---- another name in a real hello


@pytest.mark.parametrize("name", ["x.example", "a-much-longer-name-than-before.subdomain.example", "same-size.example"])
def test_only_the_name_changes(name: str) -> None:
    wire = openssl_hello("www-size1.example", options=0)
    changed = with_server_name(wire, name)
    before, after = read(wire), read(changed)
    assert after.server_name == name
    assert [e for e in after.extensions or () if e.type] == [e for e in before.extensions or () if e.type]
    assert (after.random, after.session_id, after.ciphers) == (before.random, before.session_id, before.ciphers)
    assert (after.problems, after.end) == ((), len(changed))
    assert len(changed) - len(wire) == len(name) - len("www-size1.example")
    assert with_server_name(changed, "www-size1.example") == wire
    assert answer_to(changed, server_context())[5] == 2


def test_a_hello_padded_to_512_stays_so() -> None:
    import ssl

    wire = openssl_hello("one.example", options=ssl.OP_ALL)
    assert read(wire).padding, "this OpenSSL did not pad; the test needs a client that does"
    changed = with_server_name(wire, "another-name.example")
    assert len(changed) == len(wire) == 517


@given(st.lists(st.integers(1, 400), max_size=5), st.binary(min_size=1, max_size=300))
def test_framing_survives_a_new_name(sizes: list[int], name: bytes) -> None:
    wire = to_records(client_hello("some.example", b"s")[5:], sizes=sizes)
    changed = with_server_name(wire, name)
    hello = read(changed)
    assert hello.server_names[0].name == name
    assert (hello.complete, hello.problems, hello.end) == (True, (), len(changed))
    assert build(hello) == changed
    assert with_server_name(with_server_name(wire, b"Some.example"), b"some.example") == wire


def test_a_very_long_name_takes_a_second_record() -> None:
    hello = read(with_server_name(client_hello("a.example", b"s"), b"x" * 20_000))
    assert [r.length <= 2**14 for r in hello.records] == [True, True]
    assert len(hello.server_name or "") == 20_000


def test_no_name_to_replace_is_the_callers_error() -> None:
    with pytest.raises(UsageError, match="host name"):
        with_server_name(client_hello(None, b"s"), "a.example")
    with pytest.raises(UsageError, match="whole"):
        with_server_name(client_hello("a.example", b"s")[:100], "b.example")
    with pytest.raises(UsageError, match="fit"):
        with_server_name(client_hello("a.example", b"s"), b"x" * 70_000)


# ---- innocuous names


@given(st.from_regex(r"([a-z0-9-]{1,12}\.){0,4}[a-z]{2,6}\.?", fullmatch=True), st.binary(max_size=4))
def test_equal_length_names(name: str, seed: bytes) -> None:
    made = equal_length_name(name, seed)
    assert made != name
    assert [len(label) for label in made.split(".")] == [len(label) for label in name.split(".")]
    if "." in name.rstrip("."):
        assert made.rstrip(".").rpartition(".")[2] == name.rstrip(".").rpartition(".")[2]
    assert equal_length_name(name, seed) == made


def test_equal_length_in_bytes_for_names_that_are_not_ascii() -> None:
    assert len(raw_name(equal_length_name("bücher.example", b""))) == len("bücher.example".encode())


# ---- lengths


@pytest.mark.parametrize("length", [517, 1400, 3000, 20_000])
def test_pad_to(length: int) -> None:
    wire = client_hello("example.com", b"s", length=length)
    assert len(wire) == length
    hello = read(wire)
    assert (hello.server_name, hello.problems) == ("example.com", ())
    assert len(pad_to(wire, 700)) == 700


def test_lengths_that_cannot_be_reached() -> None:
    bare = client_hello("example.com", b"s")
    assert pad_to(bare, len(bare)) == bare
    assert pad_to(pad_to(bare, 900), len(bare)) == bare
    with pytest.raises(UsageError, match="at least"):
        pad_to(bare, len(bare) + 2)
