"""The virtual clock: a plan carried out against a box and a server in a discrete-event simulation, thousands of connections a minute.

Rules of this file:
- Integer nanoseconds, one queue, one seeded generator; no wall clock, no I/O. The same arguments give the same packets.
- The boxes are those of the namespaces (`boxes.make`), the client is the prober's own state machine (`visit.py`), trials wait for each other
  as the prober's do. What comes out are two captures in memory, explained by the very function that explains files.
- client - near stretch - box - far stretch - server; a packet's TTL falls by the routers of a stretch, and by one at the box.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dpiprobe.capture.model import Capture
from dpiprobe.lab import segment, topology, vantage
from dpiprobe.lab.box import Box, Emit
from dpiprobe.lab.conditions import Condition
from dpiprobe.lab.endpoint import Address, Endpoint
from dpiprobe.lab.segment import ACK, RST, SYN, Segment
from dpiprobe.lab.service import BEHAVIOURS, Service
from dpiprobe.lab.stretches import lanes
from dpiprobe.lab.vantage import Frames
from dpiprobe.lab.visit import Visit, dialogue
from dpiprobe.lab.weather import MS, Burst, Bursts
from dpiprobe.plan.design import design
from dpiprobe.plan.plan import Pace, Plan, endpoint
from dpiprobe.probe.pacing import Past, spare_is_wanted, wait_after
from dpiprobe.wire.build import address
from dpiprobe.wire.parse import parse_packets

EPOCH = 1_767_225_600_000_000_000
"""When every virtual run begins: 2026-01-01T00:00:00Z in ns."""

ALLOWED, BLOCKED = "allowed.example", "blocked.example"
_TAIL = 1_000_000_000  # ns the captures go on after the last trial
_LONGEST = 120_000_000_000  # ns a trial may last; the state machine ends it long before
OUTSIDE = address(topology.OUTSIDE)
HOSTS = {4: (topology.CLIENT, topology.SERVER), 6: (topology.CLIENT6, topology.SERVER6)}
"""Client and server by the IP version of a condition."""


@dataclass(frozen=True, slots=True)
class ServerSide:
    """The server: what it does by itself for a name (None: for every other name), and what it looks like.

    ttl: its packets start with · front_ttl: of the SYN/ACK, where a load balancer answers for it · timestamps: it knows them
    closed: its port is open and closed for so long on average, ms · failing: share of connections that fail in any way, whatever the name
    limit: after so many connections within 10 s it ignores (`drop`) or refuses (`reset`) SYNs for 20 s
    certificates: it speaks TLS 1.2 and shows `one` for all names, one `each`, or each its `own` issuer; None: TLS 1.3
    """

    behaviours: Mapping[str | None, str] = field(default_factory=dict)
    ttl: int = 64
    front_ttl: int | None = None
    timestamps: bool = True
    closed: tuple[int, int] | None = None
    failing: float = 0.0
    limit: tuple[int, str] | None = None
    certificates: str | None = None


@dataclass(slots=True)
class VirtualRun:
    """What a run left: both captures, the plan that was carried out, the box's own account (nothing that judges may read it)."""

    client: Capture
    server: Capture
    plan: Plan
    events: list[dict[str, object]]
    connections: int
    frames: tuple[Frames, Frames]


class World:
    """Everything that moves."""

    def __init__(self, box: Box, condition: Condition, server: ServerSide, port: int, body: int | None, rng: random.Random) -> None:
        self.box, self.condition, self.server, self.port, self.body, self.rng = box, condition, server, port, body, rng
        self.queue: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self.count, self.now = 0, 0
        self.seen: dict[str, Frames] = {"client": [], "server": []}
        self.visits: dict[int, Visit] = {}
        self.served: dict[tuple[bytes, int], tuple[Endpoint, Service]] = {}
        self.woken: dict[object, int] = {}
        self.refuses: dict[tuple[bytes, int], bool] = {}
        self.shut = Bursts(Burst(*(ms * MS for ms in self.server.closed)), rng) if self.server.closed else None
        self.arrivals: list[int] = []
        self.limited_until = 0
        self.client_address, self.server_address = (address(text) for text in HOSTS[condition.version])
        self.translator = vantage.Translator(self.client_address, OUTSIDE) if condition.nat else None
        self.lanes = lanes(condition, rng)

    # ---- time

    def at(self, when: int, action: Callable[..., None], *arguments: object) -> None:
        """Do something at a time."""
        self.count += 1
        heapq.heappush(self.queue, (when, self.count, action, arguments))

    def run_until(self, end: int, finished: Callable[[], bool] | None = None) -> None:
        """Let time pass until `end`, or until `finished` says so."""
        queue = self.queue
        while queue and queue[0][0] <= end:
            self.now, _, action, arguments = heapq.heappop(queue)
            action(*arguments)
            if finished is not None and finished():
                return
        self.now = end

    def _wake_later(self, who: object, when: int | None, action: Callable[..., None], *arguments: object) -> None:
        """See that `action` runs at `when` at the latest."""
        if when is not None:
            when = max(when, self.now)
            pending = self.woken.get(who)
            if pending is None or when < pending or pending < self.now:
                self.woken[who] = when
                self.at(when, self._awake, who, action, arguments)

    def _awake(self, who: object, action: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if self.woken.get(who) == self.now:
            del self.woken[who]
        action(*arguments)

    # ---- the path

    def _enter(self, side: str, packet: bytes) -> None:
        """A host sends: captured there, then over its stretch to the box."""
        self.seen[side].append((self.now, packet))
        if side == "server" and self.translator is not None:
            inside = self.translator.home(packet)
            if inside is None:
                return
            packet = inside
        condition = self.condition
        if condition.mss is not None:
            packet = vantage.clamp_mss(packet, condition.mss)
        if side == "server" and condition.one_way:  # another way, past the box
            for at in self.lanes["server", "in"].cross(self.now, len(packet)):
                passed = vantage.forward(packet, condition.far_hops + condition.near_hops + 2)
                if passed is not None:
                    self.at(at, self._leave, [Emit(at, "client", passed)], 0)
            return
        for at in self.lanes[side, "in"].cross(self.now, len(packet)):
            self.at(at, self._at_box, side, packet)

    def _at_box(self, side: str, packet: bytes) -> None:
        hops = 1 + (self.condition.near_hops if side == "client" else self.condition.far_hops)
        shorter = vantage.forward(packet, hops)
        if shorter is not None:
            self._leave(self.box.packet(self.now, side, shorter), None)
            self._wake_later("box", self.box.wake_at(), self._wake_box)

    def _wake_box(self) -> None:
        self._leave(self.box.wake(self.now), None)
        self._wake_later("box", self.box.wake_at(), self._wake_box)

    def _leave(self, emits: list[Emit], hops: int | None) -> None:
        """What the box lets go, over the stretch to whom it is for."""
        for emit in emits:
            if emit.at > self.now:
                self.at(emit.at, self._leave, [emit], hops)
                continue
            count = (self.condition.near_hops if emit.to == "client" else self.condition.far_hops) if hops is None else hops
            packet = vantage.forward(emit.packet, count)
            if packet is not None and self.condition.mss is not None:  # SYNs of the box itself, where it opens connections, pass the tunnel too
                packet = vantage.clamp_mss(packet, self.condition.mss)
            if packet is not None:
                for at in self.lanes[emit.to, "out"].cross(self.now, len(packet)):
                    self.at(at, self._arrive, emit.to, packet)

    def _arrive(self, side: str, packet: bytes) -> None:
        if side == "server" and self.translator is not None:
            packet = self.translator.out(packet)
        if self.condition.flat_ttl is not None:
            packet = vantage.with_ttl(packet, self.condition.flat_ttl)
        self.seen[side].append((self.now, packet))
        seen = segment.parse(packet)
        if side == "client":
            self._at_client(packet, seen)
        elif seen is not None:
            self._at_server(seen)

    # ---- the client

    def visit(self, visit_: Visit) -> None:
        """Begin a trial."""
        self.visits[visit_.end.local.port] = visit_
        self._serve_client(visit_)

    def _at_client(self, packet: bytes, seen: Segment | None) -> None:
        if seen is None:
            self._icmp_at_client(packet)
            return
        visit = self.visits.get(seen.destination_port)
        if visit is None or visit.end.dead:
            answer = vantage.no_socket_reset(seen)
            if answer is not None:
                self._enter("client", answer)
            return
        visit.end.segment(self.now, seen)
        self._serve_client(visit)

    def _icmp_at_client(self, packet: bytes) -> None:
        """An ICMP error: fatal while connecting, soft once connected (RFC 5461 section 2.1; Linux)."""
        port = vantage.unreachable_from(packet)
        visit = None if port is None else self.visits.get(port)
        if visit is not None and visit.end.state == "syn_sent":
            visit.unreachable, visit.end.dead, visit.end.timer = True, True, 0
            self._serve_client(visit)

    def _serve_client(self, visit: Visit) -> None:
        visit.step(self.now)
        for packet in visit.end.out:
            self._enter("client", packet)
        visit.end.out.clear()
        self._wake_later(visit, visit.wake_at(), self._serve_client, visit)

    # ---- the server

    def _at_server(self, seen: Segment) -> None:
        key = (seen.source, seen.source_port)
        known = self.served.get(key)
        opening = seen.flags & (SYN | ACK | RST) == SYN
        if opening and known is None and (refusal := self._turned_away()) is not None:
            if refusal == "reset":
                answer = vantage.no_socket_reset(seen, self.server.ttl)
                assert answer is not None
                self._enter("server", answer)
            return
        if opening and (known is None or known[0].dead or known[0].done):
            known = self._accept(key, seen)
        if known is None or known[0].dead:
            answer = None if opening else vantage.no_socket_reset(seen, self.server.ttl)
            if answer is not None:
                self._enter("server", answer)
            return
        end = known[0]
        if end.state == "syn_received" and self.refuses.get(key) and not seen.flags & (SYN | RST):
            return  # the accept queue is full: the acknowledgement, and data with it, is ignored (Linux: tcp_check_req)
        end.segment(self.now, seen)
        if self.condition.cookies and end.state == "syn_received":
            end.timer = 0  # nothing is kept, so nothing is sent again
        self._serve_server(key)

    def _turned_away(self) -> str | None:
        """Whether the server refuses (`reset`) or ignores (`drop`) a SYN by itself."""
        if self.shut is not None and self.shut.loses(self.now):
            return "reset"
        if self.server.limit is None:
            return None
        most, how = self.server.limit
        self.arrivals = [*(at for at in self.arrivals if at > self.now - 10_000 * MS), self.now]
        if len(self.arrivals) > most and self.now > self.limited_until:
            self.limited_until = self.now + 20_000 * MS
        return how if self.now < self.limited_until else None

    def _accept(self, key: tuple[bytes, int], seen: Segment) -> tuple[Endpoint, Service]:
        end = Endpoint(Address(self.server_address, seen.destination_port), Address(*key), self.rng, self.server.ttl)
        end.delays_acks = True
        if self.server.front_ttl is not None:
            end.ttl = self.server.front_ttl
        end.stampless = not self.server.timestamps
        end.listen()
        behaviours = dict(self.server.behaviours)
        if self.rng.random() < self.server.failing:
            behaviours = {None: self.rng.choice(BEHAVIOURS[1:])}
        self.refuses[key] = self.rng.random() < self.condition.full
        made = self.served[key] = end, Service(seen.destination_port, behaviours, self.body or 1_000, self.rng, self.server.certificates)
        return made

    def _serve_server(self, key: tuple[bytes, int]) -> None:
        end, service = self.served[key]
        end.wake(self.now)
        if end.state == "established":
            if self.server.front_ttl is not None and end.ttl != self.server.ttl and not end.out:
                end.ttl = self.server.ttl
            service.step(self.now, end)
        for packet in end.out:
            self._enter("server", packet)
        end.out.clear()
        times = [at for at in (end.wake_at(), service.wake_at() if end.state == "established" else None) if at is not None]
        self._wake_later(end, min(times, default=None), self._serve_server, key)


def run(
    make_box: Callable[[random.Random], Box], condition: Condition, seed: str, *, repetitions: int = 3, port: int = 443, body: int | None = 24_000,
    server: ServerSide | None = None, pace: Pace | None = None,
) -> VirtualRun:  # fmt: skip
    """Carry out the prober's plan (one name in question, a known and a random name as controls) once.

    make_box: builds the box from the generator given · seed: any text; with it everything repeats itself
    port: 443 for TLS, 80 for HTTP · body: bytes of the page fetched, None for the hello alone
    """
    rng = random.Random(seed)
    world = World(make_box(rng), condition, server or ServerSide(), port, body, rng)
    client, served = HOSTS[condition.version]
    where = endpoint(served, port)
    plan = design(where, [BLOCKED], control=ALLOWED, repetitions=repetitions, seed=rng.getrandbits(31), pace=pace or Pace())
    ports = rng.sample(range(32_768, 60_999), len(plan.trials))  # Linux: ip_local_port_range
    past: list[Past] = []
    began = 0
    made = 0
    for trial, source in zip(plan.trials, ports, strict=True):
        if trial.settings.get("spare") and not spare_is_wanted(past):
            continue
        if past:
            wait = wait_after(past, plan.pace, (world.now - began) / 1e9)
            world.run_until(world.now + round(wait.seconds * 1e9))
        began = world.now
        made += 1
        end = Endpoint(Address(world.client_address, source), Address(world.server_address, port), rng)
        end.delays_acks = True
        visit = Visit(trial, dialogue(plan, trial, port, body), end, world.now, plan.pace)
        world.visit(visit)
        world.run_until(world.now + _LONGEST, visit.is_finished)
        past.append(Past(trial.role, visit.said.worked))
    world.run_until(world.now + _TAIL)
    frames = _view(world.seen["client"], condition), _view(world.seen["server"], condition)
    plan = plan.with_clients([endpoint(client, source) for source in ports])
    return VirtualRun(_capture("client", frames[0]), _capture("server", frames[1]), plan, world.box.events, made, frames)


def _view(frames: Frames, condition: Condition) -> Frames:
    """The packets of one end as a capture there shows them."""
    return vantage.merge(frames) if condition.merged else frames


def _capture(name: str, frames: Frames) -> Capture:
    """The packets as reading a file would give them."""
    packets = [packet for _, packet in frames]
    columns = parse_packets(packets, [EPOCH + at for at, _ in frames])
    return Capture(name, hashlib.sha256(b"".join(packets)).hexdigest(), columns, len(packets), links=["raw ip"])
