"""Each word about a flow, once, on a flow that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.cases.build import Tape
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.observe.flow_features import FLOW_FUNCTIONS
from dpiprobe.observe.vocabulary import FLOW_FEATURES
from tests.flow.talk import HELLO, MS, SERVER_HELLO, Talk

SIZE, THEIRS = len(HELLO), len(SERVER_HELLO)
SECOND = 1000 * MS


def of(talk: Talk, name: str, flow: int = 0) -> Any:
    values = observe(talk.flows()).flow_feature(name)
    return values.data[flow] if values.known[flow] else None


def answered() -> Talk:
    return Talk().shake().hello().s("A", ack=SIZE, at=102).s("PA", SERVER_HELLO, ack=SIZE, at=112).c("A", seq=SIZE, ack=THEIRS)


def silent() -> Talk:
    return Talk().shake().hello().c("PA", HELLO, at=1052).c("PA", HELLO, at=3052)


def test_the_vocabulary_and_the_functions_are_one() -> None:
    assert list(FLOW_FUNCTIONS) == list(FLOW_FEATURES)


@pytest.mark.parametrize("name", FLOW_FEATURES)
def test_every_feature_is_of_its_kind(name: str) -> None:
    values = observe(answered().flows()).flow_feature(name)
    kind = {"number": "i", "duration": "i", "ratio": "f", "choice": "i", "flag": "b"}[FLOW_FEATURES[name].kind]
    assert (values.data.dtype.kind, values.known.dtype.kind) == (kind, "b")


def test_server_bytes_are_contiguous_ones() -> None:
    assert of(answered(), "server_bytes") == THEIRS
    assert of(answered().s("A", b"x" * 100, seq=THEIRS + 50), "server_bytes") == THEIRS


def test_packets_after_the_trigger() -> None:
    assert (of(answered(), "server_packets"), of(answered(), "client_packets")) == (2, 1)
    assert of(Talk().shake(), "server_packets") is None


@pytest.mark.parametrize(("ack", "word"), [(0, "none"), (100, "partial"), (SIZE, "end"), (SIZE + 50, "end")])
def test_server_ack(ack: int, word: str) -> None:
    assert FLOW_FEATURES["server_ack"].choices[of(Talk().shake().hello().s("A", ack=ack), "server_ack")] == word


def test_a_resets_acknowledgement_does_not_count() -> None:
    assert of(Talk().shake().hello().s("RA", ack=SIZE), "server_ack") == 0


def test_server_ack_is_unknown_where_the_server_is_not_captured_or_nobody_acknowledges() -> None:
    assert of(Talk().c("S").c("A").hello(), "server_ack") is None
    quic = Talk().datagram(True, b"\xc0\0\0\0\1" + bytes(1300)).datagram(False, b"\xc0\0\0\0\1" + bytes(1300))
    assert of(quic, "server_ack") is None


def test_answered() -> None:
    assert of(answered(), "answered")
    assert not of(silent(), "answered")
    assert of(Talk().hello(), "answered") is None


def test_copies_of_the_first_byte_nobody_acknowledged() -> None:
    assert (of(silent(), "retransmissions"), of(silent(), "unacknowledged_for")) == (2, 2999 * MS)


def test_a_hello_that_was_heard_has_none() -> None:
    assert (of(answered(), "retransmissions"), of(answered(), "unacknowledged_for")) == (0, None)


def test_of_a_hello_in_two_segments_the_lost_one_counts() -> None:
    talk = Talk().shake().c("A", HELLO[:100]).c("PA", HELLO[100:], seq=100, at=53).s("A", ack=100).c("PA", HELLO[100:], seq=100, at=1053)
    assert (of(talk, "retransmissions"), of(talk, "unacknowledged_for")) == (1, SECOND)


def test_then_silence() -> None:
    assert of(silent(), "then_silence") == 3001 * MS
    assert of(Talk().hello(), "then_silence") is None


def test_goodput_is_what_came_after_the_first_data_packet_over_that_time() -> None:
    talk = answered().s("A", b"x" * 1000, seq=THEIRS, ack=SIZE, at=612)
    assert of(talk, "goodput") == pytest.approx(2000.0)
    assert of(answered(), "goodput") is None


def test_syn_copies() -> None:
    assert of(Talk().c("S", at=0).c("S", at=1000).c("S", at=3000), "syn_copies") == 3
    assert of(Talk().hello(), "syn_copies") is None


def test_segments_of_the_trigger() -> None:
    talk = Talk().shake().c("A", HELLO[:100]).c("A", HELLO[:100]).c("PA", HELLO[100:], seq=100).c("PA", b"more", seq=SIZE)
    assert of(talk, "segments") == 2


def test_server_retransmissions_fill_a_hole_late() -> None:
    data = b"x" * 100
    late = Talk().shake().hello().s("A", data).s("A", data, seq=200).s("A", data, seq=100)
    again = Talk().shake().hello().s("A", data).s("A", data, at=300)
    assert (of(late, "server_retransmissions"), of(again, "server_retransmissions")) == (1, 0)


def test_the_true_answer_after_a_page_that_closed_is_no_retransmission() -> None:
    assert of(Talk().shake().hello().s("FPA", b"HTTP/1.1 403 No\r\n\r\n").s("PA", SERVER_HELLO), "server_retransmissions") == 0


def test_split_round_trips() -> None:
    talk = Talk().c("S", at=0).s("SA", at=20).c("A").hello().s("PA", SERVER_HELLO, ack=SIZE, at=82)
    assert of(talk, "split_round_trips") == pytest.approx(60 / 20)


def test_watched_after_ends_with_the_capture() -> None:
    talk = Talk(port=40001, tape=silent()).c("S", at=9052)
    assert (of(talk, "watched_after", 0), of(talk, "watched_after", 1)) == (6 * SECOND, 0)


def test_whether_the_hello_names_a_host_and_hides_a_name(tmp_path: Path) -> None:
    tape = Tape()
    tape.connection(begin=0).handshake().hello().acknowledge()
    tape.connection(begin=1000).handshake().hello(nameless=True).acknowledge()
    tape.connection(begin=2000).handshake().hello(extension=(0xFE0D, bytes(64))).acknowledge()
    tape.connection(begin=3000).handshake().hello(extension=(0xFFCE, bytes(64))).acknowledge()
    tape.connection(begin=4000).syn()
    tape.write(tmp_path / "t.pcap")
    observed = observe(settle(read_capture(tmp_path / "t.pcap").packets))
    some = np.array([3, 0, 4])
    of_some = {name: observed.flow_feature_of(name, some) for name in ("named", "encrypted_name", "answered")}
    named, hidden = observed.flow_feature("named"), observed.flow_feature("encrypted_name")
    assert named.data[:4].tolist() == [True, False, True, True] and named.known.tolist() == [True] * 4 + [False]
    for name, told in of_some.items():
        whole = observed.flow_feature(name)
        assert told.data.tolist() == whole.data[some].tolist() and told.known.tolist() == whole.known[some].tolist()
    assert [FLOW_FEATURES["encrypted_name"].choices[i] for i in hidden.data[:4]] == ["none", "none", "ech", "esni"]
