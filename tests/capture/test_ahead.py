"""Work ahead of its taker: order, errors in their place, and an end that waits for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from dpiprobe.capture.ahead import Ahead
from dpiprobe.errors import InputError


def counted(until: int, error: BaseException | None = None) -> Iterator[int]:
    yield from range(until)
    if error is not None:
        raise error


def test_results_come_in_order() -> None:
    steps = Ahead(counted(500), 2)
    assert list(steps) == list(range(500))
    assert list(steps) == []
    steps.stop()


@pytest.mark.parametrize("error", [InputError("gone."), KeyboardInterrupt(), MemoryError()], ids=lambda error: type(error).__name__)
def test_an_error_comes_after_what_was_made_before_it(error: BaseException) -> None:
    steps, taken = Ahead(counted(5, error), 2), []
    with pytest.raises(type(error)):
        for step in steps:
            taken.append(step)
    assert taken == [0, 1, 2, 3, 4]
    steps.stop()


def test_no_more_is_made_than_may_wait() -> None:
    made, third = [], Event()

    def work() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 3:
                third.set()
            yield number

    steps = Ahead(work(), 2)
    assert next(steps) == 0 and third.wait(10)
    steps.stop()
    assert len(made) <= 5


def test_stopped_before_anything_was_taken() -> None:
    steps = Ahead(counted(100), 1)
    steps.stop()
