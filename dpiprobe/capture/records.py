"""What the readers of the file formats share: a window on the stream, a batch of frames in the making, and the bounds of a record.

Rules of this file:
- A length field is believed only as far as bytes are there.
- Frames of a window are handed on before the window moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from dpiprobe.capture.source import Source
from dpiprobe.wire.decode import Records

MAX_RECORD = 262144
"""Bytes of one captured frame at most: MAXIMUM_SNAPLEN in libpcap's pcap-int.h, WTAP_MAX_PACKET_SIZE_STANDARD in Wireshark."""
MAX_RECORD_BY_LINK = {231: 128 << 20, 249: 128 << 20, 279: 8 << 20}
"""D-Bus, USBPcap, Elektrobit: max_snaplen_for_dlt in libpcap's pcap-common.c."""
CHUNK = 1 << 20
"""Bytes of a window on top of what was left over from the one before."""


@dataclass(slots=True)
class Account:
    """What reading found beside frames; grows while the reader runs."""

    damage: list[str] = field(default_factory=list)
    drops: int = 0
    comments: list[str] = field(default_factory=list)
    unknown_blocks: dict[int, int] = field(default_factory=dict)
    frames: int = 0


class Window:
    """The bytes of the stream that are not yet consumed: buf[at:]. `origin`: where buf[0] stands in the stream."""

    def __init__(self, source: Source, walker: ModuleType | None = None, chunk: int = CHUNK) -> None:
        """walker: `capture.walk` compiled, where it pays · chunk: bytes to read at once"""
        self._source = source
        self.walker = walker
        self.chunk = chunk
        self.origin = 0
        self.buf = b""
        self.at = 0
        self.ended = False

    def more(self) -> bool:
        """Read on, forgetting what lies before `at`; False where the stream has ended."""
        place, left = self.origin + self.at, len(self.buf) - self.at
        data = self._source.read_at(place, left + self.chunk)
        if data is not None:  # read once more what is left, and nothing is copied
            if len(data) <= left:
                self.ended = True
                return False
            self.buf, self.at, self.origin = data, 0, place
            return True
        pieces = [self.buf[self.at :]]
        self.origin = place
        got = 0
        while got < self.chunk:
            piece = self._source.read()
            if not piece:
                self.ended = True
                break
            pieces.append(piece)
            got += len(piece)
        self.buf = b"".join(pieces)
        self.at = 0
        return got > 0

    def need(self, size: int) -> bool:
        """At least `size` bytes lie behind `at`; moves the window where they do not yet."""
        while len(self.buf) - self.at < size:
            if self.ended or not self.more():
                return False
        return True


def batch(window: Window) -> Records:
    """An empty batch of frames in the window as it stands."""
    return Records(window.buf, [], [], [], [], window.origin)


class Room:
    """Arrays that a compiled walk writes into: as many frames as fit into a buffer of some size, made once and used again."""

    def __init__(self) -> None:
        self.starts = self.ends = self.links = self.times = np.empty(0, np.int64)
        self.state = np.zeros(4, np.int64)

    def of(self, size: int) -> int:
        """Make room for the frames of a buffer of `size` bytes; how many that are."""
        room = size // 16 + 1
        if len(self.starts) < room:
            self.starts, self.ends, self.links, self.times = (np.empty(room, np.int64) for _ in range(4))
        return room


def largest(link: int) -> int:
    """The longest frame that is believed on this link type."""
    return MAX_RECORD_BY_LINK.get(link, MAX_RECORD)
