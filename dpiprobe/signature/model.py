"""A signature as the rest of the project sees it: frozen data, the same from YAML and from the compiled database.

Rules of this file:
- No file format here: `reader.py` makes signatures from YAML, `database.py` keeps them as JSON.
- `specificity` is the one order in which signatures compete for packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES
from dpiprobe.signature.asked import Asked, asked_by
from dpiprobe.signature.clause import (
    Across,
    Clause,
    Compare,
    Control,
    Flow,
    Packets,
    Predicate,
    SeenAt,
    clause_from_plain,
    clause_to_plain,
    needs_context,
)
from dpiprobe.wire.packets import ACK, RST

COMPILED_FORMAT = 4
"""Raise it whenever `to_plain` changes; old caches are then not read."""

NARROW = 1024
"""A predicate that lets more values pass than this distinguishes nobody (GFW III's IP IDs span 30 values). Chosen here; unverified."""

CONTEXT_WEIGHT = 8
"""More predicates than any generic signature of one flow has; an order, not a measurement."""

EARLY = 0.5
"""A packet that arrives within this part of the smallest round trip cannot come from the server (design section 5; a genuine alert of
Cloudflare came at 0.34 of a slow handshake, hence the smallest round trip of any kind)."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What must have been sent: numbers of the suspect table's `trigger_kind`, and conditions on flow features of the trigger."""

    kinds: tuple[int, ...]
    conditions: tuple[Predicate, ...] = ()
    tcp_options: str | None = None


@dataclass(frozen=True)
class Signature:
    """One signature. `generic` ones name technique and mechanism; the others a deployment (a device, a country, a program).

    expect: all, in order · any_of: at least one, where there are any · support: recorded, not needed · rule_out: a held one kills the match
    unverified: `clause.field` whose numbers have no source · emulate: how the lab's box behaves to be this device, as written
    """

    id: str
    title: str
    mechanism: str
    technique: str
    status: str
    confidence: str
    seen: dict[str, Any]
    description: str
    looks_like: str
    references: tuple[str, ...]
    trigger: Trigger
    expect: tuple[Clause, ...]
    support: tuple[Clause, ...] = ()
    rule_out: tuple[Clause, ...] = ()
    any_of: tuple[Clause, ...] = ()
    emulate: dict[str, Any] | None = None
    examples: dict[str, list[str]] = field(default_factory=dict)
    generic: bool = False
    supersedes: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    group: str = ""

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses in the order in which they are judged."""
        return self.expect + self.any_of + self.support + self.rule_out

    @cached_property
    def second_pass(self) -> bool:
        """A clause of it needs controls, other flows or the other end."""
        return any(needs_context(c) for c in self.clauses)

    @cached_property
    def waiting(self) -> tuple[Clause, ...]:
        """The clauses that only the second pass can judge."""
        return tuple(c for c in self.clauses if needs_context(c))

    @cached_property
    def undecided(self) -> bool:
        """Whether it matches is for the second pass to say: what waits is not support alone."""
        return any(needs_context(c) for c in (*self.expect, *self.any_of, *self.rule_out))

    @cached_property
    def looks_across(self) -> bool:
        """A clause of it compares all flows of a name that it matches."""
        return any(isinstance(c, Across) for c in self.clauses)

    @cached_property
    def needs_both_ends(self) -> bool:
        """It can only match where a second capture holds the flow as well."""
        return any(isinstance(c, SeenAt) and c.needs_both for c in self.expect)

    @cached_property
    def asked(self) -> Asked:
        """What it asks of packets and flows, in numbers of this process."""
        return asked_by(self.trigger.kinds, self.trigger.conditions, self.clauses, self.expect)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "asked"}  # its numbers mean nothing in another process

    @cached_property
    def distinctive_fields(self) -> tuple[str, ...]:
        """What in it tells one device from all others, each once: `clause.field`."""
        own = [c for c in self.expect + self.any_of if isinstance(c, Packets) and not c.shared]
        return tuple(sorted({name for clause in own for name in _distinctive(clause)}))

    @cached_property
    def specificity(self) -> tuple[bool, int, int, int, str]:
        """Sort key: deployments before generic ones, of those more distinctive fields first, more asked of packets first, more asked of the
        flow first, then by id.

        A clause that asks other flows (a control, an earlier one) weighs as much as `CONTEXT_WEIGHT` predicates: a close that controls show to
        be a proxy's says more than a close. Alternatives (`any_of`) do not count.
        """
        packets = CONTEXT_WEIGHT * any(map(needs_context, self.expect)) + sum(_predicate_count(c) for c in self.expect if not isinstance(c, Flow))
        flow = sum(_predicate_count(c) for c in self.expect if isinstance(c, Flow)) + len(self.trigger.conditions)
        return (self.generic, 0 if self.generic else -len(self.distinctive_fields), -packets, -flow, self.id)

    def to_plain(self) -> dict[str, Any]:
        """As JSON data for the compiled database."""
        plain = {name: getattr(self, name) for name in _VERBATIM}
        plain["trigger"] = [list(self.trigger.kinds), [[p.feature, p.test.plain()] for p in self.trigger.conditions], self.trigger.tcp_options]
        for verb in VERBS:
            plain[verb] = [clause_to_plain(c) for c in getattr(self, verb)]
        return plain


VERBS = ("expect", "any_of", "support", "rule_out")
_VERBATIM = ("id", "title", "mechanism", "technique", "status", "confidence", "seen", "description", "looks_like", "references", "emulate",
             "examples", "generic", "supersedes", "unverified", "group")  # fmt: skip


def signature_from_plain(plain: dict[str, Any]) -> Signature:
    """The signature that `to_plain` wrote."""
    from dpiprobe.signature.values import restore

    kinds, conditions, tcp_options = plain["trigger"]
    values: dict[str, Any] = {name: tuple(plain[name]) if name in ("references", "supersedes", "unverified") else plain[name] for name in _VERBATIM}
    for verb in VERBS:
        values[verb] = tuple(clause_from_plain(c) for c in plain[verb])
    return Signature(trigger=Trigger(tuple(kinds), tuple(Predicate(f, restore(t)) for f, t in conditions), tcp_options), **values)


def vocabulary_fingerprint() -> str:
    """Changes whenever a compiled signature could mean something else: feature names, kinds, choices, and the compiled format."""
    words = [f"{f.name}:{f.kind}:{f.unit}:{','.join(f.choices)}:{f.distinctive}" for f in (*PACKET_FEATURES.values(), *FLOW_FEATURES.values())]
    return f"{COMPILED_FORMAT};" + ";".join(words)


def _predicate_count(clause: Clause) -> int:
    match clause:
        case Packets():
            group = (clause.span is not None) + (not clause.plain_group) + len(clause.step) + len(clause.same) + len(clause.offsets)
            return len(clause.predicates) + group + (clause.exact is not None) + (clause.some != 0)
        case Flow() | Compare():
            return len(clause.predicates)
        case Control():
            return 1 + len(clause.predicates)
    return 1


def _distinctive(clause: Packets) -> list[str]:
    """The fields of one clause that no ordinary stack shows (design section 5, `distinctive constants`).

    A predicate counts where its feature is marked so in the vocabulary and its value is narrow and not an ordinary one: 0 is the IP ID and
    the window of every Linux no-socket reset, and a usual initial TTL alone is never distinctive. A window that is not 0 counts on
    a reset without ACK only, since kernels answer "no such socket" with window 0 (RFC 9293 section 3.10.7.1 as Linux builds it).
    """
    found = [f"{clause.name}.{p.feature}" for p in clause.predicates if _is_distinctive(p, clause)]
    if len(clause.same) >= 2 and not clause.count.accepts(2) and not clause.count.accepts(1):
        found.append(f"{clause.name}.same")
    found += [f"{clause.name}.step" for _ in clause.step[:1]]
    if len(clause.offsets) >= 2:
        found.append(f"{clause.name}.seq_offsets")
    return found


def _is_distinctive(predicate: Predicate, clause: Packets) -> bool:
    feature = PACKET_FEATURES[predicate.feature]
    test = predicate.test
    if feature.name == "delay_over_rtt":  # early arrival is sufficient alone (design section 5)
        return not test.negated and all(high is not None and high <= EARLY for _, high in test.intervals)
    if not feature.distinctive or feature.name == "ttl_initial":
        return False
    if feature.kind in ("bytes", "text"):
        return not test.negated
    bare = clause.exact is not None and clause.exact & RST and not clause.exact & ACK
    if feature.name in ("reserved_bits", "payload_zeros"):
        return not test.accepts(0)
    if feature.name == "window":
        return not test.accepts(0) and (test.size() <= NARROW or bool(bare))
    if feature.name == "ipid":
        return not test.accepts(0) and test.size() <= NARROW
    if feature.name == "seq_ladder":
        return not test.accepts(0)
    return test.size() <= NARROW
