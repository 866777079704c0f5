"""The line itself: a capture (and perhaps a plan) -> records. What live runs, files, the lab and clusters all call.

No I/O, clock or randomness in here: the same packets, plan and signatures give the same records, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dpiprobe import __version__
from dpiprobe.capture.model import Capture
from dpiprobe.errors import InputError
from dpiprobe.flow.flows import Flows
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import Observed, observe
from dpiprobe.plan.comment import plan_in
from dpiprobe.plan.plan import Plan, Trial, trials_by_endpoint
from dpiprobe.signature.database import Database
from dpiprobe.signature.ledger import Ledger
from dpiprobe.signature.match import Match, first_pass
from dpiprobe.signature.second_pass import second_pass
from dpiprobe.signature.second_pass import settle as settle_claims
from dpiprobe.verdict.both_ends import compare_ends
from dpiprobe.verdict.comparison import context_of, screen
from dpiprobe.verdict.control import Controls, choose_controls
from dpiprobe.verdict.expected import Expected
from dpiprobe.verdict.judge import Judge
from dpiprobe.verdict.judgements import Judgements
from dpiprobe.verdict.names import NameJudgement, judge_names
from dpiprobe.verdict.plain_outcomes import outcomes_of
from dpiprobe.verdict.records import all_records, client_of, gather_names, server_of
from dpiprobe.verdict.view import Views


@dataclass(slots=True)
class Explanation:
    """Everything that was found out about a capture; `records()` is what others read."""

    capture: Capture
    flows: Flows
    observed: Observed
    judgements: Judgements
    planned: dict[int, str]
    """The names that a plan meant flows to send."""
    matches: dict[int, list[Match]]
    controls: Controls
    database_hash: str
    partners: int | None = None
    """Flows that the server-side capture holds as well; None where there is no such capture."""
    _names: list[NameJudgement] | None = None

    @property
    def names(self) -> list[NameJudgement]:
        """One judgement for each (server, name), in order of the first flow."""
        if self._names is None:
            self._names = judge_names(gather_names(self.flows, self.judgements, self.controls, self.planned))
        return self._names

    @property
    def records(self) -> Iterator[dict[str, Any]]:
        """The records of design section 7, in output order."""
        return all_records(self.capture, self.flows, self.judgements, self.names, self.matches, __version__, self.database_hash)


def explain(
    capture: Capture, *, database: Database, plan: Plan | None = None, controls: Collection[str] = (), server_side: Capture | None = None,
    expected: Sequence[Expected] = (),
) -> Explanation:  # fmt: skip
    """Explain one capture.

    plan: says which flow was which trial; where none is given, the one in the capture's comments · expected: certificates that names are served with
    controls: names that are known to be served at the addresses in the capture · server_side: the same connections as seen at the server
    """
    return explain_flows(
        settle(capture.packets), capture, database=database, plan=plan, controls=controls, server_side=server_side, expected=expected
    )


def explain_flows(
    flows: Flows, capture: Capture, *, database: Database, plan: Plan | None = None, controls: Collection[str] = (),
    server_side: Capture | None = None, designated: bool | None = None, ledger: Ledger | None = None, expected: Sequence[Expected] = (),
) -> Explanation:  # fmt: skip
    """Explain flows that are settled: those of a whole capture, or those of some of its clients (see `partition`), where `capture` holds no packets.

    designated: whether a plan or the caller fixes controls, where these flows alone do not tell · ledger: what other parts know and ask
    """
    observed = observe(flows)
    views = Views(observed)
    outcomes = outcomes_of(observed, views)
    if plan is None:
        plan, broken = plan_of(capture)
        capture = replace(capture, damage=[*capture.damage, broken]) if broken else capture
    roles = roles_of(flows, plan)
    chosen = choose_controls(observed, outcomes, roles, controls, designated)
    first = first_pass(database, observed, both_ends=server_side is not None, screen=screen(observed, chosen))
    far = observe(settle(server_side.packets)) if server_side is not None else None
    ends = compare_ends(observed, far, outcomes) if far is not None else None
    matches = settle_claims(second_pass(first, context_of(observed, outcomes, chosen, first, ends, ledger)))
    judge = Judge(observed, outcomes, chosen, matches, ends, views, ledger, expected)
    judgements = judge.judgements()
    partners = sum(end.partner >= 0 for end in ends.values()) if ends is not None else None
    return Explanation(capture, flows, observed, judgements, planned_names(flows, plan), judge.matches, chosen, database.hash, partners)


def plan_of(capture: Capture) -> tuple[Plan | None, str | None]:
    """The plan in a capture's comments; else why it cannot be used: the packets are worth an explanation without it."""
    try:
        return plan_in(capture.comments), None
    except InputError as problem:
        return None, f"explained without its plan: {problem}"


def planned_names(flows: Flows, plan: Plan | None) -> dict[int, str]:
    """The name that each trial of a plan was to ask for: a flow that never came to send it still counts for its name."""
    if plan is None:
        return {}
    trials: dict[tuple[str, str], Trial] = trials_by_endpoint(plan)
    found = {f: trials.get((client_of(flows, f), server_of(flows, f))) for f in range(len(flows))}
    return {f: trial.name for f, trial in found.items() if trial is not None}


def roles_of(flows: Flows, plan: Plan | None) -> list[str | None]:
    """Each flow's role in the plan, None where there is no plan or no such trial."""
    if plan is None:
        return [None] * len(flows)
    trials: dict[tuple[str, str], Trial] = trials_by_endpoint(plan)
    roles: list[str | None] = []
    for f in range(len(flows)):
        trial = trials.get((client_of(flows, f), server_of(flows, f)))
        roles.append(trial.role if trial else None)
    return roles
