"""Which rows of a suspect table a clause may choose from at all: by the trigger of their flow, origin, flags and whether they reach the server.

Rules of this file:
- Rows that are equal in all of these are a class. A table has few classes, so a base is decided class by class: one that no class fits costs nothing,
  and bases of the same classes are the same rows.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.table import SuspectTable
from dpiprobe.wire.packets import ACK, FIN, PSH, RST, SYN

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Short = npt.NDArray[np.int16]

Base: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], int | None, int, int, bool | None]
"""Kinds of the trigger, then of the packet: origins, exact, some, lacks, reached_server (see `Packets`)."""

FOUR_FLAGS = SYN | FIN | RST | ACK
"""`flags: RA` speaks of these four alone: PSH, URG and the congestion bits differ between stacks for no reason (RFC 9293 section 3.1)."""
ASKED_FLAGS = FOUR_FLAGS | PSH
"""The flags that a clause can ask for."""
NO_FLAGS, ORIGIN, KIND, REACHES, CLASSES = 32, 6, 8, 11, 1 << 12
"""Of a class's number: the bit of a packet without flags (no TCP), where origin, kind of trigger and `reaches_server` begin, and the numbers there are."""
COMPARED = 8
"""So many classes are compared one by one; more are looked up (our own measurement)."""


class Classes:
    """The classes of a table's rows. kinds: of each flow's trigger"""

    def __init__(self, table: SuspectTable, kinds: Short) -> None:
        number: Short = (table.flags & ASKED_FLAGS).astype(np.int16)
        number[table.flags < 0] = NO_FLAGS
        number |= table.origin.astype(np.int16) << ORIGIN
        number |= kinds[table.flow] << KIND
        number |= table.reaches_server.astype(np.int16) << REACHES
        self._number = number
        here = np.flatnonzero(np.bincount(number, minlength=CLASSES)).tolist()
        self._classes = [(n, n >> KIND & 7, n >> ORIGIN & 3, n & NO_FLAGS == 0, n & ASKED_FLAGS, n >> REACHES == 1) for n in here]

    def of(self, base: Base) -> tuple[int, ...]:
        """The classes that fit. UDP has no flags: none of them, and it lacks all."""
        kinds, origins, exact, some, lacks, reached = base
        return tuple([
            number
            for number, kind, origin, tcp, flags, reaches in self._classes
            if kind in kinds
            and origin in origins
            and (exact is None or (tcp and flags & FOUR_FLAGS == exact))
            and (not some or (tcp and flags & some))
            and not (lacks and tcp and flags & lacks)
            and (reached is None or reached == reaches)
        ])  # fmt: skip

    def mask(self, classes: tuple[int, ...], rows: Ints | None = None) -> Bools:
        """Which rows, of all or of some, are of these classes."""
        number = self._number if rows is None else self._number[rows]
        if len(classes) > COMPARED:
            wanted = np.zeros(CLASSES, np.bool_)
            wanted[list(classes)] = True
            return wanted[number]
        mask = np.zeros(len(number), np.bool_)
        for one in classes:
            mask |= number == one
        return mask
