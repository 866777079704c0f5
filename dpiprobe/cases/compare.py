"""What came out against what must come out: a readable difference, line by line.

Rules of this file: only what the expectation mentions is compared, plus the rule that innocent families accuse nobody. An empty list means
that the case holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpiprobe.cases.case import Case
from dpiprobe.cases.evidence import evidence_of

ACCUSATIONS = ("blocked", "contested")


@dataclass(slots=True)
class Result:
    """How one case went: the lines of difference, none where it holds."""

    case: Case
    differences: list[str]

    @property
    def holds(self) -> bool:
        """Whether everything came out as expected."""
        return not self.differences


def run_case(case: Case, database: Any) -> Result:
    """Explain the case's capture (with its server side, if there) and compare."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.explain import explain

    capture = read_capture(case.capture)
    server = None if case.server is None else read_capture(case.server)
    explanation = explain(capture, database=database, controls=tuple(case.controls), server_side=server)
    return Result(case, compare(case, explanation.records))


def compare(case: Case, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Differences between a case's expectation and records, one line each."""
    flows: dict[int, Mapping[str, Any]] = {}
    names: dict[str, list[Mapping[str, Any]]] = {}
    account: Mapping[str, Any] = {}
    for record in records:
        match record.get("kind"):
            case "flow":
                flows[int(record["flow"])] = record
            case "name":
                names.setdefault(str(record.get("server_name") or "none"), []).append(record)
            case "capture":
                account = record
    out: list[str] = []
    for number, expected in case.flows.items():
        if number not in flows:
            out.append(f"flow {number}: not there; the capture has {len(flows)} flows")
            continue
        out += _differences(f"flow {number}", expected, flows[number])
    for name, expected in case.names.items():
        found = names.get(name)
        if not found:
            out.append(f"name {name}: not there; names are {', '.join(sorted(names)) or 'none'}")
            continue
        if len(found) > 1:
            out.append(f"name {name}: {len(found)} servers have it; expect its flows instead")
            continue
        out += _differences(f"name {name}", expected, found[0])
    out += _differences("capture", case.account, account)
    if case.accuses_nobody:
        out += _accusations(case, flows, names)
    return out


def _accusations(case: Case, flows: Mapping[int, Mapping[str, Any]], names: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Accusations that a case of an innocent family does not itself expect."""
    out = [
        f"flow {number}: {record['verdict']} ({record.get('signature') or record.get('technique')}), and a {case.family} case accuses nobody"
        for number, record in flows.items()
        if record.get("verdict") in ACCUSATIONS and "verdict" not in case.flows.get(number, {})
    ]
    out += [
        f"name {name}: {record['verdict']}, and a {case.family} case accuses nobody"
        for name, found in names.items()
        for record in found
        if record.get("verdict") in ACCUSATIONS and "verdict" not in case.names.get(name, {})
    ]
    return out


def _differences(where: str, expected: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    out = []
    for key, want in expected.items():
        have = evidence_of(record) if key == "evidence" else record.get(key)
        if key == "damage" and isinstance(want, int) and not isinstance(want, bool):
            have = len(have or ())
        if isinstance(want, dict) and isinstance(have, Mapping):
            have = {k: have.get(k) for k in want}
        if key == "matched":
            have = [match.get("signature") for match in record.get("matches") or ()]
            if set(want) <= set(have):
                continue
        if have != want:
            reason = "; ".join(map(str, record.get("reasons") or ())) if key == "verdict" else ""
            out.append(f"{where}: {key} is {_word(have)}, expected {_word(want)}" + (f" ({reason})" if reason else ""))
    return out


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)
