"""The shapes of this room: what was found out about a flow, and what is said of it. No logic.

Words (verdict, technique, ...) are those of `signature.words`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Outcome:
    """How a flow ended, without blame. `slot`: the packet that decided it (-1 none) · `because`: why nothing can be said, where it is unseen."""

    word: str
    slot: int = -1
    because: str | None = None


@dataclass(slots=True)
class Evidence:
    """One finding about a flow.

    kind: what speaks (early-arrival, genuine-answer-after, distinctive, timestamps-missing, conflicting-data, icmp-prohibited, ...)
    technique: what it shows the interference to be · slots: the packets · sufficient: it carries a verdict alone (design section 5)
    reason: a plain sentence · weight: `confidence` it may reach alone · server_packets: numbers in the server-side capture
    """

    kind: str
    technique: str
    slots: list[int]
    reason: str
    sufficient: bool = True
    weight: str = "medium"
    signature: str | None = None
    repeatable: bool = False
    server_packets: Sequence[int] = ()


@dataclass(slots=True)
class Observation:
    """What happened, with slots and no meaning."""

    kind: str
    slots: list[int]
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Judgement:
    """What is said of one flow; the fields of a `flow` record that are not plain facts."""

    flow: int
    outcome: str = "unseen"
    verdict: str = "insufficient"
    because: str | None = None
    could_be: list[str] = field(default_factory=list)
    mechanism: str | None = None
    technique: str | None = None
    techniques: list[str] = field(default_factory=list)
    trigger: str = "unknown"
    direction: str = "unknown"
    position: str = "unknown"
    confidence: str = "low"
    signature: str | None = None
    evidence: list[Evidence] = field(default_factory=list)
    observations: Sequence[Observation] = ()
    reasons: list[str] = field(default_factory=list)
