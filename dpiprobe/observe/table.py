"""The suspect table: the packets that clauses run on, with the features of each.

Suspects are selected once a batch; signatures ask for columns of this table by the vocabulary's names. A column comes with a mask
that says where it is known. Rows are ordered by flow, then by capture order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

CLIENT, SERVER, STRAY, ICMP_ERROR = 0, 1, 2, 3
ORIGINS = {"client": CLIENT, "server": SERVER, "stray": STRAY, "icmp": ICMP_ERROR}

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Values:
    """A column and where it is known. Kinds number, duration: int64; ratio: float64; choice: int64 index into the feature's
    choices; flag: bool; bytes, text: the payloads themselves, for the clause to compare or search (an object array, or anything
    that gives one for an array of row indices: a payload is copied only where somebody asks for it)."""

    data: npt.NDArray[Any]
    known: Bools


class Part(Protocol):
    """Some rows of the table."""

    def feature(self, name: str) -> Values:
        """A packet feature over these rows; of a whole column's part the same as of the part alone."""
        ...


class SuspectTable(Protocol):
    """What matching needs to know. `n` suspect rows over `f` flows."""

    flow: Ints
    """flow index of each row, ascending; length n"""
    number: Ints
    """packet number in the capture"""
    time: Ints
    """ns"""
    origin: Ints
    """CLIENT, SERVER, STRAY or ICMP_ERROR"""
    flags: Ints
    """TCP flag bits as in wire.packets (0 for ICMP)"""
    flow_count: int
    trigger_kind: Ints
    """per flow (length f): 0 none, 1 client_hello, 2 http_request, 3 quic_initial, 4 other data"""
    reaches_server: Bools
    """per row: a client's packet that can have reached the server (acknowledged, or full TTL and not quoted in a time-exceeded)"""

    def feature(self, name: str) -> Values:
        """A packet feature over the n rows; computed once."""
        ...

    def part(self, rows: Ints) -> Part:
        """These rows alone: their features cost what these rows cost."""
        ...

    def flow_feature(self, name: str) -> Values:
        """A flow feature over the f flows; computed once."""
        ...

    def flow_feature_of(self, name: str, flows: Ints) -> Values:
        """A flow feature over some flows: one that costs much for each costs what these flows cost."""
        ...
