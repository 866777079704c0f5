"""Flows in the order of their keys and starts: what clauses `earlier` and `later` look through.

Rules of this file:
- A history is columns, sorted once; a key is looked up where a flow asks, and becomes a tuple only then.
- Flows of one key that began at the same time stand in the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Key = tuple[Hashable, ...]


class Keys:
    """What flows are keyed by, and `start`: a column of each name, as list and as numbers that are equal where the entries are."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = columns
        self._lists: dict[str, list[Any]] = {}
        self._codes: dict[str, Ints] = {}

    def of(self, name: str) -> list[Any]:
        """The column as a list."""
        if name not in self._lists:
            column = self._columns[name]
            self._lists[name] = column.tolist() if isinstance(column, np.ndarray) else list(column)
        return self._lists[name]

    def codes(self, name: str) -> Ints:
        """The column as numbers; those of `start` are the entries."""
        if name not in self._codes:
            column = self._columns[name]
            if name == "start" or isinstance(column, np.ndarray):
                self._codes[name] = np.asarray(column, np.int64)
            else:
                entries = self.of(name)
                place = {entry: i for i, entry in enumerate(dict.fromkeys(entries))}
                self._codes[name] = np.fromiter(map(place.__getitem__, entries), np.int64, len(entries))
        return self._codes[name]


class History:
    """Some flows by what `same` names, then by start. starts, flows: sorted so · packets: of the flows that show any"""

    def __init__(self, keys: Keys, same: Sequence[str], flows: Sequence[int], packets: Mapping[int, tuple[int, ...]]) -> None:
        self._keys, self._same, self._packets = keys, same, packets
        given = np.array(flows, np.int64)
        start = keys.codes("start")[given]
        codes = [keys.codes(name)[given] for name in same]
        order = np.lexsort((start, *codes[::-1]))
        new = np.ones(len(order), np.bool_)
        new[1:] = False
        for code in codes:
            new[1:] |= np.diff(code[order]) != 0
        self._start: Ints = start[order]
        self._edges = np.append(np.flatnonzero(new), len(order))
        self.starts: list[int] = self._start.tolist()
        self.flows: list[int] = given[order].tolist()
        self._places: dict[Key, tuple[int, int]] | None = None

    def _groups(self) -> Iterator[tuple[Key, int, int]]:
        columns = [self._keys.of(name) for name in self._same]
        edges = self._edges.tolist()
        for begin, end in pairwise(edges):
            flow = self.flows[begin]
            yield tuple(column[flow] for column in columns), begin, end

    def places(self, key: Key) -> tuple[int, int]:
        """Where the flows of a key begin and end."""
        if self._places is None:
            self._places = {key: (begin, end) for key, begin, end in self._groups()}
        return self._places.get(key, (0, 0))

    def packets_at(self, place: int) -> tuple[int, ...]:
        """The packets that one of the flows shows."""
        return self._packets.get(self.flows[place], ())

    def telling(self, within: int) -> Iterator[tuple[Key, Sequence[int]]]:
        """Of each key the flows that answer whoever looks as far as `within`, by their places: one without packets is left out where those at its
        sides are not farther apart, since whoever sees it, sees one of those."""
        for key, begin, end in self._groups():
            if not self._packets and (end - begin < 3 or self.starts[end - 1] - self.starts[begin] <= within):
                yield key, (begin, end - 1) if end - begin > 1 else (begin,)
                continue
            kept: list[int] = []
            for i in range(begin, end):
                bare = len(kept) > 1 and not any(map(self.packets_at, (i, kept[-1], kept[-2])))
                if bare and self.starts[i] - self.starts[kept[-2]] <= within:
                    kept.pop()
                kept.append(i)
            yield key, kept
