"""What many captures come to: counts that can be added up, wherever they were made.

Rules of this file: it counts words of records and judges nothing; addition is commutative, so the order in which workers finish does not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

COUNTED = ("flows", "names", "techniques", "signatures")


@dataclass(slots=True)
class Tally:
    """Captures and packets read; flows and names by verdict; techniques and signatures by flows."""

    captures: int = 0
    packets: int = 0
    incomplete: int = 0
    flows: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    techniques: Counter[str] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)

    def watch(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The records as they are, counted as they pass."""
        for record in records:
            kind = record.get("kind")
            if kind == "flow":
                self.flows[str(record.get("verdict"))] += 1
                if record.get("technique"):
                    self.techniques[str(record["technique"])] += 1
                if record.get("signature"):
                    self.signatures[str(record["signature"])] += 1
            elif kind == "name":
                self.names[str(record.get("verdict"))] += 1
            elif kind == "capture":
                self.captures += 1
                self.packets += int(record.get("packets") or 0)
                self.incomplete += not record.get("complete", True)
            yield record

    def add(self, other: Tally) -> None:
        """Take another's counts into this one."""
        self.captures += other.captures
        self.packets += other.packets
        self.incomplete += other.incomplete
        for name in COUNTED:
            getattr(self, name).update(getattr(other, name))

    def plain(self) -> dict[str, Any]:
        """As JSON has it, the most frequent first."""
        counted = {name: dict(sorted(getattr(self, name).items(), key=lambda item: (-item[1], item[0]))) for name in COUNTED}
        return {"captures": self.captures, "packets": self.packets, "incomplete": self.incomplete, **counted}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Tally:
        """The tally that `plain` gave."""
        return cls(
            int(plain["captures"]), int(plain["packets"]), int(plain["incomplete"]), *(Counter(plain[name]) for name in COUNTED)
        )
