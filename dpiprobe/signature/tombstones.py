"""Ids that signatures once had: reports that name them stay readable, and no id is ever used twice.

Rules of this file:
- `tombstones.yml` lies in the folder of the signatures (another ending, so that it is not read as one): old id -> {now, since, why}.
- An id with a tombstone is never given again. What it became is a signature of the folder, or `none`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from dpiprobe.signature.values import suggestion
from dpiprobe.signature.yaml_strict import read

FILE = "tombstones.yml"
KEYS = ("now", "since", "why")


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What became of an id. now: its new id, None where it was given up · since: the version or date · why: one sentence"""

    old: str
    now: str | None
    since: str
    why: str


def read_tombstones(folder: Path) -> tuple[dict[str, Tombstone], list[str]]:
    """All tombstones of a folder of signatures by their old id, and what is wrong with the file; none where there is no file."""
    path = folder / FILE
    if not path.is_file():
        return {}, []
    text = path.read_text(encoding="utf-8")
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return {}, []
    document = read(text, str(path))
    if document.data is None or document.problems:
        return {}, list(document.problems)
    if not isinstance(document.data, dict):
        return {}, [f"{path}:1:1: not a mapping of old ids; it reads like 'old-id: {{now: new-id, since: \"2026-11\", why: ...}}'"]
    found: dict[str, Tombstone] = {}
    problems: list[str] = []
    for old, entry in document.data.items():
        if not isinstance(entry, dict) or set(entry) != set(KEYS) or not all(isinstance(entry[key], str) and entry[key] for key in KEYS):
            problems.append(f"{document.where((old,))}: a tombstone takes the texts {', '.join(KEYS)} (now: none where nothing took its place)")
            continue
        found[old] = Tombstone(old, None if entry["now"] == "none" else entry["now"], entry["since"], entry["why"])
    return found, problems


def check_tombstones(folder: Path, ids: Collection[str]) -> list[str]:
    """What is wrong with the tombstones of a folder whose signatures have these ids."""
    found, problems = read_tombstones(folder)
    path = folder / FILE
    for old, stone in found.items():
        if old in ids:
            problems.append(f"{path}:1:1: {old!r} has a tombstone and is a signature; an id is never used twice, so choose another")
        if stone.now is not None and stone.now not in ids and stone.now not in found:
            problems.append(f"{path}:1:1: {old!r} became {stone.now!r}, which is no signature{suggestion(stone.now, sorted(ids))}; say what it is now, or none")
    return problems
