"""Every deployment that comes with the program, against the packets it is made for and against genuine ones that look alike."""

from __future__ import annotations

from typing import Any

import pytest

from dpiprobe.signature.database import load, packaged_folder
from dpiprobe.signature.describe import describe
from dpiprobe.signature.match import first_pass
from dpiprobe.signature.words import TECHNIQUES
from tests.signature.fake_table import FakeTable, table

DATABASE = load(packaged_folder(), cache=False)
MS = 1_000_000

# what every suspect shows where a test does not say otherwise: a forged-looking packet in the server's name, in order, early
PLAIN: dict[str, Any] = {
    "from": "server", "ipid": 4711, "df": "clear", "window": 0, "urgent": 0, "options": "none", "payload": 0, "seq_ahead": 0, "ack_ahead": 0, "ack_raw": 99,
    "reserved_bits": 0, "after_fin": False, "ip_length": 40, "delay": 10 * MS, "delay_over_rtt": 0.2, "ttl_initial": 64, "ipid_mirror": 77,
    "window_mirror": -5, "seq_ladder": 0.0, "seq_raw": 1000, "ttl": 60, "options_missing": True, "overlaps": False, "echoes_timestamps": False,
}  # fmt: skip
SILENT: dict[str, Any] = {"server_ack": "none", "answered": False, "server_bytes": 0, "watched_after": 10_000 * MS}
ANSWERED: dict[str, Any] = {"server_ack": "end", "answered": True, "server_bytes": 5000, "watched_after": 10_000 * MS}
HENAN = b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x00"


def rows(*packets: dict[str, Any], flow: dict[str, Any] = SILENT, kind: int = 1) -> FakeTable:
    return table(*({**PLAIN, "time": i * 100_000, **p} for i, p in enumerate(packets)), flows=[{**flow, "trigger_kind": kind}])


def ids(suspects: FakeTable, deployments: bool = True) -> list[str]:
    return [m.signature for m in first_pass(DATABASE, suspects) if m.deployment == deployments and not m.pending]


BARE = {"flags": "R", "ack_raw": 0, "ack_ahead": -5000}
TRIPLE = {"flags": "RA", "df": "set", "window": 1503, "ttl": 128}
PAGE = {"flags": "FA", "payload": 300, "payload_bytes": b"HTTP/1.1 307 Temporary Redirect\r\n", "http_status": 307}


@pytest.mark.parametrize(
    ("name", "suspects"),
    [
        ("gfw-reset-triple", rows(TRIPLE, TRIPLE, TRIPLE, flow=ANSWERED)),
        ("gfw-443-triple-2025", rows(*({"flags": "RA", "window": 1980 + i, "ttl": 60 + i, "seq_raw": 0} for i in range(3)), kind=0)),
        ("gfw-ladder-2006", rows(*({**BARE, "seq_raw": 1000 + o} for o in (0, 1460, 4380)))),
        ("gfw-http-redirect", rows({"flags": "A", "http_status": 301, "ipid": 0x99B3, "payload": 100}, kind=2)),
        ("henan-reset", rows({"flags": "RA", "payload": 10, "payload_bytes": HENAN, "ipid": 1, "ip_length": 50})),
        ("iran-reset", rows({"flags": "RA", "payload": 6, "payload_zeros": 6, "ip_length": 46})),
        ("iran-page", rows({"flags": "A", "http_status": 403, "payload": 443}, {"flags": "FA", "payload": 6, "payload_zeros": 6, "ack_ahead": 1}, kind=2)),
        ("turkmenistan-reset", rows({**BARE, "ipid": 30000, "ttl_initial": 128, "ttl": 102})),
        ("tajikistan-reset", rows({"flags": "RA", "payload": 22, "payload_zeros": 22})),
        ("packetlogic-reset", rows({"flags": "RA", "ipid": 13330, "window": 32120})),
        ("packetlogic-redirect", rows({**PAGE, "ipid": 13330, "window": 32120}, kind=2)),
        ("packetlogic-block", rows({"flags": "FA", "ipid": 13330, "payload": 18, "body_contains": b"Object not found\r\n"})),
        ("sandvine-pair-2008", rows(*({**BARE, "seq_raw": 1000 + o} for o in (0, 12503)))),
        ("reserved-bits-reset", rows({**BARE, "reserved_bits": 15, "window": 65535, "ipid_mirror": 0})),
        ("mirrored-ipid-reset", rows({"flags": "RA", "ipid_mirror": 0})),
        ("mirrored-fields-page", rows({**PAGE, "ipid_mirror": 0, "window_mirror": 0, "window": 229}, kind=2)),
        ("surf-safely", rows({"flags": "FA", "payload": 553, "body_contains": b"<html>Surf Safely!</html>"}, kind=2)),
        ("tcpkill", rows(*({**BARE, "seq_ladder": s, "seq_ahead": int(63 * s), "seq_raw": int(63 * s)} for s in (0.0, 1.0, 3.0)))),
        ("scapy-reset", rows(*[{"flags": "R", "ack_raw": 515, "ack_ahead": -514, "ipid": 1, "window": 8192}] * 5)),
        ("gfw-iii-reset", rows({"flags": "RA", "ipid": 39201, "ttl_initial": 255, "ttl": 248})),
        ("uzbekistan-middlebox", rows({"flags": "FA", "payload": 17, "body_contains": b"Middlebox v 1.0\r\n"})),
        ("kazakhstan-qaznet", rows({"flags": "A", "tls_type": 22, "payload": 900, "body_contains": b"..Qaznet Trust Network.."})),
        ("mitmproxy-certificate", rows({"flags": "A", "tls_type": 22, "payload": 900, "body_contains": b"..mitmproxy.."})),
        ("redirect-cgi-filter", rows({**PAGE, "http_status": 302, "ipid": 0, "window": 123, "body_contains": b"/redirect.cgi?u=x&c=y"}, kind=2)),
        ("perftech-bulletin", rows({**PAGE, "window": 1}, kind=2)),
        ("squid-page", rows({**PAGE, "http_status": 403, "window": 501, "body_contains": b"X-Squid-Error: ERR_ACCESS_DENIED 0"}, kind=2)),
        ("ettercap-kill", rows({"flags": "R", "ipid": 32487, "window": 32767})),
        ("gfw-443-triple-to-syn-ack", rows(*({"flags": "RA", "window": 3293 + i, "ttl": 60 + i, "seq_raw": 9} for i in range(3)), kind=0)),
        ("gfw-pair-1460", rows(*({**BARE, "seq_raw": 1000 + o, "seq_ahead": o} for o in (0, 1460)))),
        ("iran-iframe", rows({**PAGE, "http_status": 403, "body_contains": b'<body><iframe src="http://10.10.34.36/?type=x">'}, kind=2)),
        ("india-airtel-page", rows({**PAGE, "http_status": 200, "body_contains": b'<iframe src="http://www.airtel.in/dot/">'}, kind=2)),
        ("south-korea-redirect", rows({**PAGE, "flags": "A", "http_status": 302, "body_contains": b"Location: http://warning.or.kr/i1.html\r\n"}, kind=2)),
        ("indonesia-redirect", rows({**PAGE, "flags": "A", "http_status": 302, "body_contains": b"Location: http://lamanlabuh.aduankonten.id/"}, kind=2)),
        ("myanmar-redirect", rows({**PAGE, "flags": "A", "http_status": 302, "body_contains": b"Location: http://notice.myanmarnet.com/"}, kind=2)),
    ],
)
def test_a_device_is_named_by_its_own_packets(name: str, suspects: FakeTable) -> None:
    assert ids(suspects) == [name]


def test_every_deployment_stands_in_that_list() -> None:
    (mark,) = [m for m in test_a_device_is_named_by_its_own_packets.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    assert {name for name, _ in mark.args[1]} == {s.id for s in DATABASE.signatures if not s.generic and not s.second_pass}


NO_SOCKET = {**BARE, "ipid": 0, "df": "set", "delay_over_rtt": 1.1}
ABORT = {"flags": "RA", "ipid": 50123, "df": "set", "window": 501, "options": "timestamps", "options_missing": False, "delay_over_rtt": 1.0}


@pytest.mark.parametrize(
    "suspects",
    [
        pytest.param(rows(NO_SOCKET), id="Linux answers for a socket it does not have"),
        pytest.param(rows(NO_SOCKET, {**NO_SOCKET, "seq_raw": 2000, "seq_ladder": 0.0}), id="twice, to two late packets"),
        pytest.param(rows({**NO_SOCKET, "payload": 6, "payload_zeros": 6, "ip_length": 46}), id="Cloudflare: IP length 46, six zero bytes"),
        pytest.param(rows({**NO_SOCKET, "payload": 6, "payload_zeros": 6, "ip_length": 46, "delay_over_rtt": 0.34}), id="the same, early"),
        pytest.param(rows({**NO_SOCKET, "ipid_mirror": 0}), id="IP ID 0 answers IP ID 0"),
        pytest.param(rows(ABORT), id="Linux aborts, with timestamps"),
        pytest.param(rows(*({**ABORT, "ipid": 50123 + i} for i in range(3))), id="a server that repeats its abort"),
        pytest.param(rows({"flags": "RA", "df": "set", "ttl_initial": 128, "delay_over_rtt": 1.0}), id="Windows: window 0"),
        pytest.param(rows({"flags": "RA", "ipid": 0, "df": "set", "seq_raw": 0}, kind=0), id="a closed port"),
        pytest.param(rows({**NO_SOCKET, "delay_over_rtt": 0.2}, flow=ANSWERED), id="an early bare reset beside an answer (anycast flap)"),
        pytest.param(rows({"flags": "FA", "options": "timestamps", "df": "set", "window": 501, "payload": 7, "tls_alert": 112}), id="alert and close"),
        pytest.param(rows({**PAGE, "http_status": 403, "options": "timestamps", "df": "set", "window": 501}, kind=2), id="a genuine 403"),
        pytest.param(rows(TRIPLE, {**TRIPLE, "ipid": 9}, {**TRIPLE, "ipid": 10}), id="three resets that differ in IP ID"),
        pytest.param(rows(TRIPLE, TRIPLE), id="a reset captured twice"),
        pytest.param(rows({"flags": "R", "ack_raw": 0, "ack_ahead": -9, "window": 8192, "df": "set"}), id="a window alone"),
        pytest.param(rows({"from": "client", "flags": "R", "reaches_server": True}, TRIPLE, TRIPLE, TRIPLE), id="after we reset it ourselves"),
        pytest.param(rows({"from": "client", "flags": "FA", "reaches_server": True}, {**BARE, "window": 555}), id="after we closed it ourselves"),
        pytest.param(rows({"flags": "RA", "reserved_bits": 1, "options": "none"}), id="accurate ECN's bit alone"),
    ],
)
def test_genuine_packets_name_no_device(suspects: FakeTable) -> None:
    assert ids(suspects) == []


@pytest.mark.parametrize(
    ("name", "suspects"),
    [
        ("rst.on-path", rows({"flags": "RA"}, flow=ANSWERED)),
        ("rst.in-path", rows({"flags": "RA"})),
        ("rst", rows({"flags": "RA"}, flow={**SILENT, "watched_after": 0})),
        ("fin", rows({"flags": "FA"})),
        ("data.blockpage", rows({"flags": "FA", "http_status": 403, "payload": 80})),
        ("data.blockpage-http", rows({"flags": "FA", "http_status": 403, "payload": 80}, kind=2)),
        ("data.redirect", rows({"flags": "A", "http_status": 302, "payload": 80})),
        ("data.redirect-http", rows({"flags": "FA", "http_status": 302, "payload": 80}, kind=2)),
        ("data.alert", rows({"flags": "A", "tls_alert": 112, "payload": 7}, flow={**SILENT, "server_bytes": 7})),
        ("data.race", rows({"flags": "A", "payload": 9, "overlaps": True}, {"flags": "A", "payload": 9, "overlaps": True}, flow=ANSWERED)),
        ("address.icmp", rows({"from": "icmp", "icmp_type": 3, "icmp_code": 13}, kind=0)),
        ("icmp", rows({"from": "icmp", "icmp_type": 3, "icmp_code": 13})),
        ("rst.on-path-answered", rows({"flags": "RA", "delay_over_rtt": 1.0}, {"flags": "A", "payload": 900, "options": "timestamps"}, flow=ANSWERED)),
        ("rst.tos-40", rows({"flags": "RA", "tos": 40, "ipid": 0})),
        ("rst.low-ipid", rows({**BARE, "ipid": 1})),
        ("rst.nonce-bit", rows({"flags": "RA", "reserved_bits": 1})),
        ("rst.ipid-offset", rows({"flags": "RA", "ipid_step": 64})),
        ("rst.seq-change", rows({**BARE, "seq_raw": 1000}, {**BARE, "seq_raw": 6000, "seq_ahead": 5000})),
        ("rst.ack-change", rows({"flags": "RA", "ack_raw": 99}, {"flags": "RA", "ack_raw": 66})),
        ("snort-strafing", rows(*({"flags": "RA", "seq_raw": 1000 + o, "ttl_shift": 0} for o in (0, 700, 100, 1400)))),
        ("suricata-reject", rows({"flags": "RA", "window": 8192, "window_mirror": 0})),
    ],
)
def test_a_technique_is_named_where_no_device_is(name: str, suspects: FakeTable) -> None:
    assert ids(suspects, deployments=False) == [name] and ids(suspects) == []


@pytest.mark.parametrize(
    "suspects",
    [
        pytest.param(rows({"flags": "FA", "ack_ahead": -517}), id="a server that gave up on a lost hello"),
        pytest.param(rows({"flags": "R", "after_fin": True}, flow=ANSWERED), id="a reset after the server's FIN"),
        pytest.param(rows({"from": "client", "flags": "FA", "reaches_server": True}, NO_SOCKET), id="a reset after our close"),
        pytest.param(rows({"from": "icmp", "icmp_type": 11, "icmp_code": 0}), id="time exceeded"),
        pytest.param(rows({"from": "icmp", "icmp_type": 3, "icmp_code": 4}), id="fragmentation needed"),
        pytest.param(rows({"from": "icmp", "icmp_type": 3, "icmp_code": 0, "ipid": None}), id="time exceeded in IPv6"),
    ],
)
def test_what_means_nothing_matches_nothing(suspects: FakeTable) -> None:
    assert [m.signature for m in first_pass(DATABASE, suspects) if not m.pending] == []


def test_two_injectors_in_one_flow_are_two_matches() -> None:
    both = rows({**BARE, "window": 41579}, TRIPLE, TRIPLE, TRIPLE, flow=ANSWERED)
    assert [(m.signature, m.packets) for m in first_pass(DATABASE, both) if m.deployment] == [
        ("gfw-reset-triple", (2, 3, 4)),
        ("gfw-bare-reset", (1,)),
    ]


def test_every_technique_has_a_generic_signature() -> None:
    covered = {s.technique for s in DATABASE.signatures if s.generic}
    parents = {"drop", "proxy", "throttle", "address", "residual", "quic"}
    assert covered == set(TECHNIQUES) - parents


@pytest.mark.parametrize("signature", DATABASE.signatures, ids=lambda s: s.id)
def test_every_signature_can_be_told_in_words(signature: Any) -> None:
    assert all(isinstance(line, str) for line in describe(signature))
    assert len(signature.description) > 60 and len(signature.looks_like) > 10
