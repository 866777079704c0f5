"""What came out against what must come out: a readable difference, line by line, each under the stage of the line that it belongs to.

Rules of this file:
- Only what the expectation mentions is compared, plus the rule that innocent families accuse nobody. An empty list means that the case holds.
- Differences stand in the order of the stages (`case.STAGES`): what is above may be the cause of what is below, never the other way round.
- A signature that an expectation misses is asked why: another one has its packets, or a clause of it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dpiprobe.cases.case import STAGES, Case
from dpiprobe.cases.evidence import evidence_of

if TYPE_CHECKING:
    from dpiprobe.explain import Explanation

ACCUSATIONS = ("blocked", "contested")
WhyNot = Callable[[str, int], str]
_STAGE_OF = {key: stage for stage, keys in STAGES.items() for key in keys}


@dataclass(slots=True)
class Result:
    """How one case went: the lines of difference, none where it holds."""

    case: Case
    differences: list[str]

    @property
    def holds(self) -> bool:
        """Whether everything came out as expected."""
        return not self.differences

    @property
    def stage(self) -> str | None:
        """The first stage of the line that differs; None where nothing does, or the case could not be run at all."""
        first = self.differences[0].split(":", 1)[0] if self.differences else ""
        return first if first in STAGES else None


def run_case(case: Case, database: Any) -> Result:
    """Explain the case's capture (with its server side, if there) and compare."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.explain import explain

    capture = read_capture(case.capture)
    server = None if case.server is None else read_capture(case.server)
    explanation = explain(capture, database=database, controls=tuple(case.controls), server_side=server)
    return Result(case, compare(case, explanation.records, lambda signature, flow: _why_not(signature, flow, explanation, database)))


def compare(case: Case, records: Iterable[Mapping[str, Any]], why_not: WhyNot | None = None) -> list[str]:
    """Differences between a case's expectation and records, one line each, in the order of the stages.

    why_not: says of a signature's id and a flow's number why it does not win there
    """
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
            out.append(f"flows: flow {number}: not there; the capture has {len(flows)} flows")
            continue
        out += _differences(f"flow {number}", expected, flows[number], why_not)
    for name, expected in case.names.items():
        found = names.get(name)
        if not found:
            out.append(f"flows: name {name}: not there; names are {', '.join(sorted(names)) or 'none'}")
            continue
        if len(found) > 1:
            out.append(f"flows: name {name}: {len(found)} servers have it; expect its flows instead")
            continue
        out += _differences(f"name {name}", expected, found[0])
    out += _differences("capture", case.account, {**account, "flows": len(flows)})
    if case.accuses_nobody:
        out += _accusations(case, flows, names)
    order = list(STAGES)
    return sorted(out, key=lambda line: order.index(line.split(":", 1)[0]))


def _accusations(case: Case, flows: Mapping[int, Mapping[str, Any]], names: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Accusations that a case of an innocent family does not itself expect."""
    out = [
        f"verdicts: flow {number}: {record['verdict']} ({record.get('signature') or record.get('technique')}), and a {case.family} case accuses nobody"
        for number, record in flows.items()
        if record.get("verdict") in ACCUSATIONS and "verdict" not in case.flows.get(number, {})
    ]
    out += [
        f"verdicts: name {name}: {record['verdict']}, and a {case.family} case accuses nobody"
        for name, found in names.items()
        for record in found
        if record.get("verdict") in ACCUSATIONS and "verdict" not in case.names.get(name, {})
    ]
    return out


def _differences(where: str, expected: Mapping[str, Any], record: Mapping[str, Any], why_not: WhyNot | None = None) -> list[str]:
    out = []
    for key, want in expected.items():
        have: Any = evidence_of(record) if key == "evidence" else record.get(key)
        if key == "damage" and isinstance(want, int) and not isinstance(want, bool):
            have = len(have or ())
        if isinstance(want, dict) and isinstance(have, Mapping):
            have = {k: have.get(k) for k in want}
        if key in ("matched", "observed"):
            members = record.get("matches" if key == "matched" else "observations") or ()
            have = [member.get("signature" if key == "matched" else "kind") for member in members]
            if set(want) <= set(have):
                continue
        if have != want:
            reason = "; ".join(map(str, record.get("reasons") or ())) if key == "verdict" else ""
            missed = want if key == "signature" and want is not None else next((w for w in want if w not in have), None) if key == "matched" else None
            if missed is not None and why_not is not None and "flow" in record:
                reason = why_not(str(missed), int(record["flow"]))
            out.append(f"{_STAGE_OF[key]}: {where}: {key} is {_word(have)}, expected {_word(want)}" + (f" ({reason})" if reason else ""))
    return out


def _why_not(identity: str, number: int, explanation: Explanation, database: Any) -> str:
    """Why a signature does not win a flow, in words; empty where it matches, or is no signature."""
    from dpiprobe.cases.signature_check import why_not

    signature = database.by_id.get(identity)
    if signature is None:
        return f"there is no signature {identity}"
    matches = explanation.matches.get(number - 1, [])
    if any(match.signature == identity for match in matches):
        return "it matches, and another finding goes before it"
    return why_not(signature, explanation.observed, matches, number - 1)


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)
