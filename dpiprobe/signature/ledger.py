"""What flows of different clients say about each other, where a capture is explained in parts: a part's own entries, what it asked, what others answered.

Most rules look at one client's flows, and a part holds all flows of its clients. Three look further: trials of a name (`judge`), `across`, and
`earlier` or `later` without the client. What they find in other parts is handed in here, so that a part says what the whole capture would.

Rules of this file: it keeps books and judges nothing. Keys hold address numbers, which are the same in all parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dpiprobe.signature.clause import Earlier
from dpiprobe.signature.model import Signature

Ints = npt.NDArray[np.int64]
Key = tuple[Hashable, ...]
Fellow = tuple[int, int, tuple[object, ...]]
"""A match's flow and packet by their numbers in the capture, and the values of the features that a clause compares (None where one is not known)."""
Shown = tuple[int, int, tuple[int, ...]]
"""Start of a flow, its number in the capture, the packets that show it."""


@dataclass(slots=True)
class Told:
    """Flows that show what a clause asks for, as columns; those of one key by their start. keys: what the clause holds equal, column by column
    starts, numbers: see `Shown` · packets: by place, of those that show any"""

    keys: tuple[Ints | list[Hashable], ...]
    starts: Ints
    numbers: Ints
    packets: dict[int, tuple[int, ...]]

    def entries(self) -> Iterator[tuple[Key, Shown]]:
        """One by one."""
        columns = [column.tolist() if isinstance(column, np.ndarray) else column for column in (*self.keys, self.starts, self.numbers)]
        for place, (*key, start, number) in enumerate(zip(*columns, strict=True)):
            yield tuple(key), (start, number, self.packets.get(place, ()))


@dataclass(slots=True)
class Entries:
    """trials: flows with a repeatable finding by (server, port, name) · fellows: by (signature, clause, server, port, name) · told: by clause, as parts
    told it · found: the same by clause and key, once it was asked for"""

    trials: Counter[Key] = field(default_factory=Counter)
    fellows: dict[Key, list[Fellow]] = field(default_factory=dict)
    told: dict[Earlier, list[Told]] = field(default_factory=dict)
    found: dict[Earlier, dict[Key, list[Shown]]] = field(default_factory=dict)

    def shown(self, clause: Earlier, key: Key) -> list[Shown]:
        """The flows of a key that show what a clause asks for."""
        if clause not in self.found:
            by_key = self.found[clause] = dict[Key, list[Shown]]()
            for told in self.told.get(clause, ()):
                for other, one in told.entries():
                    by_key.setdefault(other, []).append(one)
        return self.found[clause].get(key, [])

    def add(self, other: Entries) -> None:
        """Take in another part's."""
        self.trials.update(other.trials)
        for key, fellows in other.fellows.items():
            self.fellows.setdefault(key, []).extend(fellows)
        for clause, told in other.told.items():
            self.told.setdefault(clause, []).extend(told)
            self.found.pop(clause, None)


@dataclass(slots=True)
class Ledger:
    """One part's books. `clauses`: those that look beyond one client · others: what other parts have entered, None while nobody knows
    asked: the keys that were looked up: (kind, key)"""

    clauses: tuple[Earlier, ...] = ()
    others: Entries | None = None
    own: Entries = field(default_factory=Entries)
    asked: set[tuple[Hashable, Key]] = field(default_factory=set)

    def trials(self, key: Key, own: int) -> int:
        """Trials of a name elsewhere; this part has `own`."""
        self.own.trials[key] = own
        self.asked.add(("trials", key))
        return self.others.trials[key] if self.others is not None else 0

    def fellows(self, key: Key, own: list[Fellow]) -> list[Fellow]:
        """Matches of the same signature and name elsewhere; this part has `own`."""
        self.own.fellows[key] = own
        self.asked.add(("fellows", key))
        return self.others.fellows.get(key, []) if self.others is not None else []

    def enter(self, clause: Earlier, told: Told) -> None:
        """What this part shows of a clause."""
        self.own.told[clause] = [told]

    def shown(self, clause: Earlier, key: Key) -> list[Shown]:
        """What other parts show of a clause."""
        self.asked.add((clause, key))
        return self.others.shown(clause, key) if self.others is not None else []

    def answerable(self, everywhere: Entries) -> bool:
        """Whether any other part has something to say to what was asked. `everywhere`: the entries of all parts, this one among them."""
        for kind, key in self.asked:
            if kind == "trials":
                if everywhere.trials[key] > self.own.trials[key]:
                    return True
            elif kind == "fellows":
                if len(everywhere.fellows.get(key, ())) > len(self.own.fellows.get(key, ())):
                    return True
            elif isinstance(kind, Earlier) and len(everywhere.shown(kind, key)) > len(self.own.shown(kind, key)):
                return True
        return False

    def elsewhere(self, everywhere: Entries) -> Entries:
        """What the other parts have entered, as far as it was asked."""
        out = Entries()
        for kind, key in self.asked:
            if kind == "trials":
                out.trials[key] = everywhere.trials[key] - self.own.trials[key]
            elif kind == "fellows":
                own = {number for _, number, _ in self.own.fellows.get(key, ())}
                out.fellows[key] = [fellow for fellow in everywhere.fellows.get(key, ()) if fellow[1] not in own]
            elif isinstance(kind, Earlier):
                mine = {flow for _, flow, _ in self.own.shown(kind, key)}
                out.found.setdefault(kind, {})[key] = [one for one in everywhere.shown(kind, key) if one[1] not in mine]
        return out


def beyond_one_client(signatures: Iterable[Signature]) -> tuple[Earlier, ...]:
    """The clauses of a database that look at earlier or later flows of any client."""
    found = [c for s in signatures for c in s.clauses if isinstance(c, Earlier) and "client" not in c.same]
    return tuple(dict.fromkeys(found))
