"""Pages of the documentation that the database writes itself: a page a signature with the ladder of its case, the vocabulary, the confusion table.

Rules of this file:
- `make docs` runs it (`python -m dpiprobe.report.signature_pages docs`). What it writes depends on signatures and cases alone; only the counts
  over a corpus need DPIPROBE_CORPUS, and carry the date they were taken on. Without it the counts that stand in the file are kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dpiprobe.cases.case import Case
from dpiprobe.cases.signature_check import Ran, run_cases
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES, Feature
from dpiprobe.report import ladder
from dpiprobe.signature.database import Database
from dpiprobe.signature.describe import VERB_WORDS, clause_in_words
from dpiprobe.signature.model import Signature
from dpiprobe.signature.words import TECHNIQUES, TRIGGER_KINDS

CORPUS_BEGIN, CORPUS_END = "<!-- corpus -->", "<!-- end of corpus -->"


def page(signature: Signature, ran: dict[str, Ran]) -> str:
    """The page of one signature, Markdown."""
    kind = "names a technique" if signature.generic else f"names a device, told by {', '.join(f'`{d}`' for d in signature.distinctive_fields)}"
    seen = ", ".join(f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}" for key, value in signature.seen.items())
    words = {number: word for word, number in TRIGGER_KINDS.items()}
    out = [
        f"# {signature.title}", "", f"`{signature.id}` {kind}.", "", " ".join(signature.description.split()), "",
        f"**Looks like it:** {' '.join(signature.looks_like.split())}", "",
        "| | |", "|---|---|",
        f"| technique | `{signature.technique}`: {TECHNIQUES[signature.technique]} |",
        f"| mechanism | at most `{signature.mechanism}` |",
        f"| confidence | at most {signature.confidence}; status {signature.status} |",
        f"| seen | {seen} |",
        f"| trigger | {' or '.join(words[k] for k in signature.trigger.kinds)} |",
    ]  # fmt: skip
    if signature.unverified:
        out.append(f"| without a source | {', '.join(f'`{u}`' for u in signature.unverified)} |")
    for verb, said in VERB_WORDS.items():
        clauses = getattr(signature, verb)
        if clauses:
            out += ["", f"## {said}", "", *(f"- `{clause.name}`: {clause_in_words(clause)}" for clause in clauses)]
    out += ["", "## References", "", *(f"- {reference}" for reference in signature.references)]
    for name in signature.examples.get("match", []):
        if name in ran:
            out += _picture(signature, ran[name])
            break
    near = [name for name in signature.examples.get("near_miss", []) if name in ran]
    if near:
        out += ["", "## What must not match", "", *(f"- [`{name}`](../../{_place(ran[name].case)}): {ran[name].case.about}" for name in near)]
    return "\n".join([*out, "", f"*Written by `make docs` from `signatures/{signature.group}/{signature.id}.yaml`.*", ""])


def _place(case: Case) -> str:
    return f"pcaps/{case.family}/{case.name}"


def _picture(signature: Signature, ran: Ran) -> list[str]:
    """The ladder of the first flow of a case that the signature matches."""
    flow = min((m.flow for m in ran.matches if m.signature == signature.id), default=None)
    if flow is None:
        return []
    record = next(r for r in ran.explanation.records if r.get("kind") == "flow" and r["flow"] == flow + 1)
    drawn = ladder.draw(ran.explanation.flows, flow, record)
    command = f"dpiprobe show {_place(ran.case)}/{ran.case.capture.name} --flow {flow + 1}"
    return ["", "## In a capture", "", ran.case.about, "", f"    $ {command}", *(f"    {line}".rstrip() for line in drawn)]


def index(signatures: Sequence[Signature]) -> str:
    """The list of all pages."""
    out = ["# All signatures", "", "Most specific first: the order in which they are asked. How to write one: [signatures.md](../signatures.md).", "",
           "| signature | what | technique | confidence |", "|---|---|---|---|"]  # fmt: skip
    out += [f"| [{s.id}]({s.id}.md) | {s.title} | `{s.technique}` | {'technique' if s.generic else 'device'}, {s.confidence} |" for s in signatures]
    out += ["", "## Figures without a source", "", "Chosen, heard, or taken from summaries: a signature with one of these never reaches high confidence.", "",
            "| signature | figures | confidence |", "|---|---|---|"]  # fmt: skip
    told = sorted((s for s in signatures if s.unverified), key=lambda s: s.id)
    out += [f"| [{s.id}]({s.id}.md) | {', '.join(f'`{u}`' for u in s.unverified)} | {s.confidence} |" for s in told]
    return "\n".join([*out, "", "*Written by `make docs`.*", ""])


def features() -> str:
    """The vocabulary, as a page."""
    out = ["# What a clause can ask", "",
           "Differences are taken from an anchor: `hello` the nearest preceding copy of the trigger, `syn_ack` the server's SYN/ACK,",
           "`answered` the last packet of the other side before, `previous` the packet before within a group, `expected` the next byte owed.",
           "A rare value of a feature marked * can tell one device from all others. What a capture cannot show is unknown, never 0."]  # fmt: skip
    for head, words in (("Of a packet", PACKET_FEATURES), ("Of a flow as a whole (`flow: {...}`)", FLOW_FEATURES)):
        out += ["", f"## {head}", "", "| feature | takes | what it is | anchor |", "|---|---|---|---|", *(_row(f) for f in words.values())]
    return "\n".join([*out, "", "*Written by `make docs` from the vocabulary.*", ""])


def _row(feature: Feature) -> str:
    takes = ", ".join(feature.choices) or f"{feature.kind}{f' ({feature.unit})' if feature.unit else ''}"
    return f"| `{feature.name}`{' *' if feature.distinctive else ''} | {takes} | {feature.meaning} | {feature.anchor} |"


def confusion(signatures: Sequence[Signature], ran: dict[str, Ran], counted: str) -> str:
    """Signature x case, without the zeros: where each matches as it must, and where else."""
    fires: dict[str, list[str]] = {s.id: [] for s in signatures}
    for name, r in ran.items():
        for identity in sorted({m.signature for m in r.matches}):
            fires[identity].append(name)
    out = ["# Where signatures match, and where they must not", "",
           f"{len(signatures)} signatures over {len(ran)} recorded cases. A cell that is not here is zero: the signature does not match that case.", "",
           "| signature | matches its cases | matches its near misses | matches besides |", "|---|---|---|---|"]  # fmt: skip
    for s in sorted(signatures, key=lambda s: (s.generic, s.id)):
        own, near = s.examples.get("match", []), s.examples.get("near_miss", [])
        hit, missed = [n for n in own if n in fires[s.id]], [n for n in near if n in fires[s.id]]
        besides = [n for n in fires[s.id] if n not in own and n not in near]
        out.append(f"| `{s.id}` | {len(hit)} of {len(own)} | {len(missed)} of {len(near)} | {', '.join(besides) or '-'} |")
    out += ["", "## The innocent", "", "Cases of the families near_miss, clean and broken: matches there accuse nobody by themselves; verdicts do.", "",
            "| family | cases | of these with a forged packet | flows | matched by a device | matched by a technique | accused, and innocent |",
            "|---|---|---|---|---|---|---|"]  # fmt: skip
    for family in ("near_miss", "clean", "broken"):
        out.append(_innocents(family, [r for r in ran.values() if r.case.family == family]))
    return "\n".join([*out, "", "## Real traffic", "", CORPUS_BEGIN, counted.strip(), CORPUS_END, "", "*Written by `make docs`.*", ""])


def _innocents(family: str, ran: Sequence[Ran]) -> str:
    forged = [r for r in ran if any(e.get("verdict") in ("blocked", "contested") for e in r.case.flows.values())]
    clear = [r for r in ran if r not in forged]
    devices = sum(m.deployment for r in clear for m in r.matches)
    generic = sum(m.generic for r in clear for m in r.matches)
    accused = sum(j.verdict in ("blocked", "contested") for r in clear for j in r.explanation.judgements)
    flows = sum(len(r.explanation.judgements) for r in clear)
    return f"| {family} | {len(ran)} | {len(forged)} | {flows} | {devices} | {generic} | {accused} |"


def count_corpus(corpus: Path, database: Database, date: str) -> str:
    """What fires on traffic that nobody interfered with: the clean captures, and the allowed connections of the box captures."""
    clean = _count(sorted(p for p in (corpus / "clean").rglob("*") if p.is_file()), database, None)
    boxes = _count(sorted((corpus / "boxes").rglob("client.pcap*")), database, "allowed.example")
    out = [f"Counted on {date} with `DPIPROBE_CORPUS=... make docs` over {len(database)} signatures.", "",
           "| traffic | captures | flows | matched by a device | matched by a technique | blocked or contested | by signature |",
           "|---|---|---|---|---|---|---|"]  # fmt: skip
    for said, (captures, flows, devices, generic, accused, which) in (("clean captures", clean), ("allowed connections through boxes", boxes)):
        named = ", ".join(f"{k} {v}" for k, v in sorted(which.items())) or "-"
        out.append(f"| {said} | {captures} | {flows} | {devices} | {generic} | {accused} | {named} |")
    return "\n".join(out)


def _count(files: Iterable[Path], database: Database, name: str | None) -> tuple[int, int, int, int, int, Counter[str]]:
    from dpiprobe.capture.read import read_capture
    from dpiprobe.errors import InputError
    from dpiprobe.explain import explain

    captures = flows = devices = generic = accused = 0
    which: Counter[str] = Counter()
    for file in files:
        try:
            explanation = explain(read_capture(file), database=database)
        except InputError:
            continue
        captures += 1
        for f, judgement in enumerate(explanation.judgements):
            trigger = explanation.flows.triggers[f]
            if name is not None and (trigger is None or trigger.server_name != name):
                continue
            matched = explanation.matches.get(f, [])
            flows += 1
            devices += any(m.deployment for m in matched)
            generic += any(m.generic for m in matched)
            accused += judgement.verdict in ("blocked", "contested")
            which.update({m.signature for m in matched})
    return captures, flows, devices, generic, accused, which


def write(docs: Path, database: Database, cases: Sequence[Case], corpus: Path | None, date: str) -> None:
    """All pages below `docs`; pages of signatures that are gone are removed."""
    ran = {r.case.name: r for r in run_cases(cases, database)}
    folder = docs / "signatures"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        if old.stem not in database.by_id and old.name != "README.md":
            old.unlink()
    for signature in database.signatures:
        (folder / f"{signature.id}.md").write_text(page(signature, ran), encoding="utf-8")
    (folder / "README.md").write_text(index(database.signatures), encoding="utf-8")
    (docs / "features.md").write_text(features(), encoding="utf-8")
    table = docs / "confusion.md"
    counted = count_corpus(corpus, database, date) if corpus is not None else _kept(table)
    table.write_text(confusion(database.signatures, ran, counted), encoding="utf-8")
    from dpiprobe.signature.schema import json_schema

    (docs / "schema" / "signature.schema.json").write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")


def _kept(table: Path) -> str:
    """The counts that stand in the file already."""
    text = table.read_text(encoding="utf-8") if table.is_file() else ""
    if CORPUS_BEGIN not in text or CORPUS_END not in text:
        return "Not counted yet; `DPIPROBE_CORPUS=... make docs` does."
    return text.split(CORPUS_BEGIN)[1].split(CORPUS_END)[0]


def main(arguments: Sequence[str]) -> int:
    """`python -m dpiprobe.report.signature_pages DOCS`, in a checkout."""
    import datetime
    import os

    from dpiprobe.cases.case import load_cases
    from dpiprobe.signature.database import load

    docs = Path(arguments[0] if arguments else "docs")
    place = os.environ.get("DPIPROBE_CORPUS")
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    write(docs, load(cache=False), load_cases(), Path(place) if place else None, today)
    return 0


if __name__ == "__main__":
    import sys

    raise SystemExit(main(sys.argv[1:]))
