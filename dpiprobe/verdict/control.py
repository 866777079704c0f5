"""Which flows may serve another as control, chosen from outcomes alone (never from verdicts).

Rules of this file:
- A control goes from the same client to the same server address and port, carries another name and the same kind of trigger.
- A plan or the caller fixes which names are controls; in a foreign capture every other name is one, and those that worked count.
- *alike*: as many segments, similar length, equal JA4 (the fingerprint does not hold the name).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.model import Outcome

ALIKE_LENGTH = 0.10
"""Largest relative difference in hello length between alike hellos: names differ by tens of bytes in hellos of 500 to 1900; policy."""


@dataclass(slots=True)
class Controls:
    """Per flow: indices of its control flows that worked and that failed; `designated`: names fixed by plan or caller ('' as none)."""

    worked: list[list[int]]
    failed: list[list[int]]
    designated: bool
    names: frozenset[str] = field(default_factory=frozenset)

    def state(self, flow: int) -> str:
        """completes, fails or absent."""
        return "completes" if self.worked[flow] else "fails" if self.failed[flow] else "absent"


NOT_A_FAILURE = frozenset({"aborted", "unseen"})
"""Outcomes that say nothing about whether a name works."""


def choose_controls(
    observed: Observed, outcomes: Sequence[Outcome], roles: Sequence[str | None], names: Collection[str] = (), designated: bool | None = None
) -> Controls:
    """Controls of every flow. `roles`: per flow, from a plan ("test", "control", "random-control") or None; `names`: fixed by the caller;
    `designated`: whether anything fixes controls in the whole capture, where these flows are a part of it."""
    flows = observed.flows
    count = len(flows)
    fixed = frozenset(names)
    if designated is None:
        designated = bool(fixed) or any(role is not None for role in roles)
    worked: list[list[int]] = [[] for _ in range(count)]
    failed: list[list[int]] = [[] for _ in range(count)]
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for f in range(count):
        if int(flows.trigger_kind[f]) in (CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL):
            key = (int(flows.client[f]), int(flows.server[f]), int(flows.server_port[f]), int(flows.trigger_kind[f]))
            groups[key].append(f)
    for members in groups.values():
        by_name: dict[str | None, list[int]] = defaultdict(list)
        for f in members:
            by_name[_name(observed, f)].append(f)
        useful = {  # for each name what its flows are good for as controls, once: there may be many names
            name: [g for g in tests if not designated or _is_control(observed, g, roles, fixed)] for name, tests in by_name.items()
        }
        works = {name: [g for g in tests if outcomes[g].word == "worked"] for name, tests in useful.items()}
        fails = {name: [g for g in tests if outcomes[g].word not in ("worked", *NOT_A_FAILURE)] for name, tests in useful.items()}
        for name, tests in by_name.items():
            control = designated and _is_control(observed, tests[0], roles, fixed)
            good = [] if control else [g for other, group in works.items() if other != name for g in group]
            bad = [] if control else [g for other, group in fails.items() if other != name for g in group]
            for f in tests:
                worked[f], failed[f] = good, bad
    return Controls(worked, failed, designated, fixed)


def _name(observed: Observed, flow: int) -> str | None:
    trigger = observed.flows.triggers[flow]
    return trigger.server_name if trigger else None


def _is_control(observed: Observed, flow: int, roles: Sequence[str | None], names: frozenset[str]) -> bool:
    if roles[flow] is not None:
        return roles[flow] in ("control", "random-control")
    return _name(observed, flow) in names


def alike(observed: Observed, flow: int, control: int, designated: bool) -> bool:
    """The control's hello resembles the flow's but for the name."""
    a, b = observed.flows.triggers[flow], observed.flows.triggers[control]
    if a is None or b is None or a.kind != b.kind:
        return False
    segments = observed.flow_feature("segments")
    if segments.known[flow] and segments.known[control] and segments.data[flow] != segments.data[control]:
        return False
    if abs(a.length - b.length) > ALIKE_LENGTH * max(a.length, b.length):
        return False
    return designated or a.ja4 == b.ja4
