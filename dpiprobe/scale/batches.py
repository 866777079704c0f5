"""Inputs cut into batches: what one worker is handed at once, and what one set of Parquet files holds.

Rules of this file:
- The same inputs give the same batches, whatever the number of workers, so that an interrupted run finds its own work again.
- Small captures go at least fifty to a batch: a task costs 0.1 ms in a process pool and 1.5 ms under Dask (measured, 2,000 files, 2 workers).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dpiprobe.scale.inputs import Input, fingerprint

FILES = 50
LEAST_BYTES, MOST_BYTES = 4 << 20, 16 << 20
"""A batch is full at so many files or bytes: 10,000 to 50,000 packets, well above the cost of a task, and far below a minute."""
PARTS = 16
"""Into so many batches a run is cut that is not large, so that several workers end at about the same time."""
MOST = 4000
"""Batches that a run should not exceed, since each is a file in every table; above, batches grow (our own bound)."""


@dataclass(frozen=True, slots=True)
class Task:
    """A batch as it is handed out. `inputs`: each with its place among all inputs · `tries`: workers that died on it."""

    inputs: tuple[tuple[int, Input], ...]
    tries: int = 0

    @property
    def id(self) -> str:
        """The name of what this batch writes: the same inputs with the same content have the same."""
        return fingerprint([given for _, given in self.inputs])

    @property
    def first(self) -> int:
        """The place of its first input."""
        return self.inputs[0][0]

    def after_a_death(self) -> list[Task]:
        """What to do once its worker died: try once more, then every file alone, so that one bad file costs only itself.

        Empty for a single file that has cost two workers.
        """
        if len(self.inputs) > 1:
            return [Task(self.inputs, 1)] if not self.tries else [Task((one,)) for one in self.inputs]
        return [Task(self.inputs, self.tries + 1)] if self.tries < 1 else []


def batches(inputs: Sequence[Input], skip: Collection[str] = ()) -> list[Task]:
    """The inputs in order, cut into batches; then those with a key in `skip` are left out, which does not change where the cuts are."""
    files = max(FILES, -(-len(inputs) // MOST))
    total = sum(given.size for given in inputs)
    full = max(min(max(LEAST_BYTES, total // PARTS), MOST_BYTES), total // MOST)
    out: list[Task] = []
    batch: list[tuple[int, Input]] = []
    count = held = 0
    for place, given in enumerate(inputs):
        if given.key not in skip:
            batch.append((place, given))
        count += 1
        held += given.size
        if count >= files or held >= full or place == len(inputs) - 1:
            if batch:
                out.append(Task(tuple(batch)))
            batch, count, held = [], 0, 0
    return out
