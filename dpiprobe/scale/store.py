"""Where a data set lies: a folder of this machine, or a prefix of an object store; the few operations that it needs, each all or nothing.

Rules of this file:
- A file appears under its name complete or not at all: written beside and renamed here, one upload there.
- Names are relative, with `/`. What is half-made begins with a dot, which readers of Parquet folders pass over.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from dpiprobe.errors import UsageError
from dpiprobe.scale.inputs import file_system, is_url

PART = ".part-"


class Store(Protocol):
    """What a data set needs of the place where it lies."""

    def read(self, name: str) -> bytes: ...
    def write(self, name: str, data: bytes) -> None: ...
    def names(self) -> list[str]: ...
    def delete(self, name: str) -> None: ...
    def workshop(self) -> Any:
        """A context manager: a local folder to write in, gone afterwards."""
        ...

    def publish(self, files: dict[str, Path]) -> None:
        """Put finished local files of the workshop under their names."""
        ...


class Folder:
    """A local folder, or one that all workers have mounted."""

    def __init__(self, path: str) -> None:
        self.root = Path(path)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        with self.workshop() as aside:
            (aside / "file").write_bytes(data)
            self.publish({name: aside / "file"})

    def names(self) -> list[str]:
        found = []
        for parent, _, names in os.walk(self.root):
            if os.path.basename(parent).startswith(PART) and not names:  # noqa: PTH119
                names = ["nothing"]  # noqa: PLW2901 (an empty workshop is a left-over as well)
            found += [(Path(parent) / name).relative_to(self.root).as_posix() for name in names]
        return sorted(found)

    def delete(self, name: str) -> None:
        target = self.root / name
        target.unlink(missing_ok=True)
        if target.parent.name.startswith(PART):
            shutil.rmtree(target.parent, ignore_errors=True)

    @contextmanager
    def workshop(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=PART, dir=self.root, ignore_cleanup_errors=True) as aside:
            yield Path(aside)

    def publish(self, files: dict[str, Path]) -> None:
        for name, made in files.items():
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(target)


class Remote:
    """A prefix of an object store, through fsspec."""

    def __init__(self, url: str) -> None:
        self._system, path = file_system(url)
        self._root = path.rstrip("/")
        self._system.invalidate_cache()

    def read(self, name: str) -> bytes:
        return bytes(self._system.cat_file(f"{self._root}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        self._system.pipe_file(f"{self._root}/{name}", data)

    def names(self) -> list[str]:
        self._system.invalidate_cache()
        try:
            found = self._system.find(self._root)
        except FileNotFoundError:
            return []
        return sorted(str(name)[len(self._root) + 1 :] for name in found)

    def delete(self, name: str) -> None:
        self._system.rm_file(f"{self._root}/{name}")

    @contextmanager
    def workshop(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="dpiprobe-") as aside:
            yield Path(aside)

    def publish(self, files: dict[str, Path]) -> None:
        for name, made in files.items():
            self._system.put_file(str(made), f"{self._root}/{name}")


def store_of(out: str) -> Store:
    """The store that a folder or URL names. Raises UsageError where there cannot be one."""
    if not is_url(out):
        if os.path.exists(out) and not os.path.isdir(out):  # noqa: PTH110, PTH112
            raise UsageError(f"{out} is a file; give --out a folder")
        return Folder(out)
    if out.partition("://")[0] in ("http", "https"):
        raise UsageError(f"nothing can be written to {out}; give --out a folder, or a bucket (s3://, gs://)")
    return Remote(out)


@contextmanager
def alone(out: str) -> Iterator[None]:
    """Keep a second run out of the same local folder, until the end of the block or of the process, however that ends."""
    if is_url(out):
        yield
        return
    import fcntl

    root = Path(out)
    try:
        root.mkdir(exist_ok=True)
        lock = (root / ".lock").open("w")
    except OSError as problem:
        raise UsageError(f"cannot write into {out}: {problem.strerror}; give --out a folder that you may write to") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another dpiprobe is writing into {out}; wait for it, or give another folder") from None
        yield
