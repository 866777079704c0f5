"""ICMP errors and strays join the flow they belong to."""

from __future__ import annotations

import pytest

from dpiprobe.flow.flows import ICMP_ERROR, STRAY
from tests.flow.talk import HELLO, Talk

V6 = {"client": "2001:db8::10", "server": "2001:db8:1::20"}


def test_an_icmp_error_joins_the_flow_it_quotes() -> None:
    talk = Talk().shake().hello()
    flows = talk.error(3, 13, talk.frames[-1][1]).flows()
    assert (len(flows), flows.origin[4]) == (1, ICMP_ERROR)


def test_so_does_one_of_version_6() -> None:
    talk = Talk(**V6).shake().hello()
    flows = talk.error(1, 1, talk.frames[-1][1], router="2001:db8:2::1", quote_length=48).flows()
    assert (len(flows), flows.origin[4]) == (1, ICMP_ERROR)


def test_an_error_of_a_reused_port_joins_the_flow_that_was_there() -> None:
    talk = Talk().shake().hello()
    first = talk.frames[-1][1]
    talk.error(11, 0, first)
    flows = Talk(isn=9999, tape=talk).shake().hello().error(11, 0, first).flows()
    assert [flows.flow[flows.row == i][0] for i in (4, 9)] == [0, 1]


def test_an_error_that_quotes_nobody_is_left_out() -> None:
    talk = Talk().shake()
    assert len(talk.error(3, 1, Talk(port=1).segment(True, "S")).flows().row) == 3


def test_only_icmp_is_no_flow() -> None:
    assert len(Talk().error(3, 1, Talk().segment(True, "S")).flows()) == 0


def test_a_quote_that_ends_before_the_ports_is_left_out() -> None:
    talk = Talk().shake()
    assert len(talk.error(3, 1, talk.frames[0][1], quote_length=21).flows().row) == 3


@pytest.mark.parametrize("copies", [1, 3])
def test_resets_from_a_third_address_to_the_clients_port_are_strays(copies: int) -> None:
    talk = Talk().shake().hello()
    for _ in range(copies):
        talk.s("RA", ack=len(HELLO), source="203.0.113.66")
    flows = talk.flows()
    assert len(flows) == 1
    assert flows.origin[4:].tolist() == [STRAY] * copies


def test_a_stray_joins_the_flow_of_its_time() -> None:
    talk = Talk().shake().hello()
    flows = Talk(isn=50, tape=talk).shake().hello().s("R", source="203.0.113.66").flows()
    assert (len(flows), int(flows.flow[-1]), int(flows.origin[-1])) == (2, 1, STRAY)


def test_a_reset_long_after_the_flow_is_none() -> None:
    assert len(Talk().shake().s("R", source="203.0.113.66", at=5000).flows()) == 2


def test_another_clients_reset_to_the_server_is_none() -> None:
    talk = Talk().shake().hello()
    flows = Talk(client="192.0.2.99", tape=talk).c("R").flows()
    assert len(flows) == 2


def test_an_error_about_a_stray_goes_nowhere() -> None:
    talk = Talk().shake().s("R", source="203.0.113.66")
    flows = talk.error(3, 1, talk.frames[-1][1]).flows()
    assert (len(flows), int(flows.flow.min())) == (1, 0)
