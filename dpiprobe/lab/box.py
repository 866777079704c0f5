"""A box that acts by an `emulate:` block: per-flow state, and what becomes of each packet. Pure: a packet and a time in, packets and times out.

Rules of this file:
- No I/O and no clock: `now` (ns) comes in, randomness from the seeded generator given. So the same box runs in namespaces and on a virtual clock.
- The box sees packets of both directions after the TTL has been decremented; what it makes itself leaves with the TTL it was told.
- What a box does is written to `events` as ground truth for tests and for the matrix. Nothing that judges may read them.
- The behaviours have a file each: `trigger.py`, `inject.py` (packets it makes), `rewrite.py`, `throttle.py`, `residual.py`; boxes that terminate
  connections are other kinds (`proxy.py`, `mitm.py`); several on one path are `chain.py`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dpiprobe.lab import inject, segment, trigger
from dpiprobe.lab.residual import Punishments
from dpiprobe.lab.rewrite import rewritten
from dpiprobe.lab.segment import ACK, RST, SYN, Segment
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

    @property
    def events(self) -> list[dict[str, object]]:
        """What it did since the list was last cleared: the ground truth."""

    def packet(self, now: int, side: str, packet: bytes) -> list[Emit]:
        """An IP packet that reached the box from `side` (`client` or `server`)."""

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
    packets_limit: int = 0
    syn_seen: bool = False
    limiter: Limiter | None = None


class EmulatedBox:
    """The device of one emulation; `names` are blocked with all below them, `addresses` by a `syn` trigger; `own` are the box's addresses, of IPv4 and IPv6."""

    def __init__(self, emulation: Emulation, names: frozenset[str], addresses: frozenset[bytes], rng: random.Random, own: Sequence[bytes]) -> None:
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
        punished = self.punishments.applies(now, side, flow.key, flow.base)
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
        rule = self.emulation.trigger
        if seen.flags & SYN:
            flow.base, flow.syn_seen = (seen.seq + 1) & 0xFFFFFFFF, True
            if rule.kind == "syn" and seen.destination in self.addresses and self._port(flow):
                self._trigger(flow, seen.seq, flow.base)
        elif seen.payload and not flow.decided and not rule.by_address and self._port(flow):
            self._search(flow, seen)
        if not flow.triggered:
            return [Emit(now, "server", packet)]
        if seen.length and segment.after(seen.end, flow.hello_start) > 0 and segment.after(seen.seq, flow.hello_end) < 0:
            dropped = self.emulation.hello == "drop"
            out: list[Emit] = []
            if segment.after(seen.end, flow.hello_end) >= 0:
                self._event(now, "trigger", flow, dropped=dropped)
                self.punishments.note(now, flow.key, flow.base)
                out = self._inject(now, flow, seen)
            return out if dropped else [Emit(now, "server", packet), *out]
        active = self._then(flow)
        if self.emulation.then.both:
            flow.bytes_since += len(seen.payload)
            flow.packets_since += 1
        out = self._inject(now, flow, seen, when="later")
        if active and self.emulation.then.to_server == "drop" and (seen.payload or self.emulation.then.carrying == "any"):
            return out
        return [*out, Emit(now, "server", packet)]

    def _from_server(self, now: int, flow: Flow, seen: Segment, packet: bytes) -> list[Emit]:
        if self.emulation.trigger.kind == "syn_ack" and seen.flags & SYN and seen.flags & ACK and seen.source in self.addresses and self._port(flow):
            self._trigger(flow, seen.ack, seen.ack)
            self._event(now, "trigger", flow, dropped=self.emulation.hello == "drop")
            self.punishments.note(now, flow.key, flow.base)
            out = self._inject(now, flow, _as_from_client(seen))
            return out if self.emulation.hello == "drop" else [Emit(now, "client", packet), *out]
        if not flow.triggered:
            return [Emit(now, "client", packet)]
        active = self._then(flow)
        flow.bytes_since += len(seen.payload)
        flow.packets_since += 1
        out = self._inject(now, flow, _as_from_client(seen), when="answer")
        if active and self.emulation.then.to_client == "drop" and (seen.payload or self.emulation.then.carrying == "any"):
            return out
        if self.emulation.rewrite is not None and (changed := rewritten(seen, self.emulation.rewrite)) is not None:
            self._event(now, "rewrite", flow)
            return [*out, Emit(now, "client", changed)]
        if self.emulation.throttle is not None:
            flow.limiter = flow.limiter or Limiter(self.emulation.throttle)
            at = flow.limiter.when(now, len(packet))
            return out if at is None else [*out, Emit(at, "client", packet)]
        return [*out, Emit(now, "client", packet)]

    def _port(self, flow: Flow) -> bool:
        return self.emulation.trigger.ports is None or flow.key[3] in self.emulation.trigger.ports

    def _trigger(self, flow: Flow, start: int, end: int) -> None:
        """From here on this flow is acted upon; a count that is drawn is drawn once a flow."""
        limit = self.emulation.then.after_packets
        if limit is not None and not flow.triggered:
            flow.packets_limit = limit.low if limit.low == limit.high else self.rng.randint(limit.low, limit.high)
        flow.triggered, flow.hello_start, flow.hello_end = True, start, end

    def _then(self, flow: Flow) -> bool:
        """Does `then` hold already."""
        then = self.emulation.then
        if then.after_bytes is not None:
            return flow.bytes_since >= then.after_bytes
        if then.after_packets is not None:
            return flow.packets_since >= flow.packets_limit
        return True

    def _search(self, flow: Flow, seen: Segment) -> None:
        """Put the client's first bytes together, in any order, and look for a blocked name; a box that does not reassemble looks at each segment alone."""
        rule = self.emulation.trigger
        if (rule.bare_header and seen.options) or (rule.handshake and not flow.syn_seen):
            return
        if rule.reassembly == "none":
            found = trigger.look_alone(seen.payload, rule.kind)
            if isinstance(found, trigger.Found) and trigger.wanted(found, rule, self.names):
                flow.decided = True
                self._trigger(flow, seen.seq, (seen.seq + found.length) & 0xFFFFFFFF)
            return
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
        found = trigger.look(data, rule.kind)
        if found is trigger.Verdict.MORE and len(data) < HELLO_LIMIT:
            return
        flow.decided, flow.segments = True, {}
        if isinstance(found, trigger.Found) and trigger.wanted(found, rule, self.names):
            self._trigger(flow, flow.base, (flow.base + found.length) & 0xFFFFFFFF)

    def _inject(self, now: int, flow: Flow, seen: Segment, *, when: str = "trigger", residual: bool = False) -> list[Emit]:
        other = residual or when != "trigger"
        context = inject.Context(
            trigger=seen,
            start=seen.seq if other else flow.hello_start,
            end=seen.end if other else flow.hello_end,
            server_next=flow.server_next,
            passed=not residual and (other or self.emulation.hello == "pass"),
            client_ttl=flow.client_ttl,
            server_ttl=flow.server_ttl,
        )
        made = self.maker.residual(context) if residual else self.maker.reaction(context, when)
        for delay, to, packet in made:
            self._event(now + delay, "inject", flow, to=to, ip_length=len(packet))
        return [Emit(now + delay, to, packet) for delay, to, packet in made]

    def _event(self, at: int, kind: str, flow: Flow, **more: object) -> None:
        if len(self.events) < FLOW_LIMIT:
            self.events.append({"at": at, "kind": kind, "client_port": flow.key[1], "server_port": flow.key[3], **more})


def _as_from_client(seen: Segment) -> Segment:
    """A packet of the server as if the client had sent its counterpart: what a reaction is made from, where the server's packet caused it."""
    return replace(
        seen, source=seen.destination, destination=seen.source, source_port=seen.destination_port, destination_port=seen.source_port,
        seq=seen.ack, ack=seen.end, flags=ACK, payload=b"",
    )  # fmt: skip


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
