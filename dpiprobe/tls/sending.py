"""What goes on the wire for a hello: the client's stream, cut into TCP segments in the order and at the times they leave.

Alone responsible for the shapes `Segment` and `Sending` that variations make and the probe and replay send; for cutting a stream; and for
what a server reads out of them.

Rules of this file:
- Offsets count sequence numbers from the first byte of the client's stream. Segments may be out of order and may overlap: only a raw sender
  can send those, `in_order` says so beforehand.
- `stream` is what Linux reads: bytes are taken when their turn comes, from the segment that arrived then; later copies of them are dropped.
  Decoys, urgent bytes (without SO_OOBINLINE) and what stands at negative offsets are no part of it.
- Times are seconds to wait before a segment. Nothing here sleeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dpiprobe.errors import UsageError


@dataclass(frozen=True, slots=True)
class Segment:
    """Payload of one TCP segment.

    offset: of its first byte in the client's stream; negative: before it, out of the server's window · delay: seconds to wait before it
    await_ack: not sent before all that went before is acknowledged · urgent: its last byte is urgent data (URG), which is no part of the stream
    decoy: meant for whoever looks on, not for the server; a raw sender gives it a defect (TTL, checksum) that keeps the server from reading it
    """

    data: bytes
    offset: int
    delay: float = 0.0
    await_ack: bool = False
    urgent: bool = False
    decoy: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """Segments in the order in which they leave."""

    segments: tuple[Segment, ...]

    @property
    def stream(self) -> bytes:
        """What a server reads, up to the first hole: each segment as it arrives, what came too early once its turn has come."""
        out, urgent = bytearray(), set[int]()
        waiting: list[Segment] = []
        for s in self.segments:
            if s.decoy:
                continue
            waiting.append(s)
            if s.urgent:
                urgent.add(s.offset + len(s.data) - 1)
            while (due := next((w for w in waiting if w.offset <= len(out) < w.offset + len(w.data)), None)) is not None:
                out += due.data[len(out) - due.offset :]
        return bytes([b for i, b in enumerate(out) if i not in urgent]) if urgent else bytes(out)

    @property
    def in_order(self) -> bool:
        """Whether an ordinary socket can send it: each segment begins where the one before it ended, and none is a decoy."""
        at = 0
        for s in self.segments:
            if s.offset != at or s.decoy:
                return False
            at += len(s.data)
        return True


def whole(stream: bytes) -> Sending:
    """The stream in one piece."""
    return Sending((Segment(stream, 0),))


def cut(stream: bytes, at: Iterable[int], *, delay: float = 0.0, await_ack: bool = False) -> Sending:
    """The stream cut before each of these offsets; `delay` and `await_ack` hold for all segments but the first.

    UsageError where an offset lies outside the stream."""
    edges = [0, *sorted(set(at)), len(stream)]
    if edges != sorted(set(edges)):
        wrong = next(i for i in edges[1:-1] if not 0 < i < len(stream))
        raise UsageError(f"a cut at byte {wrong} is not inside these {len(stream)} bytes; choose a position between 1 and {len(stream) - 1}")
    pieces = [Segment(stream[a:b], a, delay if a else 0.0, await_ack and a > 0) for a, b in pairwise(edges)]
    return Sending(tuple(pieces))


def sizes_to_edges(sizes: Sequence[int], length: int) -> list[int]:
    """Where pieces of these sizes end, as far as they lie inside `length` bytes."""
    edges: list[int] = []
    at = 0
    for size in sizes:
        at += size
        if at >= length:
            break
        edges.append(at)
    return edges
