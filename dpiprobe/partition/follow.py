"""A capture that is still being written: flows are judged as they settle, provisionally, while it is read like any large capture.

Rules of this file:
- A flow has settled when it was closed or reset and nothing came for CLOSED, or nothing came for IDLE; by the capture's own time, no clock.
- A provisional record says what the last WINDOW showed, without what is still to come (controls, a late answer) and what lies too far back; so it
  may differ from the final one, in its number too (a stray found later, a conversation that turns out to be QUIC).
- What is held for it is bounded: rows of the window, MEMORY bytes at most. The final records come from everything, which lies on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.capture.model import Capture
from dpiprobe.explain import explain_flows
from dpiprobe.flow.packed import sides_of, turned, unpack
from dpiprobe.flow.settle import settle
from dpiprobe.flow.table import FlowTable
from dpiprobe.partition.evaluate import Settings
from dpiprobe.verdict.records import flow_record
from dpiprobe.wire.decode import Decoder
from dpiprobe.wire.packets import Packets, empty_quotes

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

TICK = 5_000_000_000
"""ns of capture time between two looks; policy."""
CLOSED, IDLE = 2_000_000_000, 60_000_000_000
"""ns without a packet after which a closed flow, or any, has settled. Twice the patience of `verdict.outcome`, and the longest retransmission
timeout that RFC 6298 section 2.5 allows to be the upper bound; policy."""
WINDOW = 120_000_000_000
"""ns for which rows of settled flows serve as controls of others; policy."""
MEMORY = 64 << 20
"""Bytes of rows of the window at most; the oldest go first."""


class Follower:
    """Hears of each chunk that was laid down (`heard`), and says records of flows that have settled (`say`)."""

    def __init__(self, settings: Settings, name: str, say: Callable[[dict[str, Any]], Any]) -> None:
        self._settings = settings
        self._capture = Capture(name, "", _no_packets(), 0)
        self._say = say
        self._chunks: deque[tuple[Words, bytes]] = deque()
        self._held = 0
        self._looked = -(1 << 62)
        self._said: set[int] = set()

    def heard(self, table: FlowTable, words: Words, arena: npt.NDArray[np.uint8]) -> None:
        """One more chunk; its rows lie by bucket."""
        order = np.argsort(words[:, 1], kind="stable")
        sizes = words[:, 19].astype(np.int64)
        ends = np.cumsum(sizes)
        whole = arena.tobytes()
        bodies = b"".join([whole[e - n : e] for e, n in zip(ends[order].tolist(), sizes[order].tolist(), strict=True)])
        self._chunks.append((words[order], bodies))
        self._held += words.nbytes + len(bodies)
        now = int(table.totals[2])
        if self._looked == -(1 << 62):
            self._looked = now
        while len(self._chunks) > 1 and (self._held > MEMORY or now - _last_time(self._chunks[0][0]) > WINDOW):
            old, bodies = self._chunks.popleft()
            self._held -= old.nbytes + len(bodies)
        if now - self._looked >= TICK:
            self._looked = now
            self._look(table, now)

    def _look(self, table: FlowTable, now: int) -> None:
        words = turned(np.concatenate([chunk for chunk, _ in self._chunks]))
        flow, _ = sides_of(words)
        recent = np.unique(flow)
        settled = set(recent[table.quiet(recent, now, CLOSED, IDLE)].tolist()) - self._said
        self._said &= set(recent.tolist())
        if not settled:
            return
        addresses = table.addresses()
        arena = b"".join([bodies for _, bodies in self._chunks])
        packets = unpack(words, arena, addresses, None, empty_quotes(), np.full(words.shape[1], -1, np.int64))
        flows = settle(packets)
        first = flow[flows.row[flows.start]] if len(flows) else np.empty(0, np.int64)
        flows.numbers, flows.watched_until = table.numbers(first), now
        settings = self._settings
        explanation = explain_flows(
            flows, self._capture, database=settings.database, plan=settings.plan, controls=settings.controls, designated=settings.designated
        )
        for judgement in explanation.judgements:
            number = int(first[judgement.flow])
            if number in settled:
                self._said.add(number)
                if settings.interesting and judgement.verdict == "ok":
                    continue
                record = flow_record(self._capture.name, flows, judgement, explanation.matches.get(judgement.flow, []))
                self._say(record | {"provisional": True})
        explanation.observed.forget()


def _last_time(words: Words) -> int:
    return int(words[-1, 2]) | (int(words[-1, 3].astype(np.int32)) << 32)


def _no_packets() -> Packets:
    return Decoder().finish()
