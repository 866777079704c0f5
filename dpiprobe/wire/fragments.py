"""IP fragments -> whole datagrams, within bounded memory, never misread.

Rules of this file:
- A datagram is given out only when every byte of it is there exactly once. Copies of a fragment are ignored; any other overlap throws the
  whole datagram away (RFC 8200 section 4.5; Linux does the same for IPv4 since 2018, "ip: discard IPv4 datagrams with overlapping segments").
- The headers are the first fragment's; the total length is that of the whole; in IPv6 the fragment header stays, as an atomic one.
- A fragment that the snap length cut cannot be completed and is only counted.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass, field

TIMEOUT = {4: 30_000_000_000, 6: 60_000_000_000}
"""ns of capture time after which an incomplete datagram is given up: Linux ipfrag_time (30 s), RFC 8200 section 4.5 (60 s)."""
MEMORY = 4 << 20
"""Bytes kept of incomplete datagrams at most: Linux ipfrag_high_thresh (4 MiB). The oldest go first."""
COST = 256
"""Bytes that a fragment and its bookkeeping weigh beside its own (CPython 3.11: bytes object 33, dict and list slot, key tuple)."""
PER_DATAGRAM = 8192
"""Fragments of one datagram at most: 65,536 bytes in the smallest steps of 8 (RFC 791)."""


@dataclass(slots=True)
class _Pending:
    began: int
    head: bytes = b""
    """everything before the fragmentable part, of the first fragment; IPv6: with the fragment header"""
    length: int = -1
    """length of the fragmentable part, known from the last fragment"""
    held: int = 0
    frames: int = 0
    memory: int = 0
    bad: bool = False
    offsets: list[int] = field(default_factory=list)
    """where the parts begin, ascending"""
    parts: dict[int, bytes] = field(default_factory=dict)

    def fits(self, offset: int, end: int, more: bool) -> bool:
        """The part [offset, end) touches no other part and agrees with the known length."""
        if self.length >= 0 and (end > self.length or not more):
            return False
        place = bisect_left(self.offsets, offset)
        if place < len(self.offsets) and (self.offsets[place] < end or self.offsets[place] == offset or not more):
            return False
        return place == 0 or self.offsets[place - 1] + len(self.parts[self.offsets[place - 1]]) <= offset


class Reassembler:
    """Takes fragments in capture order. `lost` counts the fragments that never became a whole datagram, once `finish` was called."""

    def __init__(self) -> None:
        self.lost = 0
        self._pending: OrderedDict[tuple[bytes, bytes, int, int], _Pending] = OrderedDict()
        self._memory = 0

    def add(self, frame: bytes, time: int) -> bytes | None:
        """One fragment from its IP header to the end of the captured frame; the whole datagram where it is the missing piece."""
        self._expire(time)
        read = _read_fragment(frame)
        if read is None:
            self.lost += 1
            return None
        key, head, offset, more, body = read
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(time)
        pending.frames += 1
        if pending.parts.get(offset) == body:
            return None
        self._weigh(pending, COST)
        end = offset + len(body)
        if pending.bad or (more and (len(body) % 8 or not body)) or end > 65535 or pending.frames > PER_DATAGRAM or not pending.fits(offset, end, more):
            self._weigh(pending, COST - pending.memory)
            pending.bad = True
            pending.parts.clear()
            pending.offsets.clear()
            return None
        if offset == 0:
            pending.head = head
        if not more:
            pending.length = end
        pending.parts[offset] = body
        insort(pending.offsets, offset)
        pending.held += len(body)
        self._weigh(pending, len(body))
        if pending.held == pending.length and pending.head:
            del self._pending[key]
            self._memory -= pending.memory
            whole = _whole(pending.head, b"".join(pending.parts[o] for o in pending.offsets))
            if whole is None:
                self.lost += pending.frames
            return whole
        while self._memory > MEMORY:
            self._drop(next(iter(self._pending)))
        return None

    def _weigh(self, pending: _Pending, change: int) -> None:
        pending.memory += change
        self._memory += change

    def finish(self) -> int:
        """Give up what is incomplete; the number of fragments lost over all."""
        while self._pending:
            self._drop(next(iter(self._pending)))
        return self.lost

    def _drop(self, key: tuple[bytes, bytes, int, int]) -> None:
        pending = self._pending.pop(key)
        self._memory -= pending.memory
        self.lost += pending.frames

    def _expire(self, time: int) -> None:
        while self._pending:
            key, oldest = next(iter(self._pending.items()))
            if time - oldest.began <= TIMEOUT[4 if len(key[0]) == 4 else 6]:
                return
            self._drop(key)


def _read_fragment(frame: bytes) -> tuple[tuple[bytes, bytes, int, int], bytes, int, bool, bytes] | None:
    """(key, headers, offset in bytes, more follow, body) of a fragment; None where it was cut by the snap length or is malformed."""
    if frame[0] >> 4 == 4:
        header = (frame[0] & 15) << 2
        total = int.from_bytes(frame[2:4]) or len(frame)
        if not header <= total <= len(frame):
            return None
        word = int.from_bytes(frame[6:8])
        key = (frame[12:16], frame[16:20], int.from_bytes(frame[4:6]), frame[9])
        return key, frame[:header], (word & 0x1FFF) << 3, bool(word & 0x2000), frame[header:total]
    total = int.from_bytes(frame[4:6]) + 40
    if total > len(frame):
        return None
    protocol, at = frame[6], 40
    while protocol != 44:
        protocol, at = frame[at], at + ((frame[at + 1] + 2) << 2 if protocol == 51 else (frame[at + 1] + 1) << 3)
    if at + 8 > total:
        return None
    word = int.from_bytes(frame[at + 2 : at + 4])
    key = (frame[8:24], frame[24:40], int.from_bytes(frame[at + 4 : at + 8]), -1)
    return key, frame[: at + 8], word & 0xFFF8, bool(word & 1), frame[at + 8 : total]


def _whole(head: bytes, body: bytes) -> bytes | None:
    """The datagram as it was before it was split; None where it would be longer than IP allows."""
    datagram = bytearray(head + body)
    if head[0] >> 4 == 4:
        if len(datagram) > 65535:
            return None
        datagram[2:4] = len(datagram).to_bytes(2)
        datagram[6] &= 0x40
        datagram[7] = 0
    else:
        if len(datagram) - 40 > 65535:
            return None
        datagram[4:6] = (len(datagram) - 40).to_bytes(2)
        datagram[len(head) - 6 : len(head) - 4] = b"\0\0"
    return bytes(datagram)
