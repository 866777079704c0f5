"""The data path through the box: an own delay and loss line between two interfaces, with the box in its middle. Some kernels have no netem.

Rules of this file:
- One process, one thread, one queue ordered by time. A packet's journey starts at the kernel's timestamp of its arrival, not when Python got to read it,
  so the delay does not grow with the load; within one direction packets never overtake each other.
- client - [near delay] - box - [far delay] - server: the box sees a packet after the delay of the side it came from,
  and what leaves it takes the delay of the side it goes to.
- Times are CLOCK_MONOTONIC in ns. The box itself is pure and gets them as arguments.
- Hops: the TTL is decremented when a packet reaches the box; where it ends, the box answers with ICMP time exceeded as a router would.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from dpiprobe.lab import namespaces, segment, topology
from dpiprobe.lab.box import Box, Emit

_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; SCM_TIMESTAMPNS is the same number
_SNAP = 65_535
_STALE = 200_000_000  # ns; an arrival stamp older than this (clock step) is not believed
_MAX_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """The path. Delays are one way in ns; `loss` is the chance that a packet is lost on one side (either way), 0..1."""

    near: int = 5_000_000
    far: int = 20_000_000
    near_loss: float = 0.0
    far_loss: float = 0.0


class _End:
    """One interface of the box: raw frames in with their arrival time, raw frames out."""

    def __init__(self, interface: str) -> None:
        port = topology.port("box", interface)
        self.header = topology.mac_bytes(topology.peer(port).mac) + topology.mac_bytes(port.mac) + struct.pack("!H", _ETH_P_IP)
        self.own = socket.inet_aton(port.address)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((interface, _ETH_P_IP))
        self.socket.setblocking(False)

    def read(self) -> list[tuple[int, bytes]]:
        """Every waiting IPv4 packet that came in here, with its arrival on the monotonic clock."""
        found: list[tuple[int, bytes]] = []
        while len(found) < 64:
            try:
                frame, extra, _, address = self.socket.recvmsg(_SNAP, 64)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue
            monotonic, age = time.monotonic_ns(), 0
            for level, kind, data in extra:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("qq", data)
                    age = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            if address[2] == 0 and len(frame) >= 34:  # PACKET_HOST: addressed to this interface, not sent by it
                total = struct.unpack_from("!H", frame, 16)[0]
                found.append((monotonic - (age if 0 <= age < _STALE else 0), frame[14 : 14 + max(total, 20)]))
        return found

    def write(self, packet: bytes) -> None:
        """Put a packet on the link; a full queue or an oversized packet is the network losing it."""
        try:
            self.socket.send(self.header + packet)
        except OSError:
            return


class Line:
    """The queue and the loop."""

    def __init__(self, box: Box, conditions: Conditions, rng: random.Random) -> None:
        self.box, self.rng = box, rng
        self.ends = {"client": _End("left"), "server": _End("right")}
        self.delay = {"client": conditions.near, "server": conditions.far}
        self.loss = {"client": conditions.near_loss, "server": conditions.far_loss}
        self.queue: list[tuple[int, int, Callable[[str, bytes], None], str, bytes]] = []
        self.count = 0
        self.latest: dict[tuple[str, str], int] = {}
        self.now = time.monotonic_ns()
        self.own = {end.own for end in self.ends.values()}

    def run(self, control: int, on_events: Callable[[list[dict[str, object]]], None]) -> None:
        """Move packets until `control` can be read (or hangs up)."""
        namespaces.tight_timers()
        namespaces.first_in_line()
        watched: list[socket.socket | int] = [self.ends["client"].socket, self.ends["server"].socket, control]
        while True:
            self._due()
            if self.box.events:
                on_events(self.box.events)
                self.box.events.clear()
            ready = select.select(watched, [], [], self._wait())[0]
            if control in ready:
                return
            for side, end in self.ends.items():
                if end.socket in ready:
                    for at, packet in end.read():
                        self._arrive(side, at, packet)

    def _wait(self) -> float:
        ends = [self.queue[0][0]] if self.queue else []
        wake = self.box.wake_at()
        if wake is not None:
            ends.append(wake)
        if not ends:
            return _MAX_WAIT
        return min(max(0.0, (min(ends) - time.monotonic_ns()) / 1e9), _MAX_WAIT)

    def _due(self) -> None:
        """Do everything whose time has come, in order of time."""
        while True:
            now = time.monotonic_ns()
            wake = self.box.wake_at()
            if wake is not None and wake <= now and (not self.queue or wake <= self.queue[0][0]):
                self.now = wake
                self._leave(self.box.wake(wake))
            elif self.queue and self.queue[0][0] <= now:
                self.now, _, action, side, packet = heapq.heappop(self.queue)
                action(side, packet)
            else:
                return

    def _push(self, at: int, lane: str, action: Callable[[str, bytes], None], side: str, packet: bytes) -> None:
        """Queue; nothing in the same lane and direction overtakes."""
        at = self.latest[lane, side] = max(at, self.latest.get((lane, side), 0))
        self.count += 1
        heapq.heappush(self.queue, (at, self.count, action, side, packet))

    def _arrive(self, side: str, at: int, packet: bytes) -> None:
        """A packet came in from `side`'s link."""
        if packet[16:20] in self.own or self.rng.random() < self.loss[side]:
            return  # to the box itself: its kernel answers
        self._push(at + self.delay[side], "in", self._at_box, side, packet)

    def _at_box(self, side: str, packet: bytes) -> None:
        shorter = segment.decrement_ttl(packet)
        if shorter is None:
            if packet[9] != 1 or packet[(packet[0] & 15) * 4] in (0, 8, 13):  # never an error about an error (RFC 1122 section 3.2.2)
                self._leave([Emit(self.now, side, segment.time_exceeded(packet, self.ends[side].own))])
            return
        self._leave(self.box.packet(self.now, side, shorter))

    def _leave(self, emits: list[Emit]) -> None:
        """The box lets packets go; each crosses the delay and the loss of the side it goes to."""
        for emit in emits:
            if self.rng.random() >= self.loss[emit.to]:
                self.count += 1
                heapq.heappush(self.queue, (emit.at + self.delay[emit.to], self.count, self._out, emit.to, emit.packet))

    def _out(self, side: str, packet: bytes) -> None:
        self.ends[side].write(packet)
