"""A signature in words, for a person at a terminal.

Rules of this file: plain lines, no colour, no width of a terminal; it says what the file says and what each clause asks for.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from dpiprobe.observe.table import ORIGINS
from dpiprobe.signature.clause import ORDINARY_COUNT, Absent, Across, Clause, Compare, Control, Earlier, Flow, Packets, Predicate, SeenAt
from dpiprobe.signature.model import Signature
from dpiprobe.signature.words import BOTH_ENDS, TECHNIQUES, TRIGGER_KINDS
from dpiprobe.wire.packets import ACK, FIN, PSH, RST, SYN

WIDTH = 100
LETTERS = (("S", SYN), ("F", FIN), ("R", RST), ("P", PSH), ("A", ACK))
ORIGIN_WORDS = {index: word for word, index in ORIGINS.items()}
VERB_WORDS = {
    "expect": "Expects, in this order", "any_of": "And at least one of", "support": "Supported by (not needed)", "rule_out": "Ruled out by",
}  # fmt: skip


def describe(signature: Signature) -> Iterator[str]:
    """The lines of `dpiprobe signatures show`."""
    yield f"{signature.id}: {signature.title}"
    yield f"  technique   {signature.technique} ({TECHNIQUES[signature.technique]})"
    yield f"  mechanism   at most {signature.mechanism}"
    yield f"  confidence  at most {signature.confidence}; status {signature.status}"
    yield f"  seen        {_seen(signature)}"
    if not signature.generic:
        yield f"  told by     {', '.join(signature.distinctive_fields)}"
    yield from _paragraph("", signature.description)
    yield from _paragraph("Looks like it: ", signature.looks_like)
    kinds = {number: word for word, number in TRIGGER_KINDS.items()}
    yield "Trigger: " + " or ".join(kinds[k] for k in signature.trigger.kinds)
    for verb, words in VERB_WORDS.items():
        clauses: tuple[Clause, ...] = getattr(signature, verb)
        if clauses:
            yield f"{words}:"
            yield from (f"  {clause.name}: {clause_in_words(clause)}" for clause in clauses)
    if signature.unverified:
        yield "Without a source (unverified): " + ", ".join(signature.unverified)
    for kind, words in (("match", "Matches the cases"), ("near_miss", "Must not match")):
        if signature.examples.get(kind):
            yield from textwrap.wrap(f"{words}: {', '.join(signature.examples[kind])}", WIDTH, subsequent_indent="  ")
    yield "References:"
    yield from (f"  {reference}" for reference in signature.references)


def _seen(signature: Signature) -> str:
    """`2017 to 2025, China`, `since 2009, everywhere`: when and where, as far as it is known."""
    first, last, where = (signature.seen.get(key) for key in ("first", "last", "where"))
    when = f"{first} to {last}" if first and last and first != last else f"since {first}" if first and not last else str(last or "")
    return ", ".join(filter(None, (when, ", ".join(map(str, where)) if isinstance(where, list) else str(where or ""))))


def clause_in_words(clause: Clause) -> str:
    """One clause as one line."""
    match clause:
        case Packets():
            return _packets(clause)
        case Absent():
            return f"within {clause.within / 1e9:g} s none of: {_packets(clause.packets)}"
        case Flow():
            return f"the flow has {_predicates(clause.predicates)}"
        case Control():
            more = f", and shows {_predicates(clause.predicates)}" if clause.predicates else ""
            return f"the control {' or '.join(clause.states)}{more}"
        case Compare():
            parts = [f"certificate {clause.certificate}"] if clause.certificate else []
            return "against the control: " + ", ".join([*parts, *(f"{p.feature} {p.test.said} times" for p in clause.predicates)])
        case Across():
            parts = [f"the same {', '.join(clause.same)}"] * bool(clause.same) + [f"a different {', '.join(clause.distinct)}"] * bool(clause.distinct)
            return f"over at least {clause.flows} flows of the name, {clause.of} has {' and '.join(parts)}"
        case Earlier():
            what = " or ".join([*clause.signatures, *clause.techniques, *clause.outcomes])
            which = "a later" if clause.later else "an earlier"
            return f"{which} flow of the same {', '.join(clause.same)} within {clause.within / 1e9:g} s was {what}"
        case SeenAt():
            return f"with both ends' captures: {' or '.join(BOTH_ENDS[w] for w in clause.shows)}" if clause.shows else f"seen at {' or '.join(clause.ends)}"


def _packets(clause: Packets) -> str:
    parts = ["from " + " or ".join(ORIGIN_WORDS[o] for o in clause.origins)]
    if clause.exact is not None:
        parts.append("flags " + _letters(clause.exact))
    if clause.some:
        parts.append("any of the flags " + ", ".join(_letters(clause.some)))
    if clause.lacks:
        parts.append("without " + _letters(clause.lacks))
    if clause.reached_server is not None:
        parts.append("that can have reached the server" if clause.reached_server else "that cannot have reached the server")
    if clause.predicates:
        parts.append(_predicates(clause.predicates))
    if clause.same:
        parts.append("alike in " + ", ".join(clause.same))
    if clause.count is not ORDINARY_COUNT:
        parts.append(f"{clause.count.said} of them")
    if clause.span is not None:
        parts.append(f"within {clause.span.said}")
    if clause.step:
        parts.append("from one to the next " + _predicates(clause.step))
    if clause.offsets:
        parts.append("sequence numbers at " + ", ".join(map(str, clause.offsets)))
    if clause.shared:
        parts.append("even if another signature claims them")
    parts += [f"{word} {name}" for word, name in (("after", clause.after), ("before", clause.before)) if name]
    return "; ".join(parts)


def _letters(bits: int) -> str:
    return "".join(letter for letter, bit in LETTERS if bits & bit)


def _predicates(predicates: tuple[Predicate, ...]) -> str:
    return ", ".join(f"{p.feature} {p.test.said}" for p in predicates)


def _paragraph(head: str, text: str) -> list[str]:
    return ["", *textwrap.wrap(head + " ".join(text.split()), WIDTH)]
