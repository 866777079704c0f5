"""Streams and landmarks by the loops of `stream_loop.py` and `landmark_loop.py`: what `settle.py` uses where they are machine code.

Alone responsible for handing columns to those loops and taking columns back. What comes is what `stream.streams` and `landmarks.landmarks` give.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow import landmark_loop, stream_loop
from dpiprobe.flow.flows import CLIENT, SERVER
from dpiprobe.flow.group import Grouped
from dpiprobe.flow.stream import Streams, moving, walk
from dpiprobe.wire.compiled import at_hand
from dpiprobe.wire.packets import Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MARKS = (
    "syn", "last_syn", "syn_ack", "handshake", "hello", "hello_done", "answer", "ack_end", "client_fin", "server_fin", "client_rst", "server_rst",
    "server_acked", "client_acked", "client_seen", "server_seen", "rtt", "rtt_samples", "timestamps",
)  # fmt: skip
"""Names in `Flows` of the rows of `landmark_loop`'s `marks`."""


class ByFlow:
    """The loops at work on one batch of packets, whose flow f has the slots start[f] to stop[f]."""

    def __init__(self, streams: Any, landmarks: Any, packets: Packets, grouped: Grouped, start: Ints, stop: Ints) -> None:
        self._streams, self._landmarks, self._packets, self._grouped, self._start, self._stop = (
            streams,
            landmarks,
            packets,
            grouped,
            start,
            stop,
        )
        self._slots = np.empty((stream_loop.SLOT_ROWS, len(grouped.row)), np.int64)
        self._longest = int((stop - start).max()) if len(start) else 0

    def _places(self) -> Ints:
        return np.full(2 << max(self._longest, 1).bit_length(), -1, np.int64)

    def streams(self, client_low: Bools) -> Streams:
        """See `stream.streams`."""
        packets, grouped, slots = self._packets, self._grouped, self._slots
        ends = np.empty((stream_loop.END_ROWS, grouped.flow_count), np.int64)
        alike = self._streams.streams(
            packets.protocol, packets.flags, packets.seq, packets.ack, packets.ip_id, packets.payload_length, grouped.row, grouped.lower,
            grouped.joined, client_low.astype(np.int64), self._start, self._stop, grouped.flow_count, self._places(), slots, ends,
        )  # fmt: skip
        columns: list[Any] = [*slots[: stream_loop.ALIKE], *ends[:2], slots[stream_loop.COPIED, :alike]]
        of = Streams(*columns)
        client_hole, server_hole = ends[2:]
        for side, hole, before, after in (
            (CLIENT, client_hole, of.client_next, of.client_after),
            (SERVER, server_hole, of.server_next, of.server_after),
        ):
            if hole.any():
                moves = moving(grouped.flow, of.origin, of.flags, of.length, of.offset, side)
                walk(np.flatnonzero(hole), grouped.flow, moves, of.offset, of.end, before, after)
        return of

    def landmarks(self, of: Streams, duplicate: Ints, hello_start: Ints, hello_end: Ints, kinds: Ints) -> dict[str, Ints]:
        """See `landmarks.landmarks`; of streams that came from here."""
        packets, grouped = self._packets, self._grouped
        marks = np.empty((landmark_loop.MARK_ROWS, grouped.flow_count), np.int64)
        room = np.empty((2, len(grouped.row)), np.int64)
        self._landmarks.landmarks(
            packets.seq, packets.ts_value, packets.ts_echo, packets.time, packets.payload_offset, packets.payload_captured,
            np.frombuffer(packets.arena, np.uint8), grouped.row, duplicate, of.server_base, hello_start, hello_end, kinds, self._start, self._stop,
            grouped.flow_count, self._slots, self._places(), room[0], room[1], marks,
        )  # fmt: skip
        return dict(zip(MARKS, marks, strict=True))


def by_flow(packets: Packets, grouped: Grouped, start: Ints, stop: Ints) -> ByFlow | None:
    """The loops, where this process has them as machine code; else None."""
    streams, landmarks = at_hand(stream_loop), at_hand(landmark_loop)
    return ByFlow(streams, landmarks, packets, grouped, start, stop) if streams is not None and landmarks is not None else None
