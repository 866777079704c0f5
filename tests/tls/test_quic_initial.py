"""The hello inside QUIC Initials: the RFC's own packets, aioquic's, and our own."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cryptography", reason="QUIC Initials are decrypted with cryptography")

import itertools

from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.fingerprint import ja4
from dpiprobe.tls.hello import parse_message
from dpiprobe.tls.quic import V1, V2, read_packets
from dpiprobe.tls.quic_initial import (
    build_initial,
    client_hello_of,
    crypto_frame,
    crypto_frames,
    decrypt_initial,
    initial_keys,
)

DCID = bytes.fromhex("8394c8f03e515708")  # RFC 9001 appendix A

CRYPTO_A2 = bytes.fromhex(  # RFC 9001 appendix A.2, the CRYPTO frame of the client Initial
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578"
    "616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fba"
    "baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"
)
SERVER_A3 = bytes.fromhex(  # RFC 9001 appendix A.3, the protected server Initial
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3"
    "dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4"
    "2158407dd074ee"
)


def test_keys_of_rfc_9001_a1() -> None:
    client, server = initial_keys(DCID, V1), initial_keys(DCID, V1, "server")
    assert client.key.hex() == "1f369613dd76d5467730efcbe3b1a22d"
    assert client.iv.hex() == "fa044b2f42a3fd3b46fb255c"
    assert client.hp.hex() == "9f50449e04a0e810283a1e9933adedd2"
    assert server.key.hex() == "cf3a5331653c364c88f0f379b6067e37"
    assert server.hp.hex() == "c206b8d9b9f0f37644430b490eeaa314"


def test_keys_of_rfc_9369_a1() -> None:
    client = initial_keys(DCID, V2)
    assert client.key.hex() == "8b1a0bc121284290a29e0971b5cd045d"
    assert client.iv.hex() == "91f73e2351d8fa91660e909f"
    assert client.hp.hex() == "45b95e15235d6f45a6b19cbcb0294ba9"


def test_the_client_initial_of_rfc_9001_a2() -> None:
    """Packet number 2, padded to 1200 bytes: the beginning and the authentication tag are the ones printed there."""
    datagram = build_initial(CRYPTO_A2, DCID, number=2)
    assert len(datagram) == 1200
    assert datagram.startswith(
        bytes.fromhex("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c")
    )
    assert datagram.endswith(bytes.fromhex("e221af44860018ab0856972e194cd934"))
    message = client_hello_of([datagram])
    assert message == CRYPTO_A2[4:]
    hello = parse_message(message)
    assert hello is not None
    assert (hello.server_name, hello.alpn, hello.complete) == ("example.com", (b"alpn",), True)


def test_the_server_initial_of_rfc_9001_a3() -> None:
    payload = decrypt_initial(SERVER_A3, read_packets(SERVER_A3)[0], initial_keys(DCID, V1, "server"))
    assert payload is not None
    frames = crypto_frames(payload)  # behind an ACK frame
    assert [(offset, data[:4].hex()) for offset, data in frames] == [(0, "02000056")]


@pytest.mark.parametrize("version", [V1, V2])
def test_aioquic_sends_what_we_read(version: int) -> None:
    pytest.importorskip("aioquic")
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="quic.example", original_version=version)
    connection = QuicConnection(configuration=configuration)
    connection.connect(("192.0.2.1", 443), now=0.0)
    datagrams = [data for data, _ in connection.datagrams_to_send(now=0.0)]
    message = client_hello_of(datagrams)
    assert message is not None
    hello = parse_message(message)
    assert hello is not None
    assert (hello.server_name, hello.alpn, hello.complete) == ("quic.example", (b"h3",), True)
    assert ja4(hello, "q").startswith("q13d")


def test_a_hello_over_two_datagrams_in_shuffled_pieces() -> None:
    message = client_hello("big.example", b"seed", post_quantum=True)[5:]
    cuts = [0, 40, 700, 1100, len(message)]
    frames = [crypto_frame(a, message[a:b]) for a, b in itertools.pairwise(cuts)]
    first = build_initial(frames[2] + b"\x01" + frames[0], DCID, number=0)
    second = build_initial(frames[3] + frames[1], DCID, number=1)
    assert client_hello_of([first, second]) == message
    assert client_hello_of([first]) == message[:40]
    assert client_hello_of([second]) is None


def test_a_damaged_packet_is_not_believed() -> None:
    datagram = bytearray(build_initial(CRYPTO_A2, DCID))
    datagram[600] ^= 1
    assert client_hello_of([bytes(datagram)]) is None


def test_after_a_retry_the_keys_follow_the_new_connection_id() -> None:
    again = build_initial(crypto_frame(0, CRYPTO_A2[4:]), b"new-id", token=b"token")
    assert client_hello_of([build_initial(b"\x01", DCID), again]) == CRYPTO_A2[4:]


def test_without_cryptography_the_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    datagram = build_initial(CRYPTO_A2, DCID)
    genuine = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return genuine(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert client_hello_of([datagram]) is None


@settings(max_examples=30)
@given(
    st.binary(min_size=1, max_size=300),
    st.binary(max_size=20),
    st.sampled_from([V1, V2, 0xFF00001D, 0xFF000017]),
    st.integers(0, 255),
    st.integers(1, 4),
    st.sampled_from([0, 1200]),
)
def test_what_was_built_is_read(message: bytes, dcid: bytes, version: int, number: int, number_length: int, size: int) -> None:
    datagram = build_initial(crypto_frame(0, message), dcid, version=version, number=number, number_length=number_length, size=size)
    assert client_hello_of([datagram]) == message


@given(st.binary(max_size=120))
def test_any_bytes_never_raise(data: bytes) -> None:
    crypto_frames(data)
    crypto_frames(b"\x02" + data)
    client_hello_of([data, b"\xc0\0\0\0\x01\x08" + data])
