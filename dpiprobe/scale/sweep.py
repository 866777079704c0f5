"""Many captures through few workers: hands out batches, gives results back in the order of the inputs, survives the death of workers.

Rules of this file:
- Results come in input order whoever finishes first, so output does not depend on the number of workers.
- Batches are handed out only so far ahead of the oldest unfinished one, so what waits for its turn is bounded.
- A batch whose worker died is tried once more, then file by file; a file that has cost two workers is an error of that file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from dpiprobe.scale.batches import Task, batches
from dpiprobe.scale.inputs import Input
from dpiprobe.scale.pool import Died, Event
from dpiprobe.scale.task import Options, Result

Runner = Callable[["deque[Task]", Options], Iterator[Event]]
AHEAD = 32
"""Batches beyond the oldest unfinished one that may be started; their results wait in memory or in the spool folder."""


def sweep(
    inputs: Sequence[Input], options: Options, run: Runner, *, skip: Collection[str] = (), on_done: Callable[[list[Result]], Any] = len,
    ahead: int = AHEAD,
) -> Iterator[Result]:  # fmt: skip
    """Results of all inputs in order, but for those whose key is in `skip`.

    run: does tasks (a pool, a cluster) · on_done: hears of results when they are there · ahead: batches that may overtake the oldest
    """
    waiting = deque(batches(inputs, skip))
    starts = [task.first for task in waiting]
    order = [place for task in waiting for place, _ in task.inputs]
    queue: deque[Task] = deque()
    ready: dict[int, Result] = {}
    turn = 0
    started = 0

    def refill() -> None:
        nonlocal started
        while waiting and started < bisect_right(starts, order[turn] if turn < len(order) else 0) + ahead:
            queue.append(waiting.popleft())
            started += 1

    refill()
    for task, answer in run(queue, options):
        results = _settled(task, answer, queue)
        ready |= {result.place: result for result in results}
        on_done(results)
        while turn < len(order) and order[turn] in ready:
            yield ready.pop(order[turn])
            turn += 1
        refill()


def _settled(task: Task, answer: list[Result] | Died, queue: deque[Task]) -> list[Result]:
    """The results of a task; where its worker died, what goes back into the queue, or the error of a file that kills workers."""
    if not isinstance(answer, Died):
        return answer
    again = task.after_a_death()
    queue.extendleft(reversed(again))
    if again:
        return []
    place, given = task.inputs[0]
    return [Result(place, given.name, given.size, error=lost(given.name, answer.how))]


def lost(name: str, how: str) -> str:
    """The sentence for a capture on which two workers died."""
    return f"{name} cost two worker processes ({how}); is there enough memory? cut it into parts with 'editcap -c 1000000'"
