"""A box that acts by an `emulate:` block: per-flow state, and what becomes of each packet. Pure: a packet and a time in, packets and times out.

Rules of this file:
- No I/O and no clock: `now` (ns) comes in, randomness from the seeded generator given. So the same box runs in namespaces and on a virtual clock.
- The box sees packets of both directions after the TTL has been decremented; what it makes itself leaves with the TTL it was told.
- What a box does is written to `events` as ground truth for tests and for the matrix. Nothing that judges may read them.
- The behaviours have a file each: `inject.py` (packets it makes), `throttle.py`, `residual.py`; a terminating proxy is another kind of box (`proxy.py`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Protocol

from dpiprobe.lab import inject, segment, trigger
from dpiprobe.lab.residual import Punishments
from dpiprobe.lab.segment import RST, SYN, Segment
from dpiprobe.lab.throttle import Limiter
from dpiprobe.signature.emulation import Emulation

Key = tuple[bytes, int, bytes, int]  # client address, client port, server address, server port
FLOW_LIMIT = 100_000  # flows remembered before the oldest is forgotten; a lab never comes near
HELLO_LIMIT = 65_536  # client bytes a box keeps while it looks for a name


@dataclass(frozen=True, slots=True)
class Emit:
    """A packet that leaves the box at time `at` towards `to` (`client` or `server`)."""

    at: int
    to: str
    packet: bytes


class Box(Protocol):
    """What the link asks of any box."""

    events: list[dict[str, object]]

    def packet(self, now: int, side: str, packet: bytes) -> list[Emit]:
        """An IPv4 packet that reached the box from `side` (`client` or `server`)."""

    def wake_at(self) -> int | None:
        """When `wake` wants to be called next, None for never."""

    def wake(self, now: int) -> list[Emit]:
        """Time has come."""


@dataclass(slots=True)
class Flow:
    """What the box remembers of one connection. Sequence numbers are raw."""

    key: Key
    base: int | None = None  # sequence number of the client's first byte
    segments: dict[int, bytes] = field(default_factory=dict)  # offset from base -> payload, until decided
    decided: bool = False
    server_next: int | None = None  # next in-order byte of the server, as far as it passed the box
    server_ttl: int = 64
    client_ttl: int = 64
    triggered: bool = False
    hello_start: int = 0
    hello_end: int = 0
    bytes_since: int = 0
    packets_since: int = 0
    limiter: Limiter | None = None


class EmulatedBox:
    """The device of one emulation; `names` are blocked with all below them, `addresses` by a `syn` trigger; `own` is the box's address."""

    def __init__(self, emulation: Emulation, names: frozenset[str], addresses: frozenset[bytes], rng: random.Random, own: bytes) -> None:
        self.emulation, self.names, self.addresses, self.rng = emulation, names, addresses, rng
        self.flows: dict[Key, Flow] = {}
        self.events: list[dict[str, object]] = []
        self.punishments = Punishments(emulation.residual)
        self.maker = inject.Maker(emulation, rng, own)

    def wake_at(self) -> int | None:
        """It never acts but on a packet."""
        return None

    def wake(self, now: int) -> list[Emit]:
        """Nothing to do."""
        return []

    def packet(self, now: int, side: str, packet: bytes) -> list[Emit]:
        """Forward, drop, and answer as the emulation says."""
        seen = segment.parse(packet)
        other = "server" if side == "client" else "client"
        if seen is None:
            return [Emit(now, other, packet)]
        flow = self._flow(side, seen)
        punished = self.punishments.applies(now, flow.key)
        if punished is not None:
            self._event(now, "residual", flow, what=punished)
            if punished == "rst" and side == "client" and not seen.flags & RST:
                return self._inject(now, flow, seen, residual=True)
            return []
        return self._from_client(now, flow, seen, packet) if side == "client" else self._from_server(now, flow, seen, packet)

    def _flow(self, side: str, seen: Segment) -> Flow:
        here, there = (seen.source, seen.source_port), (seen.destination, seen.destination_port)
        key: Key = (*here, *there) if side == "client" else (*there, *here)
        flow = self.flows.get(key)
        if flow is None or (side == "client" and seen.flags & SYN and (flow.base is None or flow.base != (seen.seq + 1) & 0xFFFFFFFF)):
            self.flows.pop(key, None)
            if len(self.flows) >= FLOW_LIMIT:
                del self.flows[next(iter(self.flows))]
            flow = self.flows[key] = Flow(key)
        if side == "client":
            flow.client_ttl = seen.ttl
        else:
            flow.server_ttl = seen.ttl
            if flow.server_next is None or segment.after(seen.end, flow.server_next) > 0:
                flow.server_next = seen.end
        return flow

    def _from_client(self, now: int, flow: Flow, seen: Segment, packet: bytes) -> list[Emit]:
        if seen.flags & SYN:
            flow.base = (seen.seq + 1) & 0xFFFFFFFF
            if self.emulation.trigger == "syn" and seen.destination in self.addresses:
                flow.triggered, flow.hello_start, flow.hello_end = True, seen.seq, flow.base
        elif seen.payload and not flow.decided and self.emulation.trigger != "syn":
            self._search(flow, seen)
        out: list[Emit] = []
        if flow.triggered:
            carries = seen.length and segment.after(seen.end, flow.hello_start) > 0 and segment.after(seen.seq, flow.hello_end) < 0
            if carries:
                dropped = self.emulation.hello == "drop"
                if segment.after(seen.end, flow.hello_end) >= 0:
                    self._event(now, "trigger", flow, dropped=dropped)
                    self.punishments.note(now, flow.key)
                    out += self._inject(now, flow, seen)
                return out if dropped else [Emit(now, "server", packet), *out]
            if self.emulation.then.to_server == "drop" and self._then(flow):
                return out
        return [*out, Emit(now, "server", packet)]

    def _from_server(self, now: int, flow: Flow, seen: Segment, packet: bytes) -> list[Emit]:
        if flow.triggered:
            active = self._then(flow)
            flow.bytes_since += len(seen.payload)
            flow.packets_since += 1
            if active and self.emulation.then.to_client == "drop":
                return []
            if self.emulation.throttle is not None:
                flow.limiter = flow.limiter or Limiter(self.emulation.throttle)
                at = flow.limiter.when(now, len(packet))
                return [] if at is None else [Emit(at, "client", packet)]
        return [Emit(now, "client", packet)]

    def _then(self, flow: Flow) -> bool:
        """Does `then` hold already."""
        then = self.emulation.then
        if then.after_bytes is not None:
            return flow.bytes_since >= then.after_bytes
        if then.after_packets is not None:
            return flow.packets_since >= then.after_packets
        return True

    def _search(self, flow: Flow, seen: Segment) -> None:
        """Put the client's first bytes together, in any order, and look for a blocked name."""
        if flow.base is None:
            flow.base = seen.seq
        offset = segment.after(seen.seq, flow.base)
        if not -len(seen.payload) < offset < HELLO_LIMIT:
            return
        flow.segments.setdefault(offset, seen.payload)
        data = b""
        for start, payload in sorted(flow.segments.items()):
            if start > len(data):
                break
            data += payload[len(data) - start :]
        found = trigger.look(data, self.emulation.trigger)
        if found is trigger.Verdict.MORE and len(data) < HELLO_LIMIT:
            return
        flow.decided, flow.segments = True, {}
        if isinstance(found, trigger.Found) and trigger.listed(found.name, self.names):
            flow.triggered = True
            flow.hello_start, flow.hello_end = flow.base, (flow.base + found.length) & 0xFFFFFFFF

    def _inject(self, now: int, flow: Flow, seen: Segment, *, residual: bool = False) -> list[Emit]:
        context = inject.Context(
            trigger=seen,
            start=seen.seq if residual else flow.hello_start,
            end=seen.end if residual else flow.hello_end,
            server_next=flow.server_next,
            passed=not residual and self.emulation.hello == "pass",
            client_ttl=flow.client_ttl,
            server_ttl=flow.server_ttl,
        )
        made = self.maker.residual(context) if residual else self.maker.reaction(context)
        for delay, to, packet in made:
            self._event(now + delay, "inject", flow, to=to, ip_length=len(packet))
        return [Emit(now + delay, to, packet) for delay, to, packet in made]

    def _event(self, at: int, kind: str, flow: Flow, **more: object) -> None:
        if len(self.events) < FLOW_LIMIT:
            self.events.append({"at": at, "kind": kind, "client_port": flow.key[1], "server_port": flow.key[3], **more})


class NoBox:
    """A plain router."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def packet(self, now: int, side: str, packet: bytes) -> list[Emit]:
        """Forward."""
        return [Emit(now, "server" if side == "client" else "client", packet)]

    def wake_at(self) -> int | None:
        """Never."""
        return None

    def wake(self, now: int) -> list[Emit]:
        """Nothing to do."""
        return []
