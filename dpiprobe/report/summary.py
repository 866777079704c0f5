"""What a person wants to know first, gathered from records: one row a name, counts, and where to look next.

Rules of this file:
- It sees records only (design, section 7) and keeps of them what the summary shows, so that a million flows cost a few numbers.
- It judges nothing: verdict, technique, position and reasons are what the records say. A name record that leaves a field out gets it
  from the first of its flows that has the same verdict.
- `insufficient` is never shown as ok, and what was lost in reading is said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dpiprobe.cases.evidence import evidence_of
from dpiprobe.report.printable import printable, ranges

VERDICTS = ("blocked", "contested", "down", "insufficient", "ok")
"""In the order in which a person wants to read them."""
MOST_OK = 12
"""Rows of names that worked; policy."""
MOST_ROWS = 200
"""Rows of other names; policy."""

Record = Mapping[str, Any]


@dataclass(slots=True)
class Name:
    """One row: a (server, name), as its record and its telling flow have it. All text is printable.

    flow: the flow to look at (from 1) or None · evidence: packet numbers of that flow's held clauses, or of its observations
    """

    server_name: str
    server: str
    verdict: str
    technique: str
    signature: str
    position: str
    confidence: str
    why: str
    flow: int | None
    evidence: list[int]
    trials: dict[str, int]


@dataclass(slots=True)
class Summary:
    """One capture or run in short. files: what it was put together from, nothing where it is one file · unshown: names by verdict that have no row,
    where rows were made for a table only"""

    capture: str = ""
    files: tuple[str, ...] = ()
    names: list[Name] = field(default_factory=list)
    unshown: Counter[str] = field(default_factory=Counter)
    flows: Counter[str] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Told:
    """What is kept of a flow whose verdict is not ok."""

    flow: int
    fields: dict[str, Any]
    evidence: list[int]


_KEPT = ("technique", "signature", "position", "confidence", "because", "could_be", "reasons", "mechanism")


def summary_of(flows: Counter[str], signatures: Counter[str], telling: Mapping[int, tuple[str, bytes]], closing: Iterable[Record]) -> Summary:
    """The summary of one capture whose flows were counted elsewhere, with the rows that a table shows. `telling`: by its number, of each (server, name)
    and verdict the first flow's verdict and record, as JSON · `closing`: the records of names and of the capture"""
    current = Summary(flows=flows, signatures=signatures)
    waiting = []
    for record in closing:
        current.capture = current.capture or printable(str(record.get("capture") or ""))
        if record["kind"] == "name":
            waiting.append(record)
        else:
            current.record = dict(record)
    shown = []
    few = Counter[bool]()
    for record in _ordered(waiting):
        verdict = str(record["verdict"])
        few[verdict == "ok"] += 1
        if few[verdict == "ok"] <= (MOST_OK if verdict == "ok" else MOST_ROWS):
            shown.append(record)
        else:
            current.unshown[verdict] += 1
    told = {}
    for record in shown:  # what nobody sees is not decoded
        number = next((n for n in record["flows"] if n in telling and telling[n][0] == record["verdict"]), None)
        if number is not None:
            told[number] = _told(json.loads(telling[number][1]))
    current.names = [_row(record, told) for record in shown]
    return current


def summaries(records: Iterable[Record]) -> Iterator[Summary]:
    """One summary a capture; captures are ended by their `kind: capture` line, and a last one may lack it."""
    current = Summary()
    told: dict[int, _Told] = {}
    waiting: list[Record] = []
    for record in records:
        kind = record.get("kind")
        current.capture = current.capture or printable(str(record.get("capture") or ""))
        if kind == "flow":
            verdict = str(record.get("verdict"))
            current.flows[verdict] += 1
            if record.get("signature"):
                current.signatures[str(record["signature"])] += 1
            if verdict != "ok":
                told[int(record.get("flow") or 0)] = _told(record)
        elif kind == "name":
            waiting.append(record)
        elif kind == "capture":
            current.record = dict(record)
            yield _finish(current, waiting, told)
            current, told, waiting = Summary(), {}, []
    if waiting or current.flows:
        yield _finish(current, waiting, told)


def _finish(summary: Summary, waiting: list[Record], told: dict[int, _Told]) -> Summary:
    summary.names = [_row(record, told) for record in _ordered(waiting)]
    return summary


def _ordered(names: list[Record]) -> list[Record]:
    """Records of names as a table shows them: by verdict."""
    place = {verdict: i for i, verdict in enumerate(VERDICTS)}
    return sorted(names, key=lambda record: place.get(str(record.get("verdict")), len(VERDICTS)))


def _told(record: Record) -> _Told:
    return _Told(int(record.get("flow") or 0), {"verdict": str(record.get("verdict"))} | {k: record.get(k) for k in _KEPT}, evidence_of(record))


def _row(record: Record, told: dict[int, _Told]) -> Name:
    verdict = str(record.get("verdict"))
    flows = () if verdict == "ok" else record.get("flows") or ()  # nothing is kept of flows that are ok
    telling = next((told[n] for n in flows if n in told and told[n].fields["verdict"] == verdict), None)
    fields = telling.fields if telling else {}

    def get(key: str) -> Any:
        value = record.get(key)
        return value if value not in (None, [], "") else fields.get(key)

    return Name(
        server_name=printable(str(record.get("server_name") or "(no name)")),
        server=printable(str(record.get("server") or "")),
        verdict=verdict,
        technique=printable(str(get("technique") or "")),
        signature=printable(str(get("signature") or "")),
        position=printable(str(get("position") or "")) if verdict in ("blocked", "contested") else "",
        confidence=printable(str(get("confidence") or "")) if verdict in ("blocked", "contested") else "",
        why=printable(_why(get)),
        flow=telling.flow if telling else None,
        evidence=telling.evidence if telling else [],
        trials={str(k): int(v) for k, v in (record.get("trials") or {}).items()},
    )


def _why(get: Any) -> str:
    """The first reason; for what cannot be said, first what is lacking."""
    parts = []
    if get("because"):
        because = get("because")
        parts.append(because if isinstance(because, str) else ", ".join(map(str, because)))
    reasons = get("reasons") or []
    if reasons:
        parts.append(str(reasons[0]))
    elif get("could_be"):
        parts.append("could be " + " or ".join(map(str, get("could_be"))))
    return ": ".join(parts)


def counts(counter: Mapping[str, int]) -> str:
    """`3 blocked, 1 down, 12 ok`; verdicts that nobody got are left out."""
    parts = [f"{counter[word]} {word}" for word in VERDICTS if counter.get(word)]
    return ", ".join(parts) or "none"


def losses(record: Mapping[str, Any]) -> list[str]:
    """What was lost in reading, one printable sentence each; nothing lost, nothing said."""
    out = [printable(str(sentence)) for sentence in record.get("damage") or ()]
    if record.get("undecoded"):
        out.append(f"{record['undecoded']} packets could not be decoded")
    if record.get("drops"):
        out.append(f"the capturing program lost {record['drops']} packets")
    return out


def packets(numbers: list[int], most: int = 6) -> str:
    """Evidence in short: the packet ranges, cut after `most` of them."""
    parts = ranges(numbers).split(", ")
    return ", ".join(parts[:most]) + (", ..." if len(parts) > most else "")
