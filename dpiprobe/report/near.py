"""What almost matched: for one flow the signatures that a field or two keep from it, with what they ask for and what the packet has instead.

Rules of this file:
- It decides nothing: which signatures match was said elsewhere; this says how far the others are, so that a reader can check.
- Only the flow's own packets are compared. A signature whose packets are all there and which still does not match is told by why not.
- Near is: at most `FAR` fields differ in all, fewer than hold, and of a device something distinctive holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES, Feature
from dpiprobe.report.printable import duration, printable
from dpiprobe.signature.clause import Flow, Packets, Predicate, SeenAt
from dpiprobe.signature.database import database_of
from dpiprobe.signature.match import first_pass
from dpiprobe.wire.packets import ACK, FIN, RST, SYN

if TYPE_CHECKING:
    from dpiprobe.observe.build import Observed
    from dpiprobe.signature.model import Signature

CONTENT = ("http_status", "tls_alert", "tls_type", "payload_zeros", "icmp_type", "icmp_code")
"""Features that only packets of one kind have."""
FAR, MOST = 2, 3
FLAGS = SYN | FIN | RST | ACK
"""Fields that may differ, and signatures that are named; so that it stays a page. Policy."""


@dataclass(frozen=True, slots=True)
class Near:
    """One signature that almost matched. differs: `clause: asks ..., packet N has ...`, none where another reason keeps it away"""

    signature: Signature
    differs: tuple[str, ...]

    def text(self) -> str:
        """One line."""
        why = "; ".join(self.differs) or "its packets are there; controls, other flows, a rule_out clause or a more specific signature keep it away"
        return f"{self.signature.id} ({self.signature.title}): {why}"


def near(signatures: Iterable[Signature], observed: Observed, flow: int, matched: Collection[str], most: int = MOST) -> list[Near]:
    """The signatures nearest to a flow that do not match it, nearest first. `flow` is the index, `matched` the ids that do match."""
    found: list[tuple[int, tuple[Any, ...], Near]] = []
    for signature in signatures:
        if signature.id in matched or int(observed.trigger_kind[flow]) not in signature.trigger.kinds:
            continue
        if any(isinstance(clause, SeenAt) for clause in signature.expect):
            continue  # those are for captures made elsewhere
        differs, held, distinctive = _compare(signature, observed, flow)
        if differs is None or len(differs) > FAR or len(differs) >= max(held, 1) or (not signature.generic and not distinctive):
            continue
        if not differs and (signature.generic or signature.second_pass):
            continue  # techniques give way to devices, and what only other flows could show is no news here
        found.append((len(differs), signature.specificity, Near(signature, tuple(differs))))
    return [n for _, _, n in sorted(found, key=lambda item: item[:2])[:most]]


def nearest(signature: Signature, observed: Observed) -> tuple[str, ...] | None:
    """What keeps a signature from the flow that comes nearest to it; None where no flow has packets to compare."""
    flows = [f for f in range(len(observed.flows)) if int(observed.trigger_kind[f]) in signature.trigger.kinds]
    found = [(len(differs), differs) for differs, _, _ in (_compare(signature, observed, f, all_of_it=True) for f in flows) if differs is not None]
    return tuple(min(found)[1]) if found else None


def _compare(signature: Signature, observed: Observed, flow: int, all_of_it: bool = False) -> tuple[list[str] | None, int, bool]:
    """(what differs in the best packets; None where there are none to compare, how many fields hold, whether a distinctive one does).

    all_of_it: also say what is far: a page compared with a reset, one packet with a group
    """
    differs: list[str] = []
    held, distinctive = 0, False
    for clause in signature.expect:
        if isinstance(clause, Flow):
            wrong = [p for p in clause.predicates if not _flow_accepts(observed, flow, p)]
            held += len(clause.predicates) - len(wrong)
            differs += [f"{clause.name} asks for {p.feature} {p.test.said}, this flow has {_flow_value(observed, flow, p.feature)}" for p in wrong]
        elif isinstance(clause, Packets):
            rows, flagged = _candidates(clause, observed, flow)
            if not rows:
                return None, 0, False
            row = min(rows, key=lambda r: (len(_wrong(observed, r, clause.predicates)), r))
            wrong = _wrong(observed, row, clause.predicates)
            if not all_of_it and any(p.feature in CONTENT and not bool(observed.feature(p.feature).known[row]) for p in wrong):
                return None, 0, False  # a page compared with a reset: nothing is near about that
            held += len(clause.predicates) - len(wrong) + 1
            good = {p.feature for p in clause.predicates} - {p.feature for p in wrong}
            distinctive |= any(f"{clause.name}.{feature}" in signature.distinctive_fields for feature in good)
            number = int(observed.number[row])
            if not flagged:
                differs.append(f"{clause.name} asks for {_flag_words(clause)}, packet {number} has {_letters(int(observed.flags[row])) or 'none'}")
            differs += [f"{clause.name} asks for {p.feature} {p.test.said}, packet {number} has {value(observed, row, p.feature)}" for p in wrong]
            if flagged and not wrong and not _group_holds(signature, clause, observed, flow):
                alike = [r for r in rows if not _wrong(observed, r, clause.predicates)]
                if len(alike) < 2 and not all_of_it:
                    return None, 0, False  # one packet is not nearly a group
                differs.append(f"{clause.name} asks for {_group_words(clause)}; {_group_has(clause, observed, alike)}")
                distinctive = True
    if not differs:
        differs += _alternatives(signature, observed, flow)
    return differs, held, distinctive


def _alternatives(signature: Signature, observed: Observed, flow: int) -> list[str]:
    """Of `any_of` the alternative that comes nearest, where all of them speak of packets and none holds."""
    nearest_one: list[str] | None = None
    for clause in signature.any_of:
        if not isinstance(clause, Packets):
            return []
        rows, flagged = _candidates(clause, observed, flow)
        wrong = [(_wrong(observed, r, clause.predicates), r) for r in rows if flagged]
        if not wrong:
            continue
        fields, row = min(wrong, key=lambda item: len(item[0]))
        if not fields:
            return []
        number = int(observed.number[row])
        head = f"{clause.name} (or another of any_of)"
        said = [f"{head} asks for {p.feature} {p.test.said}, packet {number} has {value(observed, row, p.feature)}" for p in fields]
        if nearest_one is None or len(said) < len(nearest_one):
            nearest_one = said
    return nearest_one or []


def _candidates(clause: Packets, observed: Observed, flow: int) -> tuple[list[int], bool]:
    """Rows of the flow that come from where the clause says, with the flags it asks for; where there are none (False) resets and closes with others."""
    begin, end = np.searchsorted(observed.flow, (flow, flow + 1)).tolist()
    rows = [row for row in range(begin, end) if int(observed.origin[row]) in clause.origins]
    right = [
        row for row in rows
        if (clause.exact is None or (int(observed.flags[row]) & FLAGS) == clause.exact)
        and (not clause.some or int(observed.flags[row]) & clause.some)
        and not int(observed.flags[row]) & clause.lacks
    ]  # fmt: skip
    return (right, True) if right else ([row for row in rows if int(observed.flags[row]) & (RST | FIN)], False)


def _flag_words(clause: Packets) -> str:
    parts = [f"flags {_letters(clause.exact)}"] if clause.exact is not None else []
    parts += [f"any of the flags {_letters(clause.some)}"] if clause.some else []
    return ", ".join(parts + ([f"no flags {_letters(clause.lacks)}"] if clause.lacks else []))


def _letters(bits: int) -> str:
    return "".join(letter for letter, bit in (("S", SYN), ("F", FIN), ("R", RST), ("A", ACK)) if bits & bit)


def _wrong(observed: Observed, row: int, predicates: Sequence[Predicate]) -> list[Predicate]:
    return [p for p in predicates if not _accepts(observed, row, p)]


def _accepts(observed: Observed, row: int, predicate: Predicate) -> bool:
    values = observed.feature(predicate.feature)
    if not bool(values.known[row]):
        return False
    return bool(predicate.test.mask(values.data[np.array([row])])[0])


def _flow_accepts(observed: Observed, flow: int, predicate: Predicate) -> bool:
    values = observed.flow_feature(predicate.feature)
    return bool(values.known[flow]) and bool(predicate.test.mask(values.data[np.array([flow])])[0])


def _group_holds(signature: Signature, clause: Packets, observed: Observed, flow: int) -> bool:
    from dataclasses import replace

    alone = replace(signature, expect=(replace(clause, after=None, before=None),), any_of=(), support=(), rule_out=())
    return clause.plain_group or any(m.flow == flow for m in first_pass(database_of([alone]), observed))


def _group_words(clause: Packets) -> str:
    parts = [f"{clause.count.said} of them"]
    parts += [f"alike in {', '.join(n.removesuffix('_raw') for n in clause.same)}"] if clause.same else []
    parts += [f"within {clause.span.said}"] if clause.span is not None else []
    steps = [f"{p.feature.removesuffix('_raw')} {p.test.said}" for p in clause.step]
    parts += [f"stepping by {', '.join(steps)}"] * bool(steps)
    parts += [f"at sequence numbers {', '.join(map(str, clause.offsets))}"] if clause.offsets else []
    return " ".join(parts)


def _group_has(clause: Packets, observed: Observed, rows: Sequence[int]) -> str:
    """What the packets show of what makes a group."""
    if len(rows) == 1:
        return f"packet {int(observed.number[rows[0]])} is the only one"
    parts = []
    for name in clause.same:
        if len({str(observed.feature(name).data[r]) for r in rows}) > 1:
            parts.append(f"differ in {name.removesuffix('_raw')}")
    for step in clause.step:
        column = observed.feature(step.feature).data
        steps = sorted({int(column[b]) - int(column[a]) for a, b in pairwise(rows)})
        parts.append(f"step by {step.feature.removesuffix('_raw')} {', '.join(map(str, steps))}")
    if clause.offsets:
        base = int(observed.feature("seq_raw").data[rows[0]])
        parts.append(f"stand at {', '.join(str(int(observed.feature('seq_raw').data[r]) - base) for r in rows)}")
    span = int(observed.time[rows[-1]] - observed.time[rows[0]])
    if clause.span is not None and not clause.span.accepts(span):
        parts.append(f"span {duration(span)}")
    if not clause.count.accepts(len(rows)):
        parts.append(f"are {len(rows)}")
    return f"packets {_numbers(observed, rows)} {' and '.join(parts) or 'do not hold that together'}"


def _numbers(observed: Observed, rows: Sequence[int]) -> str:
    return ", ".join(str(int(observed.number[r])) for r in rows)


def value(observed: Observed, row: int, name: str) -> str:
    """What a packet has of a feature, in words."""
    values = observed.feature(name)
    if not bool(values.known[row]):
        return f"a {name} that this capture does not show"
    if PACKET_FEATURES[name].kind in ("bytes", "text"):
        return "other bytes"
    return _said(PACKET_FEATURES[name], values.data[row])


def _flow_value(observed: Observed, flow: int, name: str) -> str:
    values = observed.flow_feature(name)
    return _said(FLOW_FEATURES[name], values.data[flow]) if bool(values.known[flow]) else "nothing known of it"


def _said(feature: Feature, data: Any) -> str:
    match feature.kind:
        case "choice":
            return printable(feature.choices[int(data)])
        case "flag":
            return "true" if bool(data) else "false"
        case "duration":
            return duration(int(data))
        case "ratio":
            return f"{float(data):.2f}"
    return str(int(data))
