"""Work that a thread does a little ahead of whoever takes its results: decompression, the reading and decoding of large captures.

Rules of this file:
- Results come in the order in which they were made, and what the work raises is raised to the taker, after all that was made before.
- Never more than `most` results wait; `stop` ends the work, whatever it waits for, and is called however the taking ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK = 0.2
"""Seconds after which a thread whose results nobody takes looks whether it has been stopped."""


class Ahead(Generic[T]):
    """`steps`, made by a thread of their own."""

    def __init__(self, steps: Iterator[T], most: int) -> None:
        self._steps = steps
        self._ready: Queue[tuple[T | None, BaseException | None]] = Queue(most)
        self._closed = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        step, error = self._ready.get()
        if error is not None:
            self._ready.put((None, StopIteration()))  # and ended, for who asks again
            raise error
        assert step is not None
        return step

    def stop(self) -> None:
        """End the work and wait for it; what it had made is lost."""
        self._closed.set()
        with suppress(Exception):
            while True:
                self._ready.get_nowait()
        self._thread.join()

    def _put(self, item: tuple[T | None, BaseException | None]) -> None:
        while not self._closed.is_set():
            with suppress(Full):
                self._ready.put(item, timeout=LOOK)
                return

    def _work(self) -> None:
        try:
            for step in self._steps:
                self._put((step, None))
                if self._closed.is_set():
                    return
            self._put((None, StopIteration()))
        except BaseException as error:  # handed over to the taker
            self._put((None, error))
