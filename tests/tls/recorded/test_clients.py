"""Recorded clients: what is told of them, and that another name gives what the client itself sent for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dpiprobe.errors import InputError, UsageError
from dpiprobe.tls import clients
from dpiprobe.tls.clients.template import KINDS, ORDER, read_client
from dpiprobe.tls.fingerprint import ja3, ja4
from dpiprobe.tls.hello import ENCRYPTED_CLIENT_HELLO, build, build_message, parse, parse_message
from dpiprobe.tls.quic_initial import client_hello_of

EVERY = clients.names()


def test_there_are_browsers_tools_libraries_and_imitations_over_tcp_and_quic() -> None:
    found = [clients.client(name) for name in EVERY]
    assert {client.kind for client in found} == set(KINDS)
    assert {client.transport for client in found} == {"tcp", "quic"}
    for library in ("BoringSSL", "NSS", "OpenSSL", "GnuTLS", "Go crypto/tls", "JSSE", "rustls"):
        assert any(client.library == library for client in found), library


@pytest.mark.parametrize("name", EVERY)
def test_a_client_says_who_when_and_how(name: str) -> None:
    client = clients.client(name)
    assert client.name == name
    assert client.version and client.version != "unknown"
    assert client.library_version != "unknown"
    assert client.date >= "2026-01-01" and client.os.startswith("Debian")
    assert client.command and client.install and client.record.endswith(name)
    assert client.recordings >= 3
    assert (client.imitates is not None) == (client.kind == "mimicry")
    assert "random" in client.varies
    assert not any("/tmp" in word or "/home" in word or "/work" in word for word in client.command)
    assert clients.about(name)


@pytest.mark.parametrize("name", EVERY)
def test_building_what_was_parsed_gives_the_recorded_bytes(name: str) -> None:
    client = clients.client(name)
    assert build(client.hello) == client.stream
    assert client.hello.server_name == client.server_name
    assert not client.hello.problems
    again = parse(build(client.hello)) if client.transport == "tcp" else parse_message(build(client.hello))
    assert again == client.hello


@pytest.mark.parametrize("name", EVERY)
def test_the_recorded_name_gives_the_recorded_bytes(name: str) -> None:
    client = clients.client(name)
    assert build(clients.hello_of(name, client.server_name)) == client.stream


def lengths_follow_from_the_name(name: str) -> bool:
    """Not so where transport parameters of drawn length stand in the hello; tlslite-ng pads in a way of its own (the message without its header
    to 512 bytes), and a padding of another kind is left alone."""
    client = clients.client(name)
    return "transport parameters" not in client.varies and client.library != "tlslite-ng"


@pytest.mark.parametrize("name", filter(lengths_follow_from_the_name, EVERY))
def test_another_name_gives_the_length_that_the_client_itself_sent_for_it(name: str) -> None:
    """The client was asked for a short name and a long one as well; only the body of ECH GREASE may be longer or shorter."""
    client = clients.client(name)
    for other, length in client.other_names.items():
        hello = clients.hello_of(name, other)
        assert hello.server_name == other
        assert len(build_message(hello)) - len(hello.extension(ENCRYPTED_CLIENT_HELLO) or b"") == length


@pytest.mark.parametrize("name", EVERY)
def test_fingerprints_are_those_of_the_recording_and_do_not_change_with_the_name(name: str) -> None:
    client = clients.client(name)
    mark = "q" if client.transport == "quic" else "t"
    assert (ja3(client.hello), ja4(client.hello, mark)) == (client.ja3, client.ja4)
    renamed = clients.hello_of(name, "b.example.net")
    assert ja4(renamed, mark).split("_")[1] == client.ja4.split("_")[1]
    if client.hello.padding is None and renamed.padding is None:
        assert ja4(renamed, mark) == client.ja4


def test_quic_clients_carry_their_datagrams_and_the_hello_in_them() -> None:
    pytest.importorskip("cryptography")
    quic = [clients.client(name) for name in EVERY if clients.client(name).transport == "quic"]
    assert quic
    for client in quic:
        message = client_hello_of(client.datagrams)
        assert message is not None and message[: len(client.stream)] == client.stream
    assert any(len(client.datagrams) > 1 for client in quic)  # a post-quantum share does not fit into one


def test_browsers_that_shuffle_their_extensions_are_known_to() -> None:
    assert ORDER in clients.client("chromium").varies
    assert ORDER not in clients.client("openssl").varies


def test_an_unknown_client_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="chromium"):
        clients.hello_of("chromiun", "a.example")


def test_a_broken_data_file_says_what_to_do() -> None:
    for text in ("", "{}", '{"hello": ["1603010005"], "transport": "tcp"}', '{"hello": ["zz"]}'):
        with pytest.raises(InputError, match="make hellos"):
            read_client(text)


# ---- independent implementations


def capture_of(folder: Path) -> tuple[Path, list[str]]:
    """A capture of every TCP client's hello, each on a connection of its own, and the clients in order."""
    from dpiprobe.report.hello_capture import write_hello_capture
    from dpiprobe.tls.sending import whole

    tcp = [name for name in EVERY if clients.client(name).transport == "tcp"]
    path = folder / "clients.pcap"
    with path.open("wb") as file:
        write_hello_capture(file, [whole(clients.client(name).stream) for name in tcp])
    return path, tcp


def test_tshark_computes_the_same_ja3(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path, tcp = capture_of(tmp_path)
    known = subprocess.run(["tshark", "-G", "fields"], check=True, capture_output=True, text=True).stdout
    fields = ["tls.handshake.ja3", "tls.handshake.extensions_server_name", *(["tls.handshake.ja4"] if "\ttls.handshake.ja4\t" in known else [])]
    done = subprocess.run(
        ["tshark", "-r", str(path), "-Y", "tls.handshake.type == 1", "-T", "fields", *(word for field in fields for word in ("-e", field))],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    rows = [row.split("\t") for row in done.stdout.splitlines()]
    assert len(rows) == len(tcp)
    for name, row in zip(tcp, rows, strict=True):
        client = clients.client(name)
        assert row[:2] == [client.ja3, client.server_name], name
        if len(row) > 2:
            assert row[2] == client.ja4, name


def test_ja4plus_computes_the_same_ja4() -> None:
    """An independent implementation, where it is installed (PyPI: ja4plus)."""
    ja4plus = pytest.importorskip("ja4plus.fingerprinters.ja4", reason="ja4plus is not installed")
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.packet import Raw

    head = IP(src="192.0.2.1", dst="192.0.2.2")
    for name in EVERY:
        client = clients.client(name)
        other = ja4plus.JA4Fingerprinter()
        if client.transport == "quic":
            packets = [head / UDP(sport=40000, dport=443) / Raw(datagram) for datagram in client.datagrams]
        else:
            pieces = [(at, client.stream[at : at + 1400]) for at in range(0, len(client.stream), 1400)]
            packets = [head / TCP(sport=40000, dport=443, seq=1 + at, ack=1, flags="PA") / Raw(piece) for at, piece in pieces]
        found = [made for packet in packets if (made := other.process_packet(IP(bytes(packet))))]
        assert found == ([client.ja4] if name != "aioquic-v2" else []), name  # it does not read QUIC version 2


PUBLISHED = {
    # FoxIO, ja4plus-mapping.csv and the README of ja4: what they give for Go's crypto/tls (Sliver), Chrome, Safari, Firefox
    "go-old": "t13d190900_9dc949149365_97f8aa674fd9",
    "curl-cffi-chrome124": "t13d1516h2_8daaf6152771_02713d6af862",
    "curl-cffi-chrome110": "t13d1516h2_8daaf6152771_e5627efa2ab1",
    "curl-cffi-safari15-5": "t13d2014h2_a09f3c656075_14788d8d241b",
    "tls-client-firefox-102": "t13d1715h2_5b57614c22b0_3d5424432f57",
}
PUBLISHED_JA3 = {
    # curl-impersonate's documentation (Chrome 99, Safari 15.5); ja3rp's test of Go's default client
    "curl-cffi-chrome99": "cd08e31494f9531f560d64c695473da9",
    "curl-cffi-safari15-5": "773906b0efdefa24a7f2b8eb6985bf37",
    "go-old": "473cd7cb9faa642487833865d516e578",
}


def test_published_fingerprints_are_met() -> None:
    assert {name: ja4(clients.client(name).hello) for name in PUBLISHED} == PUBLISHED
    assert {name: ja3(clients.client(name).hello) for name in PUBLISHED_JA3} == PUBLISHED_JA3
