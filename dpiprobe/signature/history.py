"""Flows in the order of their keys and starts: what clauses `earlier` and `later` look through.

Rules of this file:
- A history is columns, sorted once; a key is looked up where a flow asks, and becomes a tuple only then.
- Flows of one key that began at the same time stand in the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.signature.ledger import Key, Told

Ints = npt.NDArray[np.int64]


class Keys:
    """What flows are keyed by, and `start`: a column of each name, as list and as numbers that are equal where the entries are."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = columns
        self._lists: dict[str, list[Any]] = {}
        self._codes: dict[str, Ints] = {}

    def raw(self, name: str) -> Any:
        """The column as it was given."""
        return self._columns[name]

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
        self._flow: Ints = given[order]
        self.flows: list[int] = self._flow.tolist()
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

    def telling(self, within: int) -> Ints:
        """The places of flows that answer whoever looks as far as `within`: of a key one without packets is left out where those at its sides are not
        farther apart, since whoever sees it, sees one of those."""
        begin, end = self._edges[:-1], self._edges[1:]
        kept = np.zeros(len(self.flows), np.bool_)
        if not len(begin):
            return np.flatnonzero(kept)
        near = (end - begin < 3) | (self._start[end - 1] - self._start[begin] <= within)
        if self._packets:
            near[:] = False
        kept[begin[near]] = kept[end[near] - 1] = True
        for first, stop in zip(begin[~near].tolist(), end[~near].tolist(), strict=True):
            kept[self._sparse(range(first, stop), within)] = True
        return np.flatnonzero(kept)

    def _sparse(self, places: range, within: int) -> list[int]:
        kept: list[int] = []
        for i in places:
            bare = len(kept) > 1 and not any(map(self.packets_at, (i, kept[-1], kept[-2])))
            if bare and self.starts[i] - self.starts[kept[-2]] <= within:
                kept.pop()
            kept.append(i)
        return kept

    def told(self, within: int, numbers: Ints) -> Told:
        """Those flows for others. numbers: of all flows, in the whole capture"""
        places = self.telling(within)
        flows = self._flow[places]
        keys = tuple(column[flows] if isinstance(column, np.ndarray) else [column[f] for f in flows.tolist()] for column in map(self._keys.raw, self._same))
        packets = {i: shown for i, place in enumerate(places.tolist()) if (shown := self.packets_at(place))} if self._packets else {}
        return Told(keys, self._start[places], numbers[flows], packets)
