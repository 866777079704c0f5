"""Which captures are worth the large way, from their sizes. It loads nothing of that way: most captures are small, and wait for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

from dpiprobe.capture.source import GZIP, LZ4, ZSTD

LARGE = 24 << 20
"""Bytes of a plain capture from which it is read in parts by compiled loops (some 50,000 packets): there numba's start of 0.5 s, before object code was
kept, was repaid (our own measurement)."""
PACKED_LARGE = 6 << 20
"""The same of a compressed one."""


def is_large(path: str | Path) -> bool:
    """Whether a file is worth the large way."""
    try:
        size = Path(path).stat().st_size
        if size < PACKED_LARGE:
            return False
        with Path(path).open("rb") as file:
            packed = file.read(4).startswith((GZIP, ZSTD, LZ4))
    except OSError:
        return False
    return size >= (PACKED_LARGE if packed else LARGE)


def begin(stream: BinaryIO) -> tuple[bytes, BinaryIO | None]:
    """The first bytes of a pipe: all of them and None where it is small, else no bytes and a stream that gives them and the rest."""
    pieces: list[bytes] = []
    size, least = 0, LARGE
    while size < least:
        piece = stream.read(min(1 << 20, least - size))
        if not piece:
            return b"".join(pieces), None
        if not pieces and piece.startswith((GZIP, ZSTD, LZ4)):
            least = PACKED_LARGE
        pieces.append(piece)
        size += len(piece)
    return b"", cast(BinaryIO, _Begun(pieces, stream))


class _Begun:
    """A stream some of which was read already."""

    def __init__(self, pieces: list[bytes], rest: BinaryIO) -> None:
        self._pieces = pieces[::-1]
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Some bytes, `size` at most; none at the end."""
        if not self._pieces:
            return self._rest.read(size)
        piece = self._pieces.pop()
        if len(piece) > size:
            self._pieces.append(piece[size:])
        return piece[:size]
