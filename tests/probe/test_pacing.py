"""How long a run waits between trials."""

from __future__ import annotations

from dpiprobe.plan.plan import Pace
from dpiprobe.probe.pacing import Past, spare_is_wanted, wait_after

PACE = Pace(gap=1.0, residual=180.0, recover=2)
WORKING, FAILING = Past("control", True), Past("control", False)
TEST_FAILED = Past("test", False)


def test_the_gap_counts_from_start_to_start() -> None:
    assert wait_after([WORKING], PACE, since_start=0.4).seconds == 0.6
    assert wait_after([WORKING], PACE, since_start=5).seconds == 0


def test_a_control_that_fails_after_a_test_is_waited_out() -> None:
    wait = wait_after([WORKING, TEST_FAILED, FAILING], PACE, 0)
    assert wait.seconds == 180
    assert "punishment" in wait.why


def test_a_failing_test_alone_is_not_waited_out() -> None:
    assert wait_after([WORKING, TEST_FAILED], PACE, 0).seconds == 1


def test_a_server_that_never_worked_is_not_punishing_anyone() -> None:
    assert wait_after([FAILING, TEST_FAILED, FAILING], PACE, 0).seconds == 1


def test_a_control_that_fails_without_a_test_before_it_is_not_waited_out() -> None:
    assert wait_after([WORKING, FAILING], PACE, 0).seconds == 1


def test_the_wait_is_taken_twice_in_a_row_and_again_after_the_control_worked() -> None:
    past = [WORKING, TEST_FAILED, FAILING, TEST_FAILED, FAILING]
    assert wait_after(past, PACE, 0).seconds == 180
    past += [TEST_FAILED, FAILING]
    assert wait_after(past, PACE, 0).seconds == 1
    past += [WORKING, TEST_FAILED, FAILING]
    assert wait_after(past, PACE, 0).seconds == 180


def test_a_random_name_that_the_server_refuses_is_no_punishment_where_there_is_a_known_control() -> None:
    past = [WORKING, TEST_FAILED, Past("random-control", False)]
    assert wait_after(past, PACE, 0).seconds == 1


def test_without_a_known_control_the_random_name_takes_its_place() -> None:
    past = [Past("random-control", True), TEST_FAILED, Past("random-control", False)]
    assert wait_after(past, PACE, 0).seconds == 180


def test_no_wait_where_none_is_wanted() -> None:
    assert wait_after([WORKING, TEST_FAILED, FAILING], Pace(gap=0, residual=0), 0).seconds == 0


def test_a_spare_control_is_wanted_where_the_last_one_was_punished_and_not_otherwise() -> None:
    assert spare_is_wanted([WORKING, TEST_FAILED, FAILING])
    assert not spare_is_wanted([WORKING, TEST_FAILED, WORKING])
    assert not spare_is_wanted([FAILING, TEST_FAILED, FAILING])
