"""Reads YAML strictly, and remembers where every key and value stands.

Rules of this file:
- One document a file, mappings with string keys, lists, strings, integers, decimals, true and false; nothing else.
- What YAML 1.1 silently turns into something else is refused, with the word that helps ("quote it"): yes/no/on/off, null, octal,
  binary and sexagesimal numbers, underscores and exponents in numbers, dates, infinities. So are anchors, aliases, merges, tags,
  duplicate keys and tabs.
- Parsing is PyYAML's C parser where it is built, else the pure one; values are built here from its events, so both give the same.
- It never raises for what a file says: problems are lines `file:line:col: what`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]

DEEPEST = 32
"""Levels of lists and mappings inside one another that are read; signatures have five. A bound of our own, as the parsers' differ; policy."""

TOO_DEEP = "lists or mappings inside one another without end; a signature has a few levels"

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+")
_SURPRISES = (
    # what PyYAML's YAML 1.1 resolver (yaml/resolver.py) or a YAML 1.2 reader would make of a plain scalar, and people do not expect
    (re.compile(r"(?i:yes|no|on|off|y|n)|True|TRUE|False|FALSE"), "reads as true or false to some parsers; write true or false, or quote it"),
    (re.compile(r"~|(?i:null)|"), "is null; write a value, or leave the key out"),
    (re.compile(r"[-+]?0[0-9_]+"), "reads as an octal number to some parsers; quote it, or write it without leading zeros"),
    (re.compile(r"[-+]?0[ob][0-7_]+"), "is an octal or binary number; write it in decimal or as 0x.."),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "reads as a sexagesimal number to some parsers; quote it"),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"), "has underscores in a number; leave them out, or quote it"),
    (re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+"), "is a number with an exponent; write it out, or quote it"),
    (re.compile(r"[-+]?([0-9]+\.|\.[0-9]+)"), "is a number with half of it left out; write it like 0.5"),
    (re.compile(r"[-+]?\.(?i:inf|nan)"), "is infinity or not a number; quote it"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"), "reads as a date to some parsers; quote it"),
    (re.compile(r"="), "has a meaning of its own in YAML 1.1; quote it"),
)


@dataclass(slots=True)
class Document:
    """One file's content: plain data, and where each part of it stands.

    file: the name that problems carry · data: dict, list, str, int, float, bool, or None where the file could not be read
    keys, values: path of keys and list positions -> (line, column), both from 1 · problems: one line each
    """

    file: str
    data: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    refused: set[Path] = field(default_factory=set)
    """values that were refused already; what they were read as says nothing"""

    def where(self, path: Path) -> str:
        """`file:line:col` of the value at `path`, or of the nearest part of the file that holds it."""
        return self._place(self.values, path)

    def where_key(self, path: Path) -> str:
        """`file:line:col` of the key that leads to `path`."""
        return self._place(self.keys, path) if path in self.keys else self.where(path)

    def _place(self, places: dict[Path, tuple[int, int]], path: Path) -> str:
        while path not in places and path:
            path = path[:-1]
        line, column = places.get(path, (1, 1))
        return f"{self.file}:{line}:{column}"


def read(text: str, file: str) -> Document:
    """The content of `text`; where it is wrong, `problems` says every wrong thing that can be told, and `data` what could be kept."""
    document = Document(file)
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line:
            document.problems.append(f"{file}:{number}:{line.index(chr(9)) + 1}: a tab; use spaces")
    if document.problems:
        return document
    import yaml  # here, so that a database that is already compiled never pays for it

    try:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        events = yaml.parse(text, Loader=loader)
        document.data = _Builder(document, events).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark is not None else "1:1"
        problem = error.problem or error.context or ""
        # newer libyaml has a bound of its own, and looks ahead of what was read
        document.problems.append(f"{file}:{place}: {TOO_DEEP if 'nesting depth' in problem else f'not YAML: {problem}'}")
        document.data = None
    except yaml.YAMLError as error:
        document.problems.append(f"{file}:1:1: not YAML: {str(error).splitlines()[0]}")
        document.data = None
    except _TooDeepError as error:
        document.problems.append(f"{file}:{error}: {TOO_DEEP}")
        document.data = None
    return document


class _TooDeepError(Exception):
    """More than DEEPEST levels; `line:column` where that begins."""


class _Builder:
    """Builds plain data from parser events."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self._document = document
        self._events = events

    def document(self) -> Any:
        next(self._events)  # StreamStart
        event = next(self._events)
        if type(event).__name__ == "StreamEndEvent":
            self._problem(event, "the file is empty")
            return None
        data = self._node(next(self._events), ())
        next(self._events)  # DocumentEnd
        event = next(self._events)
        if type(event).__name__ == "DocumentStartEvent":
            self._problem(event, "a second document; one signature a file")
            for _ in self._events:
                pass
        return data

    def _problem(self, event: Any, what: str) -> None:
        mark = event.start_mark
        self._document.problems.append(f"{self._document.file}:{mark.line + 1}:{mark.column + 1}: {what}")

    def _node(self, event: Any, path: Path) -> Any:
        mark = event.start_mark
        if len(path) > DEEPEST:
            raise _TooDeepError(f"{mark.line + 1}:{mark.column + 1}")
        self._document.values[path] = (mark.line + 1, mark.column + 1)
        kind = type(event).__name__
        if kind == "AliasEvent":
            self._problem(event, f"an alias (*{event.anchor}); write the value out")
            self._document.refused.add(path)
            return ""
        if event.anchor:
            self._problem(event, f"an anchor (&{event.anchor}); write values out")
        if event.tag and event.tag != "!":
            self._problem(event, f"a tag ({event.tag}); values have none here")
        if kind == "ScalarEvent":
            return self._scalar(event, path)
        return self._mapping(path) if kind == "MappingStartEvent" else self._sequence(path)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._node(event, (*path, "?"))
            self._document.values.pop((*path, "?"), None)
            place = (event.start_mark.line + 1, event.start_mark.column + 1)
            if type(event).__name__ == "ScalarEvent" and event.value == "<<" and event.implicit[0]:
                self._problem(event, "a merge key (<<); write the keys out")
            elif not isinstance(key, str):
                self._problem(event, f"the key {event.value!r} is not text; quote it" if isinstance(key, int | float) else "a key must be text")
                key = f"?{place[0]}:{place[1]}"
            elif key in items:
                line, column = self._document.keys[(*path, key)]
                self._problem(event, f"the key {key!r} stands twice; the first is at {line}:{column}")
            value = self._node(next(self._events), (*path, key))
            if key.startswith("?") or key == "<<":
                continue
            self._document.keys.setdefault((*path, key), place)
            items.setdefault(key, value)
        return items

    def _scalar(self, event: Any, path: Path) -> Any:
        text: str = event.value
        if event.style not in (None, ""):
            return text
        if text in ("true", "false"):
            return text == "true"
        if _INTEGER.fullmatch(text):
            return int(text, 0)
        if _DECIMAL.fullmatch(text):
            return float(text)
        for pattern, what in _SURPRISES:
            if pattern.fullmatch(text):
                self._problem(event, f"{text!r} {what}" if text else "no value here; write one, or leave the key out")
                self._document.refused.add(path)
                return text
        return text
