"""The data path through the box: an own line of delays and losses between two interfaces, with the box in its middle. Some kernels have no netem.

Rules of this file:
- One process, one thread, one queue ordered by time. A packet's journey starts at the kernel's timestamp of its arrival, not when Python got to read it,
  so the delay does not grow with the load. What a stretch does to packets (delay, jitter, loss, bursts, reordering, copies) is `weather.py`.
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

from dpiprobe.lab import namespaces, segment, topology, vantage
from dpiprobe.lab.box import Box, Emit
from dpiprobe.lab.conditions import Condition
from dpiprobe.lab.stretches import lanes
from dpiprobe.lab.weather import Lane, Weather

_ETH_P_ALL, _ETHERTYPE = 0x0003, {4: b"\x08\x00", 6: b"\x86\xdd"}
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; SCM_TIMESTAMPNS is the same number
_SNAP = 65_535
_STALE = 200_000_000  # ns; an arrival stamp older than this (clock step) is not believed
_MAX_WAIT = 1.0


class _End:
    """One interface of the node: raw frames in with their arrival time, raw frames out."""

    def __init__(self, node: str, interface: str) -> None:
        port = topology.port(node, interface)
        self.header = topology.mac_bytes(topology.peer(port).mac) + topology.mac_bytes(port.mac)
        self.own = {4: socket.inet_aton(port.address), 6: socket.inet_pton(socket.AF_INET6, port.address6)}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((interface, _ETH_P_ALL))
        self.socket.setblocking(False)

    def read(self) -> list[tuple[int, bytes]]:
        """Every waiting IP packet that came in here, with its arrival on the monotonic clock."""
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
            if address[2] == 0 and len(frame) >= 34 and frame[12:14] in _ETHERTYPE.values():  # PACKET_HOST: addressed to this interface, not sent by it
                total = struct.unpack_from("!H", frame, 16)[0] if frame[12] == 8 else 40 + struct.unpack_from("!H", frame, 18)[0]
                found.append((monotonic - (age if 0 <= age < _STALE else 0), frame[14 : 14 + max(total, 20)]))
        return found

    def write(self, packet: bytes) -> None:
        """Put a packet on the link; a full queue or an oversized packet is the network losing it."""
        try:
            self.socket.send(self.header + _ETHERTYPE[packet[0] >> 4] + packet)
        except OSError:
            return


class Line:
    """The queue and the loop, in the node `node`. The routers of a condition that the lab does not have are counted off the TTL here.

    In the box both stretches meet. Where real software is the box, its kernel forwards, and the two routers beside it are lines instead: r1 has the
    near stretch on its right, r2 the far one on its left.
    """

    def __init__(self, box: Box, condition: Condition, rng: random.Random, *, losses: tuple[float, float] | None = None, node: str = "box") -> None:
        self.box, self.condition, self.rng = box, condition, rng
        self.ends = {"client": _End(node, "left"), "server": _End(node, "right")}
        both = lanes(condition, rng, losses)
        wire = Weather(0)
        flat = condition.flat_ttl
        match node:
            case "r1":
                self.lanes = {("server", "out"): both["client", "in"], ("server", "in"): both["client", "out"]}
                self.lanes |= {("client", way): Lane(wire, rng) for way in ("in", "out")}
                self.hops = {"client": 0, "server": condition.near_hops - 1}
                self.flat = {"client": flat, "server": None}
            case "r2":
                self.lanes = {("client", "in"): both["server", "out"], ("client", "out"): both["server", "in"]}
                self.lanes |= {("server", way): Lane(wire, rng) for way in ("in", "out")}
                self.hops = {"client": condition.far_hops - 1, "server": 0}
                self.flat = {"client": None, "server": flat}
            case _:
                self.lanes = both
                self.hops = {"client": condition.near_hops - 1, "server": condition.far_hops - 1}
                self.flat = dict.fromkeys(("client", "server"), None if flat is None else flat + 1)  # one router follows
        self.translator = vantage.Translator(socket.inet_aton(topology.CLIENT), socket.inet_aton(topology.OUTSIDE)) if condition.nat and node != "r1" else None
        self.queue: list[tuple[int, int, Callable[[str, bytes], None], str, bytes]] = []
        self.count = 0
        self.latest: dict[str, int] = {}
        self.now = time.monotonic_ns()
        self.own = {own for end in self.ends.values() for own in end.own.values()}

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

    def _push(self, at: int, action: Callable[[str, bytes], None], side: str, packet: bytes) -> None:
        self.count += 1
        heapq.heappush(self.queue, (at, self.count, action, side, packet))

    def _arrive(self, side: str, at: int, packet: bytes) -> None:
        """A packet came in from `side`'s link; stamps of arrivals may step back, packets may not."""
        if segment.destination(packet) in self.own:
            return  # to the node itself: its kernel answers
        if side == "server" and self.translator is not None and segment.destination(packet) == self.translator.outside:
            inside = self.translator.home(packet)
            if inside is None:
                return
            packet = inside
        if self.condition.mss is not None:
            packet = vantage.clamp_mss(packet, self.condition.mss)
        at = self.latest[side] = max(at, self.latest.get(side, 0))
        for when in self.lanes[side, "in"].cross(at, len(packet)):
            self._push(when, self._at_box, side, packet)

    def _at_box(self, side: str, packet: bytes) -> None:
        shorter = segment.decrement_ttl(packet, 1 + self.hops[side])
        if shorter is None:
            if segment.may_be_answered(packet):
                self._leave([Emit(self.now, side, segment.time_exceeded(packet, self.ends[side].own[packet[0] >> 4]))])
        elif side == "server" and self.condition.one_way:  # answers take another way, of one hop more
            further = segment.decrement_ttl(shorter)
            self._leave([Emit(self.now, "client", further)] if further is not None else [])
        else:
            self._leave(self.box.packet(self.now, side, shorter))

    def _leave(self, emits: list[Emit]) -> None:
        """The box lets packets go; each enters the stretch of the side it goes to at its time."""
        for emit in emits:
            if emit.at > self.now:
                self._push(emit.at, self._depart, emit.to, emit.packet)
            else:
                self._depart(emit.to, emit.packet)

    def _depart(self, side: str, packet: bytes) -> None:
        shorter = segment.decrement_ttl(packet, self.hops[side]) if self.hops[side] else packet
        if shorter is not None and self.condition.mss is not None:  # SYNs of the box itself, where it opens connections, pass the tunnel too
            shorter = vantage.clamp_mss(shorter, self.condition.mss)
        if shorter is not None:
            for when in self.lanes[side, "out"].cross(self.now, len(packet)):
                self._push(when, self._out, side, shorter)

    def _out(self, side: str, packet: bytes) -> None:
        if side == "server" and self.translator is not None:
            packet = self.translator.out(packet)
        flat = self.flat[side]
        if flat is not None:
            packet = segment.with_ttl(packet, flat)
        self.ends[side].write(packet)
