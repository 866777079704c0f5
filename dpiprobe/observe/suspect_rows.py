"""The suspect rows of a batch with their anchors and first bytes: what the features of a packet are worked out from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import Flows
from dpiprobe.wire.packets import Packets, pieces

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HEAD = 12
"""Payload bytes that tell what a packet begins with: a status line's version and code (RFC 9112 section 4) are the longest."""


@dataclass
class Suspects:
    """n suspect rows and where they stand. Slot indices into `flows`, -1 where there is none.

    slot: the suspect itself · trigger: nearest preceding copy of the trigger, or of the SYN where none preceded ·
    answered: last packet of the other side before it (no reset) · previous: packet of the same side before it ·
    overlapping: per slot of `flows` · server_rtt: per flow, smallest round trip to that server in ns (-1 unknown) ·
    had_fin: per row, this side had sent a FIN before · whole: of a part, whose rows these are, and which · row, flow, origin: of each suspect
    """

    flows: Flows
    slot: Ints
    trigger: Ints
    answered: Ints
    previous: Ints
    had_fin: Bools
    overlapping: Bools
    server_rtt: Ints
    whole: tuple[Suspects, Ints] | None = None
    row: Ints = field(init=False)
    flow: Ints = field(init=False)
    origin: Ints = field(init=False)
    _first: npt.NDArray[np.uint8] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        flows = self.flows
        self.row, self.flow, self.origin = flows.row[self.slot], flows.flow[self.slot], flows.origin[self.slot]

    @property
    def first(self) -> npt.NDArray[np.uint8]:
        """The first captured payload byte of each row, 0 where there is none."""
        if self._first is None:
            self._first = self.whole[0].first[self.whole[1]] if self.whole is not None else _first(self.flows.packets, self.row)
        return self._first

    def heads(self, at: Ints) -> npt.NDArray[np.uint8]:
        """The first `HEAD` captured payload bytes of the rows at these places, zeros behind the captured ones; shape (len(at), HEAD). Parts of large
        captures keep more than that at hand (`flow.table_loop.HEAD`)."""
        return _heads(self.flows.packets, self.row[at])

    def part(self, rows: Ints) -> Suspects:
        """Some of these rows."""
        return _Some(self, rows)

    def of(self, column: Ints) -> Ints:
        """A packet column over the suspect rows."""
        return column[self.row]

    def at(self, slots: Ints, column: Ints) -> Ints:
        """A packet column at anchors; where the anchor is missing the value means nothing."""
        return column[self.flows.row[np.maximum(slots, 0)]]


_BY_ROW = frozenset({"slot", "trigger", "answered", "previous", "had_fin", "row", "flow", "origin"})


class _Some(Suspects):
    """Some rows of others; a column of theirs is made when it is first asked for, since most features ask for two or three."""

    def __init__(self, whole: Suspects, rows: Ints) -> None:
        self.flows, self.overlapping, self.server_rtt, self.whole = whole.flows, whole.overlapping, whole.server_rtt, (whole, rows)

    def __getattr__(self, name: str) -> Any:
        if name not in _BY_ROW or self.whole is None:
            raise AttributeError(name)
        whole, rows = self.whole
        column = getattr(whole, name)[rows]
        setattr(self, name, column)
        return column


def _first(packets: Packets, row: Ints) -> npt.NDArray[np.uint8]:
    out = np.zeros(len(row), np.uint8)
    some = (packets.payload_captured[row] > 0).nonzero()[0]
    if len(some):
        out[some] = np.frombuffer(packets.arena, np.uint8)[packets.payload_offset[row[some]]]
    return out


def _heads(packets: Packets, row: Ints) -> npt.NDArray[np.uint8]:
    out = np.zeros((len(row), HEAD), np.uint8)
    captured = packets.payload_captured[row]
    arena, begin = np.frombuffer(packets.arena, np.uint8), packets.payload_offset[row]
    long = np.flatnonzero(captured >= HEAD)
    if len(long):
        out[long] = pieces(packets.arena, begin[long], HEAD)
    short = np.flatnonzero((captured > 0) & (captured < HEAD))
    if len(short):
        place = np.arange(HEAD)
        at = np.minimum(begin[short][:, None] + place, len(arena) - 1)
        out[short] = np.where(place < captured[short][:, None], arena[at], 0)
    return out
