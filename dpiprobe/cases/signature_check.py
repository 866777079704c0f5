"""Signatures against recorded cases: each matches its own, none its near misses, none fires on the innocent, no two devices win one case.

Rules of this file:
- Problems are lines `file:line:col: what; what to do`, as those of `signature.check`, which reads files alone and runs before this.
- A case is explained once with the whole database; what a signature does there is read off its matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dpiprobe.cases.case import DRAFT, Case
from dpiprobe.signature.database import Database, database_of
from dpiprobe.signature.model import Signature
from dpiprobe.signature.reader import read_folder
from dpiprobe.signature.yaml_strict import Document

if TYPE_CHECKING:
    from dpiprobe.explain import Explanation
    from dpiprobe.observe.build import Observed
    from dpiprobe.signature.match import Match


@dataclass(slots=True)
class Ran:
    """One case explained. matches: of all its flows · winners: signatures that flows of it are named by, with the flow numbers"""

    case: Case
    explanation: Explanation
    matches: list[Match]
    winners: dict[str, list[int]]


def run_cases(cases: Iterable[Case], database: Database) -> list[Ran]:
    """All cases explained with this database."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.explain import explain

    ran = []
    for case in cases:
        server = None if case.server is None else read_capture(case.server)
        explanation = explain(read_capture(case.capture), database=database, controls=tuple(case.controls), server_side=server)
        winners: dict[str, list[int]] = {}
        for judgement in explanation.judgements:
            if judgement.signature is not None:
                winners.setdefault(judgement.signature, []).append(judgement.flow + 1)
        ran.append(Ran(case, explanation, [m for found in explanation.matches.values() for m in found], winners))
    return ran


def check_behaviour(folder: Path, cases: Sequence[Case], also: Iterable[Signature] = ()) -> list[str]:
    """How the signatures of a folder fare in these cases; nothing where a file of the folder is wrong (say that first).

    also: signatures that compete with them, such as those of the program when the folder is somebody's own
    """
    found, problems = read_folder(folder)
    if problems:
        return []
    own = {signature.id for signature, _ in found}
    database = database_of([*(signature for signature, _ in found), *(s for s in also if s.id not in own)])
    ran = {r.case.name: r for r in run_cases(cases, database)}
    out: list[str] = []
    for signature, document in found:
        out += _examples(signature, document, ran)
        out += _innocents(signature, document, ran.values())
    out += [f"{case.folder / 'expect.yaml'}:1:1: about still says TODO; say in one sentence what the case shows" for case in cases if "TODO" in case.about]
    out += [problem for case in cases for problem in _unread(case.folder / "expect.yaml")]
    out += _one_winner({s.id: (s, d) for s, d in found}, ran.values())
    return out


def _unread(file: Path) -> list[str]:
    """The line of an expectation that nobody has read: it says what the program said, so that it would bear out whatever the program says."""
    lines = file.read_text(encoding="utf-8").splitlines()
    at = next((number for number, line in enumerate(lines, 1) if line.startswith(DRAFT.partition(":")[0] + ":")), None)
    return [] if at is None else [f"{file}:{at}:1: still a draft; read it, correct it to what is true, and take this line out"]


def _examples(signature: Signature, document: Document, ran: dict[str, Ran]) -> list[str]:
    out = []
    for kind, names in signature.examples.items():
        for i, name in enumerate(names):
            at = document.where(("examples", kind, i))
            if name not in ran:
                out.append(f"{at}: no recorded case {name!r}; `dpiprobe cases new {'match' if kind == 'match' else 'near_miss'}/{name}` begins one")
                continue
            fires = [m for m in ran[name].matches if m.signature == signature.id]
            if kind == "match" and not fires:
                out.append(f"{at}: does not match its case {name!r}; {why_not(signature, ran[name].explanation.observed, ran[name].matches)}")
            if kind == "near_miss" and fires:
                out.append(f"{at}: matches its near miss {name!r}, {_where(fires[0])}; ask for something that this packet lacks")
    return out


def why_not(signature: Signature, observed: Observed, matches: Iterable[Match], flow: int | None = None) -> str:
    """Why a signature does not match: another one has the packets, or a clause holds nowhere. flow: the index of the one meant, None for any"""
    from dpiprobe.signature.match import first_pass

    def held(part: Signature) -> list[Match]:
        return [m for m in first_pass(database_of([part]), observed) if flow is None or m.flow == flow]

    where = "in none of its flows" if flow is None else "nowhere in it"
    mine = {(m.flow, n) for m in held(signature) for n in m.packets}
    rivals = sorted({m.signature for m in matches if m.signature != signature.id and mine & {(m.flow, n) for n in m.packets}})
    if rivals:
        return f"{' and '.join(rivals)} claims its packets: ask for more than that one does, or give way to it"
    for count in range(1, len(signature.expect) + 1):
        if not held(replace(signature, expect=signature.expect[:count], any_of=(), support=(), rule_out=())):
            return f"the clause {signature.expect[count - 1].name!r} holds {where} (`dpiprobe show` draws them)"
    if held(replace(signature, rule_out=(), support=())):
        return "a clause of rule_out holds there, or controls and other flows do not bear it out"
    return "none of any_of holds there"


def _innocents(signature: Signature, document: Document, ran: Iterable[Ran]) -> list[str]:
    return [
        f"{document.where(('expect',))}: fires on the clean case {r.case.name!r}, {_where(match)}; nobody interfered there, so ask for more"
        for r in ran
        if r.case.family == "clean"
        for match in [m for m in r.matches if m.signature == signature.id][:1]
    ]


def _where(match: Match) -> str:
    packets = f", packets {', '.join(map(str, match.packets))}" if match.packets else ""
    return f"flow {match.flow + 1}{packets}"


def _one_winner(signatures: dict[str, tuple[Signature, Document]], ran: Iterable[Ran]) -> list[str]:
    """No two deployments are named by one case's flows, nor match one flow with the same packets left over, unless one supersedes the other."""
    out = []
    for r in ran:
        devices = sorted(name for name in r.winners if name in signatures and not signatures[name][0].generic)
        for other in devices[1:]:
            first = devices[0]
            if first in signatures[other][0].supersedes or other in signatures[first][0].supersedes:
                continue
            at = signatures[other][1].where(("id",))
            out.append(
                f"{at}: wins flow {r.winners[other][0]} of the case {r.case.name!r}, whose flow {r.winners[first][0]} {first} wins; "
                "a case shows one device: tell them apart, or let one supersede the other"
            )
    return out
