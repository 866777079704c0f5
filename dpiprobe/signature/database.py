"""A folder of signature files as one database: compiled to plain data, kept by content hash, loaded without YAML.

Rules of this file:
- The packaged database lies in `dpiprobe/signature/data` in a wheel, and in the checkout's `signatures/` in an editable install.
- Compiled data is JSON, never pickle, under the user's cache folder; where that cannot be written or read, YAML is read each time.
- `Database.hash` is over ids and contents, sorted, so it says which signatures judged a capture wherever the files lay.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dpiprobe.errors import UsageError
from dpiprobe.signature.model import Signature, signature_from_plain, vocabulary_fingerprint


@dataclass(frozen=True)
class Database:
    """Signatures, most specific first, and the hash of what they were made from."""

    signatures: tuple[Signature, ...]
    hash: str
    folder: str = field(default="", compare=False)

    @cached_property
    def by_id(self) -> dict[str, Signature]:
        """Signatures by their id."""
        return {s.id: s for s in self.signatures}

    def __len__(self) -> int:
        return len(self.signatures)


def database_of(signatures: Iterable[Signature], digest: str = "", folder: str = "") -> Database:
    """A database of these signatures, in the order in which they compete."""
    ordered = tuple(sorted(signatures, key=lambda s: s.specificity))
    return Database(ordered, digest or hashlib.sha256("\n".join(sorted(s.id for s in ordered)).encode()).hexdigest(), folder)


def packaged_folder() -> Path:
    """Where the signatures lie that came with the program."""
    here = Path(__file__).resolve().parent
    for folder in (here / "data", here.parent.parent / "signatures"):
        if folder.is_dir():
            return folder
    raise UsageError("the signatures that come with dpiprobe are missing from this installation; name a folder with --signatures")


def load(folder: Path | None = None, cache: bool = True) -> Database:
    """The database of a folder (or the packaged one).

    Raises SignatureError with every problem of every file, UsageError where there is no such folder or no file in it.
    """
    where = folder if folder is not None else packaged_folder()
    if not where.is_dir():
        raise UsageError(f"{where} is no folder; name one that holds signature files")
    files = _contents(where)
    if not files:
        raise UsageError(f"{where} holds no signature files; they end in .yaml")
    digest = _digest(files)
    kept = _cache_file(digest) if cache else None
    plain = _read_cache(kept, digest)
    if plain is not None:
        return database_of((signature_from_plain(p) for p in plain), digest, str(where))
    from dpiprobe.signature.check import require_consistent
    from dpiprobe.signature.reader import read_folder

    found, problems = read_folder(where)
    require_consistent(found, problems)
    signatures = [signature for signature, _ in found]
    _write_cache(kept, digest, [s.to_plain() for s in signatures])
    return database_of(signatures, digest, str(where))


def _contents(folder: Path) -> list[tuple[str, bytes]]:
    """(group/id, content) of every file, sorted by path."""
    found = []
    cut = len(str(folder)) + 1
    for parent, folders, names in os.walk(str(folder)):
        folders.sort()
        for name in names:
            if name.endswith(".yaml"):
                path = f"{parent}/{name}"
                try:
                    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a hundred files a start; Path.open costs as much as reading)
                        found.append((path[cut:-5], file.read()))
                except OSError as error:
                    raise UsageError(f"{path} cannot be read: {error.strerror}; change its permissions, or take it out of the folder") from None
    found.sort()
    return found


def _digest(files: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def cache_folder() -> Path:
    """The user's cache folder for dpiprobe (XDG Base Directory Specification; not created here)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "dpiprobe"


def _cache_file(digest: str) -> Path | None:
    meaning = hashlib.sha256(vocabulary_fingerprint().encode()).hexdigest()
    try:
        return cache_folder() / f"signatures-{digest[:24]}-{meaning[:12]}.json"
    except RuntimeError:  # no home folder
        return None


def _read_cache(path: Path | None, digest: str) -> list[dict[str, object]] | None:
    if path is None:
        return None
    try:
        data = json.loads(path.read_bytes())
        return data["signatures"] if data["digest"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_cache(path: Path | None, digest: str, plain: list[dict[str, object]]) -> None:
    """Written beside and renamed, so that a reader never sees half of it; where that fails, there is no cache."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump({"digest": digest, "signatures": plain}, file, separators=(",", ":"))
        Path(file.name).replace(path)
    except OSError:
        return
