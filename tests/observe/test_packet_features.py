"""Each word about a packet, once, on a packet that shows it."""

from __future__ import annotations

from typing import Any

import pytest

from dpiprobe.observe.build import Observed, observe
from dpiprobe.observe.packet_features import PACKET_FUNCTIONS
from dpiprobe.observe.vocabulary import PACKET_FEATURES
from tests.flow.talk import HELLO, MS, SERVER_HELLO, Talk

SIZE = len(HELLO)
PAGE = b"HTTP/1.1 403 Forbidden\r\n\r\n<h1>blocked by order</h1>"
ALERT = b"\x15\x03\x03\x00\x02\x02\x70"


def start(**settings: Any) -> Talk:
    """Handshake (50 ms round trip; server: TTL 52, ID 0) and the hello (ID 500, window 1000) as packet 4 at 52 ms."""
    talk = Talk(**settings).c("S", at=0, ip_id=499, window=64000).s("SA", at=50, ttl=52, ip_id=0).c("A")
    return talk.c("PA", HELLO, ip_id=500, window=1000)


def look(talk: Talk) -> Observed:
    return observe(talk.flows())


def of(talk: Talk, name: str, number: int = 5) -> Any:
    """The feature's value for one packet; None where unknown."""
    observed = look(talk)
    values = observed.feature(name)
    row = observed.number.tolist().index(number)
    return values.data[row] if values.known[row] else None


def reset(**fields: Any) -> Talk:
    return start().s("RA", ack=SIZE, at=62, **fields)


def test_the_vocabulary_and_the_functions_are_one() -> None:
    assert list(PACKET_FUNCTIONS) == list(PACKET_FEATURES)


@pytest.mark.parametrize("name", PACKET_FEATURES)
def test_every_feature_is_of_its_kind(name: str) -> None:
    values = look(reset()).feature(name)
    kind = {"number": "i", "duration": "i", "ratio": "f", "choice": "i", "flag": "b", "bytes": "O", "text": "O"}[PACKET_FEATURES[name].kind]
    assert (values.data.dtype.kind, values.known.dtype.kind) == (kind, "b")


def test_delay_counts_from_the_nearest_copy_of_the_hello() -> None:
    assert of(reset(), "delay") == 10 * MS
    assert of(start().c("PA", HELLO, at=60).s("RA", at=61), "delay", 6) == MS


def test_delay_of_a_refusal_counts_from_the_syn() -> None:
    assert of(Talk().c("S", at=0).s("RA", at=3), "delay", 2) == 3 * MS


def test_delay_over_rtt_takes_the_smallest_round_trip_to_that_server() -> None:
    assert of(reset(), "delay_over_rtt") == pytest.approx(0.2)
    near = start().s("RA", at=62)
    other = Talk(port=40001, isn=9, tape=near).c("S", at=100).s("SA", at=120)
    assert of(other, "delay_over_rtt") == pytest.approx(0.5)
    assert of(Talk().hello().s("RA"), "delay_over_rtt", 2) is None


def test_ttl() -> None:
    assert of(reset(ttl=77), "ttl") == 77


def test_ttl_shift_is_against_the_syn_ack() -> None:
    assert of(reset(ttl=55), "ttl_shift") == 3
    assert of(Talk().hello().s("RA"), "ttl_shift", 2) is None


@pytest.mark.parametrize(("ttl", "initial"), [(20, 32), (52, 64), (64, 64), (65, 128), (128, 128), (129, 255), (255, 255)])
def test_ttl_initial(ttl: int, initial: int) -> None:
    assert of(reset(ttl=ttl), "ttl_initial") == initial


V6 = {"client": "2001:db8::10", "server": "2001:db8:1::20"}


def test_ipid() -> None:
    assert of(reset(ip_id=13330), "ipid") == 13330
    assert of(start(**V6).s("RA"), "ipid") is None


def test_ipid_step_goes_from_the_sides_packet_before() -> None:
    assert of(start().s("R", ip_id=65535).s("R", ip_id=1), "ipid_step", 6) == 2


def test_ipid_mirror() -> None:
    assert of(reset(ip_id=500), "ipid_mirror") == 0
    assert of(reset(ip_id=501), "ipid_mirror") == 1
    assert of(reset(ip_id=499), "ipid_mirror") == 65535


def test_df() -> None:
    assert [PACKET_FEATURES["df"].choices[of(reset(df=bit), "df")] for bit in (True, False)] == ["set", "clear"]
    assert of(start(**V6).s("RA"), "df") is None


def test_tos() -> None:
    assert of(reset(tos=0x48), "tos") == 0x48


def test_window_and_its_kin() -> None:
    talk = reset(window=1064, ttl=64)
    assert [of(talk, name) for name in ("window", "window_mirror", "window_minus_ttl")] == [1064, 64, 1000]


def test_seq_raw() -> None:
    assert of(reset(), "seq_raw") == 5001


def test_seq_ahead_is_against_the_next_byte_owed() -> None:
    talk = start().s("PA", SERVER_HELLO, ack=SIZE).s("R", seq=len(SERVER_HELLO)).s("R", seq=len(SERVER_HELLO) + 1460).s("R")
    assert [of(talk, "seq_ahead", n) for n in (6, 7, 8)] == [0, 1460, -len(SERVER_HELLO)]


def test_a_fin_takes_one_number() -> None:
    assert of(start().s("FA", ack=SIZE).s("RA", seq=1), "seq_ahead", 6) == 0


def test_seq_ahead_over_the_wrap() -> None:
    assert of(start(their_isn=0xFFFFFFFE).s("R", seq=10), "seq_ahead") == 10


def test_seq_ladder_is_in_windows_of_the_packet_answered() -> None:
    assert [of(start().s("R", seq=n * 1000), "seq_ladder") for n in (0, 1, 3)] == [0.0, 1.0, 3.0]


def test_ack_ahead_and_ack_from_start() -> None:
    assert (of(reset(), "ack_ahead"), of(reset(), "ack_from_start")) == (0, SIZE)
    assert of(start().s("RA", ack=1), "ack_ahead") == 1 - SIZE
    assert of(start().c("R"), "ack_ahead") is None


def test_ack_raw_stands_also_without_the_flag() -> None:
    assert of(start().s("R", ack=0), "ack_raw") == 0
    assert of(reset(), "ack_raw") == 1001 + SIZE


def test_options() -> None:
    shown = [of(start().s("RA", **fields), "options") for fields in ({}, {"stamps": (1, 2)}, {"options": b"\2\4\5\xb4"})]
    assert [PACKET_FEATURES["options"].choices[v] for v in shown] == ["none", "timestamps", "other"]


def test_options_missing() -> None:
    assert of(start(timestamps=True).s("RA"), "options_missing")
    assert not of(start(timestamps=True).s("RA", stamps=(5, 6)), "options_missing")
    assert not of(reset(), "options_missing")


def test_reserved_bits() -> None:
    talk = start()
    frame = bytearray(talk.segment(False, "RA"))
    frame[32] |= 0x05  # the nonce bit and the third reserved bit
    assert of(talk.add(bytes(frame)), "reserved_bits") == 5


def test_urgent() -> None:
    assert of(reset(urgent=7), "urgent") == 7


def test_payload_and_its_bytes() -> None:
    talk = start().s("RA", b"\1\2\3", at=62)
    assert (of(talk, "payload"), of(talk, "payload_bytes")) == (3, b"\1\2\3")
    assert of(reset(), "payload") == 0


def test_payload_bytes_are_unknown_where_the_capture_cut_them() -> None:
    packets = start().s("RA", b"\1\2\3").packets()
    packets.payload_captured[4] = 2
    from dpiprobe.flow.settle import settle

    assert not observe(settle(packets)).feature("payload_bytes").known[-1]


def test_payload_zeros() -> None:
    assert of(start().s("R", bytes(6)), "payload_zeros") == 6
    assert of(start().s("R", b"\0\0\1"), "payload_zeros") is None


def test_ip_length() -> None:
    assert of(start().s("R", bytes(6)), "ip_length") == 46


def test_repeats_counts_equal_packets() -> None:
    talk = start().s("RA", at=62).s("RA", at=62.1).s("RA", at=62.2).s("RA", at=62.3, window=1)
    assert [of(talk, "repeats", n) for n in (5, 6, 7, 8)] == [3, 3, 3, 1]


def test_other_payload_is_no_repetition() -> None:
    talk = start().s("RA", b"ab").s("RA", b"cd").s("RA", b"ab")
    assert [of(talk, "repeats", n) for n in (5, 6, 7)] == [2, 1, 2]


def test_http_status_and_body() -> None:
    talk = start(to=80).s("FPA", PAGE, ack=SIZE)
    assert (of(talk, "http_status"), b"by order" in of(talk, "body_contains")) == (403, True)
    assert of(reset(), "http_status") is None


def test_tls_alert_and_type() -> None:
    talk = start().s("PA", ALERT, ack=SIZE)
    assert (of(talk, "tls_alert"), of(talk, "tls_type")) == (112, 21)
    encrypted = start().s("PA", b"\x15\x03\x03\0\x13" + bytes(19), ack=SIZE)
    assert (of(encrypted, "tls_alert"), of(encrypted, "tls_type")) == (None, 21)
    assert of(start().s("PA", PAGE), "tls_type") is None


def test_icmp_type_and_code() -> None:
    talk = start()
    talk.error(3, 13, talk.frames[-1][1])
    assert (of(talk, "icmp_type"), of(talk, "icmp_code"), of(talk, "window"), of(talk, "payload")) == (3, 13, None, None)
    assert of(reset(), "icmp_type") is None


def test_after_fin_is_about_the_same_side() -> None:
    talk = start().s("FA", ack=SIZE).c("FA", seq=SIZE).s("RA", seq=1)
    assert [of(talk, "after_fin", n) for n in (5, 6, 7)] == [False, False, True]


def test_overlaps() -> None:
    talk = start().s("FPA", PAGE, ack=SIZE).s("PA", SERVER_HELLO, ack=SIZE)
    assert (of(talk, "overlaps", 5), of(talk, "overlaps", 6)) == (True, True)
    assert not of(start().s("PA", SERVER_HELLO, ack=SIZE).s("PA", SERVER_HELLO, ack=SIZE), "overlaps", 6)


def test_echoes_timestamps() -> None:
    talk = start(timestamps=True)
    sent = look(talk.s("RA")).flows.packets.ts_value[3]
    assert of(start(timestamps=True).s("RA", stamps=(1, int(sent))), "echoes_timestamps")
    assert not of(start(timestamps=True).s("RA", stamps=(1, 4242)), "echoes_timestamps")
    assert not of(reset(), "echoes_timestamps")


def test_a_value_sent_only_later_is_no_echo() -> None:
    talk = start(timestamps=True).s("RA", stamps=(1, 777)).c("A", stamps=(777, 1))
    assert not of(talk, "echoes_timestamps")


def test_a_stray_is_looked_at_as_the_servers() -> None:
    talk = start().s("RA", ack=SIZE, source="203.0.113.66", at=62)
    assert [of(talk, name) for name in ("seq_ahead", "ack_ahead", "delay", "ttl_shift", "options_missing")] == [0, 0, 10 * MS, None, None]
