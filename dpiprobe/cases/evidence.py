"""Which packets a flow's claim rests on: the numbers that a case expects, and that a report prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def evidence_of(record: Mapping[str, Any]) -> list[int]:
    """Packet numbers, ascending: those of the held clauses of the winning signature, else those of all observations."""
    for match in record.get("matches") or ():
        if match.get("signature") == record.get("signature"):
            held = [n for clause in (match.get("clauses") or {}).values() if clause.get("state") == "held" for n in clause.get("packets") or ()]
            if held:
                return sorted(set(held))
    return sorted({n for observation in record.get("observations") or () for n in observation.get("packets") or ()})
