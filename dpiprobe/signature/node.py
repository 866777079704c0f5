"""A place in a signature file while it is read: its value, its path, and a list that problems go to.

Rules of this file:
- Every problem is `file:line:col: what`, placed at the key where the key is wrong and at the value where the value is.
- Reading goes on after a problem; whoever reads gets an empty default and the file is refused at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dpiprobe.signature.values import ValueProblem, suggestion
from dpiprobe.signature.yaml_strict import Document, Path


@dataclass(slots=True)
class Node:
    """The value at `path` of a document."""

    document: Document
    path: Path
    value: Any
    problems: list[str] = field(default_factory=list)

    def problem(self, what: str) -> None:
        """This value is wrong (said once: a value that YAML already refused is not refused again)."""
        if self.path in self.document.refused:
            return
        self.problems.append(f"{self.document.where(self.path)}: {what}")

    def key_problem(self, what: str) -> None:
        """The key that leads here is wrong."""
        self.problems.append(f"{self.document.where_key(self.path)}: {what}")

    def child(self, key: str | int) -> Node:
        """What lies under `key`."""
        return Node(self.document, (*self.path, key), self.value[key], self.problems)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Keys and what lies under them; a value that is no mapping is a problem and has none."""
        if not isinstance(self.value, dict):
            self.problem(f"{self.name} takes a mapping, not {kind_of(self.value)}")
            return
        for key in self.value:
            yield key, self.child(key)

    def elements(self) -> list[Node]:
        """The elements of a list, or the one value itself."""
        return [self.child(i) for i in range(len(self.value))] if isinstance(self.value, list) else [self]

    @property
    def name(self) -> str:
        """The last key on the way here."""
        names = [p for p in self.path if isinstance(p, str)]
        return names[-1] if names else "the file"

    def known_keys(self, known: Iterable[str], required: Iterable[str] = (), advice: Mapping[str, str] | None = None) -> bool:
        """Refuses keys that are not known, and says which required ones are missing and (`advice`) what belongs there; whether it is a mapping
        at all."""
        if not isinstance(self.value, dict):
            self.problem(f"{self.name} takes a mapping, not {kind_of(self.value)}")
            return False
        known = tuple(known)
        for key in self.value:
            if key not in known:
                self.child(key).key_problem(f"unknown key {key!r}{suggestion(key, known)}")
        for key in required:
            if key not in self.value:
                self.problem(f"{self.name} lacks {key!r}" + (f"; {advice[key]}" if advice and key in advice else ""))
        return True

    def text(self) -> str:
        """A text that is not empty."""
        if isinstance(self.value, str) and self.value.strip():
            return self.value.strip()
        self.problem(f"{self.name} takes a text, not {kind_of(self.value)}")
        return ""

    def word(self, words: Iterable[str]) -> str:
        """One of `words`."""
        words = tuple(words)
        if isinstance(self.value, str) and self.value in words:
            return self.value
        if isinstance(self.value, str):
            self.problem(f"{self.name} cannot be {self.value!r}{suggestion(self.value, words)}")
        else:
            self.problem(f"{self.name} takes one of {', '.join(words)}, not {kind_of(self.value)}")
        return ""

    def words(self, words: Iterable[str]) -> tuple[str, ...]:
        """One or several of `words`."""
        words = tuple(words)
        return tuple(element.word(words) for element in self.elements())

    def flag(self) -> bool:
        """true or false."""
        if not isinstance(self.value, bool):
            self.problem(f"{self.name} takes true or false, not {kind_of(self.value)}")
        return self.value is True

    def read(self, reader: Any, *arguments: Any) -> Any:
        """`reader(value, *arguments)`, its ValueProblem turned into a problem at this place; None then."""
        try:
            return reader(self.value, *arguments)
        except ValueProblem as error:
            self.problem(str(error))
            return None


def kind_of(value: Any) -> str:
    """What a value is, for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    return repr(value) if isinstance(value, int | float) else "a text" if value else "an empty text"
