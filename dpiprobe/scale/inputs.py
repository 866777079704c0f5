"""Which captures are meant: files, folders searched for captures, URLs, in an order that the next run finds again.

Rules of this file:
- A folder is searched by magic number, never by name, its files sorted by path; what is no capture there is passed over in silence. A file
  that was named is always an input, so that its error is said at its turn.
- A local path needs no package; a URL (`s3://`, `gs://`, `https://`) goes through fsspec, imported here when the first one is met.
- An input's `stamp` changes when its content does: size and time of change for a file, the entity tag (or the like) for an object.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dpiprobe.capture.pcap import MAGICS
from dpiprobe.capture.pcapng import SECTION_MAGIC
from dpiprobe.capture.source import GZIP, LZ4, ZSTD, open_source
from dpiprobe.capture.together import name_of
from dpiprobe.errors import EnvironmentError_, InputError

HEAD = 1 << 16
"""Bytes of a compressed file that are looked at; more than one block of any of the three formats needs to give four bytes."""
PACKAGES = {"s3": "dpiprobe[s3]", "s3a": "dpiprobe[s3]", "gs": "gcsfs", "gcs": "gcsfs", "http": "dpiprobe[cluster]", "https": "dpiprobe[cluster]"}
"""What to install for a scheme that fsspec cannot open as it stands."""


@dataclass(frozen=True, slots=True)
class Input:
    """One capture to be read.

    name: what records call it: as the user gave it, or the folder as given and the path below it
    key: the absolute path or URL, which tells one capture from all others · size: bytes, 0 where unknown · stamp: see above
    parts: paths of the files that are to be read as this one, none where it is a file itself
    """

    name: str
    key: str
    size: int = 0
    stamp: str = ""
    parts: tuple[str, ...] = ()


def as_one(inputs: Sequence[Input]) -> Input:
    """Several captures of this machine as one. Raises InputError for what cannot be read twice, or lies elsewhere."""
    for one in inputs:
        if one.key == "-" or is_url(one.key):
            what = "standard input" if one.key == "-" else one.name
            raise InputError(f"{what} cannot be read together with others; save it to a file first.")
    names = tuple(one.name for one in inputs)
    return Input(name_of(names), " + ".join(one.key for one in inputs), sum(one.size for one in inputs), parts=names)


def is_url(path: str) -> bool:
    """`scheme://...`; everything else is a local path ("-" is standard input)."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.replace("+", "").isalnum()


def absolute(path: str) -> str:
    """A local path that means the same from every folder; URLs and "-" as they are."""
    return path if path == "-" or is_url(path) else os.path.abspath(path)  # noqa: PTH100 (links stay as they are)


def inputs_of(paths: Sequence[str]) -> list[Input]:
    """All captures that `paths` mean, in order.

    Raises InputError for a folder without captures, EnvironmentError_ where a URL needs a package that is missing.
    """
    found: list[Input] = []
    for path in paths:
        if is_url(path):
            found += _remote(path)
        elif path != "-" and os.path.isdir(path):  # noqa: PTH112 (as given, so that names stay as given)
            below = [_local(name) for name in _walk(path) if is_capture(name)]
            if not below:
                raise InputError(f"the folder {path} holds no captures; name another, or convert its files with 'editcap -F pcapng'.")
            found += below
        else:
            found.append(_local(path))
    return found


def _local(path: str) -> Input:
    if path == "-":
        return Input("-", "-")
    key = absolute(path)
    try:
        seen = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return Input(path, key)
    return Input(path, key, seen.st_size, f"{seen.st_size} bytes, changed {seen.st_mtime_ns}")


def _walk(folder: str) -> Iterator[str]:
    """Regular files below a folder, sorted by path, and folders that may not be searched, last; links to folders are not followed, so a loop
    cannot catch us."""
    closed: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)  # noqa: PTH118
            try:
                if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
                    yield path
            except OSError:
                continue
    yield from closed


def is_capture(path: str) -> bool:
    """Whether a local file begins as a capture does, compressed or not. What cannot be looked into passes as one, so that somebody is told."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a million of them)
            head = file.read(4)
            if head.startswith(GZIP) or head in (ZSTD, LZ4):
                head = _inside(path, head + (file.read(HEAD) or b""))
    except FileNotFoundError:  # gone since it was found
        return False
    except OSError:
        return True
    return head in MAGICS or head == SECTION_MAGIC


def _inside(name: str, packed: bytes) -> bytes:
    """The first four bytes of what is compressed. Where no package can open it, it passes as a capture, so that somebody is told."""
    try:
        return open_source(name, data=packed).read()[:4]
    except InputError:
        return SECTION_MAGIC


def _remote(url: str) -> list[Input]:
    """One object, a pattern, or everything below a prefix (named as captures are, since looking into each would cost a request)."""
    system, path = file_system(url)
    scheme = url.partition("://")[0]
    try:
        if any(sign in path for sign in "*[") and scheme not in ("http", "https"):
            found = system.glob(path, detail=True)
        elif scheme in ("http", "https") or system.isfile(path):
            return [_object(url, system.info(path))]
        else:
            found = system.find(path, detail=True)
    except Exception as problem:  # each backend has errors of its own
        return [Input(url, url, 0, f"cannot be asked about: {type(problem).__name__}")]
    names = sorted(name for name, info in found.items() if info.get("type") == "file")
    if not names:
        raise InputError(f"nothing lies below {url}; check the bucket and the prefix.")
    return [_object(f"{scheme}://{name.partition('://')[2] or name}", found[name]) for name in names]


def _object(url: str, info: dict[str, Any]) -> Input:
    marks = [str(info[key]) for key in ("ETag", "etag", "md5Hash", "LastModified", "mtime", "Last-Modified", "updated") if info.get(key)]
    return Input(url, url, int(info.get("size") or 0), f"{info.get('size')} bytes, {marks[0] if marks else 'no mark'}")


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it."""
    scheme = url.partition("://")[0]
    try:
        import fsspec

        system, path = fsspec.url_to_fs(url)
    except (ImportError, ValueError) as problem:
        what = PACKAGES.get(scheme, "dpiprobe[cluster]")
        raise EnvironmentError_(f"{scheme}:// cannot be read here ({problem}); pip install '{what}'") from None
    return system, path


def fingerprint(inputs: Sequence[Input]) -> str:
    """A short name for a set of inputs with their contents as they are now."""
    digest = hashlib.sha256()
    for given in inputs:
        digest.update(f"{given.name}\0{given.key}\0{given.stamp}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
