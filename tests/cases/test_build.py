"""A conversation told step by step is packets that Wireshark, dpkt and our own reader agree on."""

from __future__ import annotations

import runpy
from pathlib import Path

import dpkt
import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.cases.build import START, Tape, application_data, server_flight
from dpiprobe.cases.certificate import certificate, flight
from dpiprobe.flow.settle import settle
from dpiprobe.tls.server import read_server, self_issued
from dpiprobe.wire.packets import ACK, FIN, PSH, RST, SYN
from tests.conftest import ROOT

SCRIPTS = sorted((ROOT / "pcaps").glob("*/*/make.py"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tape = Tape(seed="test")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=3, ttl=166, ipid=0x4242, window=1541, df=True, count=3, gap=0.1).acknowledge(46).answer()
    tape.write(tmp_path / "x.pcap")
    return tmp_path / "x.pcap"


def test_the_reader_sees_what_was_told(file: Path) -> None:
    packets = read_capture(file).packets
    assert packets.time[0] == START
    assert list(packets.flags[:4]) == [SYN, SYN | ACK, ACK, PSH | ACK]
    resets = [i for i in range(len(packets)) if packets.flags[i] == RST | ACK]
    assert len(resets) == 3
    assert {(int(packets.ttl[i]), int(packets.ip_id[i]), int(packets.window[i]), int(packets.df[i])) for i in resets} == {(166, 0x4242, 1541, 1)}


def test_the_books_are_kept(file: Path) -> None:
    flows = settle(read_capture(file).packets)
    assert [t.server_name for t in flows.triggers if t] == ["allowed.example", "blocked.example"]
    assert int(flows.rtt[0]) == pytest.approx(50e6, rel=0.01)
    assert int(flows.server_seen[0]) == 3000 + 1200
    assert all(int(flows.hello_end[i]) == int(flows.server_acked[i]) or i == 0 for i in (0, 1))


def test_a_client_whose_socket_is_gone_answers_with_bare_resets(file: Path) -> None:
    packets = read_capture(file).packets
    late = [i for i in range(len(packets)) if packets.flags[i] == RST]
    assert late and all(packets.window[i] == 0 and packets.ip_id[i] == 0 for i in late)
    assert not any(packets.flags[i] & FIN for i in range(late[0], len(packets)))


def test_dpkt_finds_every_checksum_right(file: Path) -> None:
    with file.open("rb") as stream:
        for _, frame in dpkt.pcap.Reader(stream):
            ip = dpkt.ethernet.Ethernet(frame).data
            segment = bytes(ip.data)
            pseudo = ip.src + ip.dst + b"\0\x06" + len(segment).to_bytes(2, "big")
            assert dpkt.in_cksum(pseudo + segment) == 0  # RFC 1071: the sum over a packet with its checksum in place
            assert dpkt.in_cksum(bytes(ip)[:20]) == 0


def test_the_server_s_flight_is_tls() -> None:
    flight = server_flight("x", 3000)
    assert len(flight) == 3000
    assert read_server(flight).kind == "server_hello"
    assert len(application_data("x", 100)) == 100


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.parent.name)
def test_a_case_is_what_its_script_builds(script: Path, tmp_path: Path) -> None:
    runpy.run_path(str(script))["make"](tmp_path)
    for built in tmp_path.iterdir():
        assert built.read_bytes() == (script.parent / built.name).read_bytes(), f"{built.name}: run make.py again, and look at what changed"


def test_a_certificate_can_be_walked() -> None:
    theirs, own = certificate("a.example", "Public CA"), certificate("a.example", "a.example")
    assert read_server(flight("x", theirs)).state == "complete"
    assert self_issued(theirs) is False and self_issued(own) is True
