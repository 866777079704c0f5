"""Which packets are looked at, which of them contradict each other, and which of the client's can have arrived."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.observe.build import observe, reaches_server, server_round_trips
from dpiprobe.observe.conflicts import conflicting
from dpiprobe.observe.table import CLIENT, ICMP_ERROR, SERVER, STRAY
from dpiprobe.wire.packets import ACK, RST
from tests.flow.talk import HELLO, MS, SERVER_HELLO, Talk

SIZE = len(HELLO)


def start() -> Talk:
    return Talk().shake().hello()


def suspects(talk: Talk) -> list[int]:
    return [int(n) for n in observe(talk.flows()).number]


def test_an_ordinary_beginning_has_no_suspects() -> None:
    assert suspects(start().s("A", ack=SIZE)) == []


def test_the_first_four_answers_are_looked_at() -> None:
    talk = start()
    for i in range(6):
        talk.s("A", b"x" * 100, seq=100 * i, ack=SIZE)
    assert suspects(talk) == [5, 6, 7, 8]


def test_resets_closes_strays_and_errors_are() -> None:
    talk = start().s("RA").c("FA", seq=SIZE).s("R", source="203.0.113.66")
    observed = observe(talk.error(3, 1, talk.frames[3][1]).flows())
    assert observed.number.tolist() == [5, 6, 7, 8]
    assert observed.origin.tolist() == [SERVER, CLIENT, STRAY, ICMP_ERROR]
    assert observed.flags.tolist()[::3] == [RST | ACK, 0]
    assert list(observed.rows(0)) == [0, 1, 2, 3]


def test_copies_of_the_capture_are_not() -> None:
    talk = start().s("RA", ack=SIZE)
    talk.frames = [(t + copy * 2000, f) for t, f in talk.frames for copy in range(2)]
    assert suspects(talk) == [9]


def test_nothing_at_all_is_observed_of_nothing() -> None:
    observed = observe(Talk().flows())
    assert (len(observed.slot), observed.flow_count) == (0, 0)


# -- contradictions


def contradictions(talk: Talk) -> list[int]:
    flows = talk.flows()
    return [flows.number(s) for s in range(len(flows.row)) if conflicting(flows)[s]]


def test_a_page_and_the_true_answer_contradict_each_other() -> None:
    assert contradictions(start().s("FPA", b"HTTP/1.1 403 No\r\n\r\n").s("PA", SERVER_HELLO)) == [5, 6]


def test_a_repetition_does_not() -> None:
    assert contradictions(start().s("PA", SERVER_HELLO).s("PA", SERVER_HELLO).s("PA", SERVER_HELLO[50:], seq=50)) == []


def test_one_byte_of_a_keep_alive_probe_does_not() -> None:
    assert contradictions(start().s("PA", SERVER_HELLO).s("A", b"\0", seq=0).s("A", b"\x99", seq=3)) == []


def test_beyond_a_hole_they_do() -> None:
    assert contradictions(start().s("A", b"a" * 50, seq=500).s("A", b"b" * 50, seq=520)) == [5, 6]


def test_and_so_does_every_copy_of_either() -> None:
    assert contradictions(start().s("A", b"a" * 50).s("A", b"b" * 50).s("A", b"a" * 50, at=900)) == [5, 6, 7]


def test_a_reset_with_payload_does_not() -> None:
    assert contradictions(start().s("RA", b"no such host").s("PA", SERVER_HELLO)) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12), st.sampled_from(b"ab")), max_size=12))
def test_contradictions_are_those_of_the_plain_loop(pieces: list[tuple[int, int, int]]) -> None:
    talk = start()
    for at, size, byte in pieces:
        talk.s("A", bytes([byte]) * size, seq=at)
    wrong = {
        5 + k
        for i, (a, m, x) in enumerate(pieces)
        for j, (b, n, y) in enumerate(pieces)
        if x != y and min(a + m, b + n) - max(a, b) >= 2
        for k in (i, j)
    }
    assert contradictions(talk) == sorted(wrong)


# -- what reached the server


def reached(talk: Talk, number: int) -> bool:
    flows = talk.flows()
    return bool(reaches_server(flows, [number - 1])[0])


def test_a_close_with_the_full_ttl_may_have_arrived() -> None:
    assert reached(start().c("FA", seq=SIZE), 5)


def test_one_with_a_smaller_ttl_may_not() -> None:
    assert not reached(start().c("RA", seq=SIZE, ttl=5), 5)


def test_unless_it_was_acknowledged() -> None:
    assert reached(start().c("FA", seq=SIZE, ttl=5).s("A", ack=SIZE + 1), 5)
    assert not reached(start().c("FA", seq=SIZE, ttl=5).s("A", ack=SIZE), 5)


def test_a_reset_is_never_acknowledged() -> None:
    assert not reached(start().c("RA", seq=SIZE, ttl=5).s("A", ack=SIZE), 5)


def test_a_forged_reset_acknowledges_nothing() -> None:
    assert not reached(start().c("FA", seq=SIZE, ttl=5).s("RA", ack=SIZE + 1), 5)


def test_what_a_router_reports_as_expired_did_not_arrive() -> None:
    talk = start().c("RA", seq=SIZE)
    assert not reached(talk.error(11, 0, talk.frames[-1][1]), 5)
    talk = Talk(client="2001:db8::10", server="2001:db8:1::20").shake().hello().c("RA", seq=SIZE)
    assert not reached(talk.error(3, 0, talk.frames[-1][1], router="2001:db8:2::1", quote_length=60), 5)


def test_what_it_reports_as_prohibited_says_nothing() -> None:
    talk = start().c("RA", seq=SIZE)
    assert reached(talk.error(3, 13, talk.frames[-1][1]), 5)


def test_packets_of_others_are_not_asked() -> None:
    assert not reached(start().s("RA"), 5)


# -- round trips of a server


def test_the_smallest_round_trip_of_any_flow_to_the_server_counts() -> None:
    talk = Talk().c("S", at=0).s("SA", at=50)
    talk = Talk(port=40001, tape=talk).c("S", at=100).s("SA", at=130)
    talk = Talk(port=40002, tape=talk).c("S", at=200)
    talk = Talk(port=40003, server="198.51.100.99", tape=talk).c("S", at=300).s("SA", at=301)
    rtt, samples = server_round_trips(talk.flows())
    assert rtt.tolist() == [30 * MS, 30 * MS, 30 * MS, MS]
    assert samples.tolist() == [2, 2, 2, 1]
