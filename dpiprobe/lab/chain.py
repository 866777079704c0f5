"""Several boxes on one path, and boxes that look at connections from the other side.

Rules of this file: pure. In a chain the first box is nearest to the client; what one lets go reaches the next at that very time, so a delayed packet
waits in between. The boxes of a chain stand behind one hop: the TTL is decremented once for all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from dpiprobe.lab.box import Box, Emit

_OTHER = {"client": "server", "server": "client"}


class Chain:
    """Boxes in a row, from the client to the server."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.boxes = list(boxes)
        self.waiting: list[tuple[int, int, int, str, bytes]] = []  # time, order, box it reaches, side it comes from, packet
        self.count = 0

    @property
    def events(self) -> list[dict[str, object]]:
        """What any of them did; `box` counts from 0 at the client. Clearing the list clears the records of the boxes."""
        return _Events(self.boxes)

    def packet(self, now: int, side: str, packet: bytes) -> list[Emit]:
        """Through all of them, as far as it gets at this time."""
        self._enter(now, 0 if side == "client" else len(self.boxes) - 1, side, packet)
        return self._run(now)

    def wake_at(self) -> int | None:
        """The next packet that waits between two boxes, or what a box waits for."""
        times = [at for box in self.boxes if (at := box.wake_at()) is not None]
        return min(times + ([self.waiting[0][0]] if self.waiting else []), default=None)

    def wake(self, now: int) -> list[Emit]:
        """Time has come for some."""
        out: list[Emit] = []
        for place, box in enumerate(self.boxes):
            at = box.wake_at()
            if at is not None and at <= now:
                out += self._take(place, box.wake(now))
        return out + self._run(now)

    def _enter(self, at: int, place: int, side: str, packet: bytes) -> None:
        self.count += 1
        heapq.heappush(self.waiting, (at, self.count, place, side, packet))

    def _run(self, now: int) -> list[Emit]:
        out: list[Emit] = []
        while self.waiting and self.waiting[0][0] <= now:
            at, _, place, side, packet = heapq.heappop(self.waiting)
            out += self._take(place, self.boxes[place].packet(at, side, packet))
        return out

    def _take(self, place: int, emits: list[Emit]) -> list[Emit]:
        """What a box lets go: to the next one, or out of the chain."""
        out: list[Emit] = []
        for emit in emits:
            beside = place + (1 if emit.to == "server" else -1)
            if 0 <= beside < len(self.boxes):
                self._enter(emit.at, beside, _OTHER[emit.to], emit.packet)
            else:
                out.append(emit)
        return out


class _Events(list[dict[str, object]]):
    """The events of all boxes in order of time, as one list that can be cleared."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.boxes = boxes
        found = [{**event, "box": place} for place, box in enumerate(boxes) for event in box.events]
        super().__init__(sorted(found, key=lambda event: int(str(event["at"]))))

    def clear(self) -> None:
        super().clear()
        for box in self.boxes:
            box.events.clear()


class Turned:
    """A box that takes the server's side for its clients: it acts on connections that are opened from there."""

    def __init__(self, box: Box) -> None:
        self.box = box

    @property
    def events(self) -> list[dict[str, object]]:
        """What it did."""
        return self.box.events

    def packet(self, now: int, side: str, packet: bytes) -> list[Emit]:
        """As the box does, seen from the other side."""
        return self._turn(self.box.packet(now, _OTHER[side], packet))

    def wake_at(self) -> int | None:
        """As the box."""
        return self.box.wake_at()

    def wake(self, now: int) -> list[Emit]:
        """As the box."""
        return self._turn(self.box.wake(now))

    @staticmethod
    def _turn(emits: list[Emit]) -> list[Emit]:
        return [Emit(emit.at, _OTHER[emit.to], emit.packet) for emit in emits]
