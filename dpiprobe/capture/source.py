"""A capture as a stream of bytes: a file, a pipe or bytes in memory, decompressed, hashed as given, and never more than a bound.

Rules of this file:
- Compression is known by its magic number, never by the file's name.
- What a compressed stream still gives before it breaks is given; what broke is said in `damage`.
- Nothing is allocated on the word of a length field: decompression goes in bounded steps.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO

from dpiprobe.capture.ahead import Ahead
from dpiprobe.errors import InputError

MAX_DECOMPRESSED = 4 << 30
"""Bytes of one decompressed capture at most; our own bound against decompression bombs, above it reading ends with a `damage` sentence."""
STEP = 1 << 20
"""Bytes read or decompressed at once."""

AHEAD = 8
"""Decompressed steps that wait for the reader at most."""

GZIP, ZSTD, LZ4 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
"""RFC 1952; RFC 8878 section 3.1.1; LZ4 frame format 1.6.4."""


class Source:
    """Bytes of one capture, from first to last. `damage` grows while reading; `sha256` is right once all was read."""

    def __init__(self, name: str, raw: BinaryIO, owned: bool, large: bool = False, live: bool = False, hashed: bool = True) -> None:
        """large: work beside the reader: the hash of a plain file, the decompression of a compressed one, in a thread of their own
        live: take what a pipe holds, and do not wait for more · hashed: somebody asks for the hash, else it is empty"""
        self.name = name
        self._read = getattr(raw, "read1", raw.read) if live else raw.read
        self.damage: list[str] = []
        self._raw = raw
        self._owned = owned
        self._hash = hashlib.sha256()
        self._given = 0
        self._hashed = hashed
        self._beside: Thread | None = None
        self._ahead: Ahead[bytes] | None = None
        self._closed = Event()
        first = self._take()
        while len(first) < 4 and (more := self._take()):
            first += more
        self.empty = not first
        self.plain = not first.startswith((GZIP, ZSTD, LZ4))
        self._file = self.descriptor() if large else None
        if self._file is not None and hashed:
            self._hash = hashlib.sha256()
            self._beside = Thread(target=self._hash_file, daemon=True)
            self._beside.start()
        if first.startswith(GZIP):
            self._steps = self._inflate(first)
        elif first.startswith(ZSTD):
            self._steps = self._zstd(first)
        elif first.startswith(LZ4):
            self._steps = self._lz4(first)
        else:
            self._steps = self._plain(first)
        if large and not self.plain:
            self._steps = self._ahead = Ahead(self._steps, AHEAD)

    def read(self) -> bytes:
        """Some more bytes, at most about STEP; empty at the end."""
        for step in self._steps:
            self._given += len(step)
            if self._given > MAX_DECOMPRESSED:
                self.damage.append(f"reading ended after {MAX_DECOMPRESSED >> 20} MiB; the rest was not decompressed")
                self._steps = iter(())
                return step[: len(step) - (self._given - MAX_DECOMPRESSED)]
            if step:
                return step
        return b""

    def descriptor(self) -> int | None:
        """The descriptor of a plain file, from which any of its bytes can be read again; None for pipes and compressed captures."""
        if not self.plain or not self._owned:
            return None
        try:
            return self._raw.fileno() if self._raw.seekable() else None
        except OSError:
            return None

    def read_at(self, place: int, size: int) -> bytes | None:
        """`size` bytes of a plain file from `place` on, fewer at its end; None where this is none, or is not read as a large one."""
        if self._file is None:
            return None
        try:
            return os.pread(self._file, size, place)
        except OSError as error:
            raise self._unreadable(error) from error

    def sha256(self) -> str:
        """Of the bytes as given, all of them: reads what is left. Empty where nobody asked for it."""
        if not self._hashed:
            return ""
        if self._ahead is not None:
            self._ahead.stop()  # nobody reads on
        if self._beside is not None:
            self._beside.join()
        else:
            while self._take():
                pass
        return self._hash.hexdigest()

    def _hash_file(self) -> None:
        """The hash of a plain file, read a second time from the page cache: so it waits for nobody."""
        at, descriptor = 0, self._raw.fileno()
        room = memoryview(bytearray(STEP))  # one, used again: it stays in a core's cache
        while not self._closed.is_set() and (size := os.preadv(descriptor, [room], at)):
            self._hash.update(room[:size])
            at += size

    def close(self) -> None:
        """Close what was opened here."""
        if self._ahead is not None:
            self._ahead.stop()
        self._closed.set()
        if self._beside is not None:
            self._beside.join()
        if self._owned:
            self._raw.close()

    def _take(self) -> bytes:
        try:
            data = self._read(STEP)
        except OSError as error:
            raise self._unreadable(error) from error
        if self._hashed and self._beside is None:
            self._hash.update(data or b"")
        return data or b""

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"{self.name} cannot be read: {error.strerror or error}; check the file or the disk.")

    def _plain(self, data: bytes) -> Iterator[bytes]:
        self._given = -(1 << 62)  # a file that is not compressed is as long as it is
        while data:
            yield data
            data = self._take()

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        machine = zlib.decompressobj(31)
        while data:
            try:
                step = machine.decompress(data, STEP)
            except zlib.error as error:
                yield from self._flushed(machine)
                self.damage.append(f"the gzip data is corrupt: {error}")
                return
            if step:
                yield step
            data = machine.unconsumed_tail
            if machine.eof:
                data = machine.unused_data or self._take()
                if not data:
                    return
                if not data.startswith(GZIP):
                    if data.strip(b"\0"):
                        self.damage.append("bytes after the end of the gzip data were not read")
                    return
                machine = zlib.decompressobj(31)
            elif not data:
                data = self._take()
        self.damage.append("the gzip data ends too early")

    @staticmethod
    def _flushed(machine: zlib._Decompress) -> Iterator[bytes]:
        try:
            rest = machine.flush()
        except zlib.error:
            return
        if rest:
            yield rest

    def _zstd(self, data: bytes) -> Iterator[bytes]:
        try:
            import zstandard
        except ImportError:
            raise self._missing("zstd") from None

        def fresh() -> zstandard.ZstdDecompressionObj:
            return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

        # A block of 4 bytes can mean 128 KiB (RFC 8878 section 3.1.1.2), so a small input is already a bounded step.
        yield from self._framed(data, fresh, zstandard.ZstdError, "zstd", 512)

    def _lz4(self, data: bytes) -> Iterator[bytes]:
        try:
            import lz4.frame
        except ImportError:
            raise self._missing("lz4") from None
        yield from self._framed(data, lz4.frame.LZ4FrameDecompressor, RuntimeError, "lz4", 1 << 14)

    def _framed(self, data: bytes, fresh: Callable[[], object], wrong: type[Exception], kind: str, step: int) -> Iterator[bytes]:
        machine: object = None
        while data:
            for at in range(0, len(data), step):
                piece = data[at : at + step]
                while piece:
                    if machine is None:
                        machine = fresh()
                    try:
                        got = machine.decompress(piece)  # type: ignore[attr-defined]
                    except (wrong, EOFError, MemoryError) as error:
                        self.damage.append(f"the {kind} data is corrupt: {error}")
                        return
                    if got:
                        yield got
                    piece = b""
                    if machine.eof:  # type: ignore[attr-defined]
                        piece = machine.unused_data or b""  # type: ignore[attr-defined]
                        machine = None
            data = self._take()
        if machine is not None:
            self.damage.append(f"the {kind} data ends too early")

    def _missing(self, kind: str) -> InputError:
        return InputError(f"{self.name} is compressed with {kind}, which needs one more package; install 'dpiprobe[compress]' or decompress it first.")


def open_source(
    source: str | Path | BinaryIO, name: str | None = None, data: bytes | None = None, large: bool = False, live: bool = False, hashed: bool = True
) -> Source:
    """Open a path, "-" (standard input), a binary file object, or `data` itself. Raises InputError where that cannot be."""
    if data is not None:
        return Source(name or (str(source) if isinstance(source, (str, Path)) else "<bytes>"), io.BytesIO(data), True)
    if not isinstance(source, (str, Path)):
        return Source(name or str(getattr(source, "name", "<stream>")), source, False, large, live, hashed)
    if str(source) == "-":
        return Source(name or "-", sys.stdin.buffer, False, large, live, hashed)
    if not str(source):
        raise InputError("the name of a capture is empty; name a file, or '-' for standard input.")
    path = Path(source)
    shown = name or str(source)
    try:
        if path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise InputError(f"the folder {shown} may not be searched by this user; change its permissions or copy it.")
            raise InputError(f"{shown} is a folder; name the capture files in it.")
        return Source(shown, path.open("rb"), True, large, hashed=hashed)
    except FileNotFoundError:
        raise InputError(f"{shown} does not exist; check the path.") from None
    except PermissionError:
        raise InputError(f"{shown} may not be read by this user; change its permissions or copy it.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{shown} cannot be opened: {getattr(error, 'strerror', None) or error}; check the path.") from None
