"""Recorded QUIC clients: their Initials under another name, read by ourselves, by a capture's analysis, and answered by aioquic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpiprobe.capture.write import PcapWriter
from dpiprobe.cli import main
from dpiprobe.errors import UsageError
from dpiprobe.tls import clients
from dpiprobe.tls.clients.quic import datagrams_of
from dpiprobe.tls.fingerprint import ja4
from dpiprobe.tls.hello import build_message, parse_message
from dpiprobe.tls.quic import INITIAL, V2, read_packets
from dpiprobe.tls.quic_initial import client_hello_of, crypto_frames, decrypt_initial, initial_keys
from dpiprobe.wire.build import address, ethernet, ip, udp
from tests.tls.recorded.servers import write_certificate

pytest.importorskip("cryptography")
QUIC = [name for name in clients.names() if clients.client(name).transport == "quic"]
NAME = "another-name.example.org"


def frames_of(datagrams: tuple[bytes, ...]) -> list[list[tuple[int, int]]]:
    """Offset and length of the CRYPTO frames of each Initial."""
    found = []
    first = read_packets(datagrams[0])[0]
    for datagram in datagrams:
        for header in read_packets(datagram):
            if header.type == INITIAL:
                payload = decrypt_initial(datagram, header, initial_keys(first.dcid, first.version))
                assert payload is not None
                found.append([(offset, len(data)) for offset, data in crypto_frames(payload)])
    return found


@pytest.mark.parametrize("name", QUIC)
def test_the_recorded_name_gives_the_recorded_datagrams(name: str) -> None:
    assert datagrams_of(name, "www.example.com") == clients.client(name).datagrams


@pytest.mark.parametrize("server_name", ["a.example", NAME, "a-long-name." * 8 + "example.org"])
@pytest.mark.parametrize("name", QUIC)
def test_another_name_changes_neither_sizes_nor_the_order_of_frames(name: str, server_name: str) -> None:
    recorded, made = clients.client(name).datagrams, datagrams_of(name, server_name)
    assert [len(datagram) for datagram in made] == [len(datagram) for datagram in recorded]
    message = client_hello_of(made)
    assert message == build_message(clients.hello_of(name, server_name))
    before, after = frames_of(recorded), frames_of(made)
    assert [[offset for offset, _ in packet] for packet in after] == [[offset for offset, _ in packet] for packet in before]


@pytest.mark.parametrize("name", QUIC)
def test_aioquic_answers_a_renamed_initial_with_a_server_hello(name: str, tmp_path: Path) -> None:
    """The server reads our Initials, and what it sends back decrypts with the keys that follow from their connection ID."""
    configuration_of = pytest.importorskip("aioquic.quic.configuration").QuicConfiguration
    connection_of = pytest.importorskip("aioquic.quic.connection").QuicConnection
    write_certificate(tmp_path / "server.pem")
    version = read_packets(clients.client(name).datagrams[0])[0].version
    configuration = configuration_of(is_client=False, alpn_protocols=["h3"], supported_versions=[version], original_version=version)
    configuration.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.pem")
    made = datagrams_of(name, NAME)
    first = read_packets(made[0])[0]
    server = connection_of(configuration=configuration, original_destination_connection_id=first.dcid)
    for datagram in made:
        server.receive_datagram(datagram, ("192.0.2.1", 40000), now=0.0)
    keys = initial_keys(first.dcid, first.version, "server")
    answers = b""
    for datagram, _ in server.datagrams_to_send(now=0.0):
        for header in read_packets(datagram):
            if header.type == INITIAL and (payload := decrypt_initial(datagram, header, keys)) is not None:
                answers += b"".join(data for _, data in crypto_frames(payload))
    assert answers[:1] == b"\x02", "a ServerHello"


@pytest.mark.parametrize("name", QUIC)
def test_analyze_reads_the_name_of_a_captured_client(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client, server = address("192.0.2.1"), address("198.51.100.2")
    path = tmp_path / "quic.pcap"
    with path.open("wb") as file:
        writer = PcapWriter(file, 1)
        for i, datagram in enumerate(datagrams_of(name, NAME)):
            writer.packet(10**18 + i * 1000, ethernet(ip(client, server, 17, udp(client, server, 40000, 443, datagram))))
    assert main.run(["analyze", str(path), "--json"]) == 0
    flow = json.loads(capsys.readouterr().out.splitlines()[0])
    hello = parse_message(client_hello_of(clients.client(name).datagrams) or b"")
    assert hello is not None
    assert (flow["kind"], flow["transport"], flow["server_name"], flow["ja4"]) == ("flow", "quic", NAME, ja4(hello, "q"))


def test_one_of_them_speaks_version_2_and_one_needs_two_datagrams() -> None:
    assert any(read_packets(clients.client(name).datagrams[0])[0].version == V2 for name in QUIC)
    assert any(len(clients.client(name).datagrams) > 1 and len(frames_of(clients.client(name).datagrams)[0]) > 1 for name in QUIC)


def test_what_does_not_fit_is_the_callers_error() -> None:
    with pytest.raises(UsageError, match="quic"):
        datagrams_of("openssl", NAME)
    with pytest.raises(UsageError, match="too long"):
        datagrams_of("chromium-quic", "x" * 2000)
