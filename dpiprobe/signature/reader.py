"""YAML of a signature -> the signature, or every problem of the file at once.

Rules of this file:
- The top level of the grammar stands here (design: one file a signature, no expression language).
- It says what is wrong with one file as a file; what several files must keep among themselves is for `check.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

from dpiprobe.errors import SignatureError
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES
from dpiprobe.signature.clause import Absent, Across, Clause, Packets
from dpiprobe.signature.clause_reader import KINDS, predicates, read_clause
from dpiprobe.signature.emulation import parse_emulation
from dpiprobe.signature.model import VERBS, Signature, Trigger
from dpiprobe.signature.node import Node, kind_of
from dpiprobe.signature.words import CONFIDENCES, MECHANISMS, STATUSES, TECHNIQUES, TRIGGER_KINDS
from dpiprobe.signature.yaml_strict import Document, read

REQUIRED = ("id", "title", "mechanism", "technique", "status", "confidence", "seen", "description", "looks_like", "references", "trigger", "expect")
OPTIONAL = ("support", "rule_out", "any_of", "emulate", "examples", "generic", "supersedes", "unverified")
EXAMPLE_KINDS = ("match", "near_miss")
ADVICE = {
    "title": "say in a few words who does what",
    "mechanism": "the most it may claim, such as tls.reset.sni",
    "technique": "how it is done, such as rst.on-path",
    "status": f"one of {', '.join(STATUSES)}",
    "confidence": f"the most that it alone may claim: one of {', '.join(CONFIDENCES)}",
    "seen": "where (and when) it was seen, such as {first: 2022, where: China}",
    "description": "say what happens, so that a newcomer understands it",
    "looks_like": "say what else looks like it, and how to tell",
    "references": "name the paper, capture or source code where this was seen",
    "trigger": "what must have been sent, such as client_hello",
    "expect": "the clauses that must hold",
}
"""What to do about a required key that is missing."""
NO_SOURCE = frozenset({"none", "unknown", "unpublished", "n/a", "na", "tbd", "-", "?", "nobody", "myself", "internet"})
"""What people write where they have no source."""
_ID = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_CLAUSE_NAME = re.compile(r"[a-z][a-z0-9_]*")


def read_signature(text: str, file: str, group: str = "") -> tuple[Signature | None, list[str], Document]:
    """The signature that `text` describes, and what is wrong with it (None then); the document tells where things stand."""
    document = read(text, file)
    if document.data is None:
        return None, document.problems or [f"{file}:1:1: the file is empty"], document
    root = Node(document, (), document.data, document.problems)
    signature = _signature(root, group)
    return (None if document.problems else signature), document.problems, document


def read_folder(folder: FilePath) -> tuple[list[tuple[Signature, Document]], list[str]]:
    """All signatures of a folder of YAML files, in order of their paths, and all problems of all files."""
    found, problems = [], []
    for path in signature_files(folder):
        shown = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{shown}:1:1: cannot be read as UTF-8 text: {error.__class__.__name__}")
            continue
        signature, wrong, document = read_signature(text, shown, path.parent.name)
        problems += wrong
        if signature is not None:
            found.append((signature, document))
    return found, problems


def signature_files(folder: FilePath) -> list[FilePath]:
    """The YAML files below a folder, sorted."""
    return sorted(p for p in folder.rglob("*.yaml") if p.is_file())


def require(problems: Iterable[str]) -> None:
    """Raises SignatureError with all problems, where there are any."""
    listed = list(problems)
    if listed:
        raise SignatureError(listed)


def _signature(root: Node, group: str) -> Signature | None:
    if not root.known_keys(REQUIRED + OPTIONAL, REQUIRED, ADVICE):
        return None
    part = {key: root.child(key) for key in root.value if key in REQUIRED + OPTIONAL}
    clauses = _clauses(part)
    values: dict[str, Any] = {key: part[key].text() for key in ("title", "description", "looks_like") if key in part}
    values["id"] = _identity(part["id"]) if "id" in part else ""
    for key, words in (("mechanism", MECHANISMS), ("technique", TECHNIQUES), ("status", STATUSES), ("confidence", CONFIDENCES)):
        if key in part:
            values[key] = part[key].word(sorted(words) if key in ("mechanism", "technique") else words)
    values["seen"] = _seen(part["seen"]) if "seen" in part else {}
    values["references"] = tuple(e.text() for e in part["references"].elements()) if "references" in part else ()
    if "references" in part and not values["references"]:
        part["references"].problem("references is empty; name where this was seen, or what it was derived from")
    for element in part["references"].elements() if "references" in part else ():
        if str(element.value).strip(" .").lower() in NO_SOURCE:
            element.problem(f"{element.value!r} is no source; {ADVICE['references']}, and mark numbers without one as unverified")
    trigger = _trigger(part["trigger"]) if "trigger" in part else None
    emulate = _emulation(part["emulate"]) if "emulate" in part else None
    examples = _examples(part["examples"]) if "examples" in part else {}
    generic = part["generic"].flag() if "generic" in part else False
    lists = {key: tuple(e.text() for e in part[key].elements()) if key in part else () for key in ("supersedes", "unverified")}
    if "unverified" in part:
        _unverified(part["unverified"], root.value)
    if root.problems or trigger is None:
        return None
    return Signature(**values, trigger=trigger, **clauses, **lists, emulate=emulate, examples=examples, generic=generic, group=group)  # type: ignore[arg-type]


def is_id(text: str) -> bool:
    """Whether a signature may be called so: small letters, digits, and single hyphens or dots between them."""
    return _ID.fullmatch(text) is not None


def _identity(node: Node) -> str:
    text = node.text()
    if text and not is_id(text):
        node.problem(f"the id {text!r} is not small letters, digits, and single hyphens or dots between them")
    return text


def _clauses(part: dict[str, Node]) -> dict[str, tuple[Clause, ...]]:
    """The clauses of all verbs; a clause may only speak of clauses that are judged before it."""
    clauses: dict[str, tuple[Clause, ...]] = {}
    known: list[str] = []
    places: dict[str, Node] = {}
    for verb in VERBS:
        found = []
        for name, node in part[verb].items() if verb in part else ():
            if not _CLAUSE_NAME.fullmatch(name):
                node.key_problem(f"the clause name {name!r} is not small letters, digits and underscores")
            if name in places:
                node.key_problem(f"a clause {name!r} stands under another verb as well; names are used once a file")
            places[name] = node
            clause = read_clause(name, node)
            if clause is None:
                continue
            _references(clause, node, known)
            if isinstance(clause, Packets):
                known.append(name)
            found.append(clause)
        if verb == "expect" and verb in part and isinstance(part[verb].value, dict) and not part[verb].value:
            part[verb].problem("expect is empty; it names what must be seen")
        clauses[verb] = tuple(found)
    return clauses


def _references(clause: Clause, node: Node, known: list[str]) -> None:
    if isinstance(clause, Across):
        wanted, place = {"of": clause.of}, node.child("across")
    elif isinstance(clause, Packets | Absent):
        packets = clause if isinstance(clause, Packets) else clause.packets
        wanted = {key: name for key, name in (("after", packets.after), ("before", packets.before)) if name is not None}
        place = node if isinstance(clause, Packets) else node.child("absent")
    else:
        return
    from dpiprobe.signature.values import suggestion

    for key, name in wanted.items():
        if name and name not in known:
            hint = suggestion(name, known) if known else ""
            place.child(key).problem(f"{key}: {name!r} is no packet clause that is judged before this one{hint}")


def _seen(node: Node) -> dict[str, Any]:
    if not node.known_keys(("first", "last", "where", "by"), ("where",)):
        return {}
    for key, child in node.items():
        if key in ("first", "last"):
            year = child.value
            if not (isinstance(year, int) and not isinstance(year, bool) and 1990 <= year <= 2100) and not (
                isinstance(year, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?", year)
            ):
                child.problem(f"{key} takes a year such as 2022, a month such as 2022-09, or a quoted date, not {year!r}")
        elif key in ("where", "by"):
            for element in child.elements():
                element.text()
    return dict(node.value)


def _trigger(node: Node) -> Trigger | None:
    if not isinstance(node.value, dict):
        kinds = node.words(TRIGGER_KINDS)
        return Trigger(tuple(TRIGGER_KINDS[k] for k in kinds if k))
    if "kind" not in node.value:
        node.problem("trigger lacks 'kind'")
        return None
    kinds = node.child("kind").words(TRIGGER_KINDS)
    options = node.child("tcp_options").word(PACKET_FEATURES["options"].choices) if "tcp_options" in node.value else None
    return Trigger(tuple(TRIGGER_KINDS[k] for k in kinds if k), predicates(node, FLOW_FEATURES, ("kind", "tcp_options")), options)


def _examples(node: Node) -> dict[str, list[str]]:
    if not node.known_keys(EXAMPLE_KINDS):
        return {}
    return {key: [e.text() for e in child.elements()] for key, child in node.items() if key in EXAMPLE_KINDS}


def _unverified(node: Node, data: dict[str, Any]) -> None:
    """Every entry is `clause.field` (or `emulate.field`) and exists."""
    for element in node.elements():
        name, _, key = str(element.value).partition(".")
        if name == "emulate" and "emulate" in data:
            continue
        clause = next((data[v][name] for v in VERBS if isinstance(data.get(v), dict) and name in data[v]), None)
        inner = next((clause[k] for k in KINDS if isinstance(clause.get(k), dict)), clause) if isinstance(clause, dict) else None
        if not isinstance(inner, dict) or key not in inner:
            element.problem(f"unverified names {element.value!r}, which is no `clause.field` of this file")


def _emulation(node: Node) -> dict[str, Any] | None:
    """The block as it was written, after the device model has read it."""
    if not isinstance(node.value, dict):
        node.problem(f"emulate takes a mapping, not {kind_of(node.value)}")
        return None
    _, problems = parse_emulation(node.value)
    node.problems.extend(f"{node.document.where_key((*node.path, *path))}: {what}" for path, what in problems)
    return dict(node.value)
