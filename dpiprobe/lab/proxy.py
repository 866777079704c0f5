"""A terminating box: it accepts every connection to its port itself, reads the name, and relays or refuses.

Rules of this file:
- Pure, like every box: two `Endpoint`s a connection, one in the server's name towards the client, one in the client's name
  towards the server (a transparent proxy).
- Upstream is opened when the name is known, as SNI proxies do; so round trips are split: SYN/ACK from the box,
  first data a whole round trip later than on the free path.
- A blocked name is refused by a close (FIN), by a fatal alert and a close, or by silence (the hello is acknowledged, nothing follows).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from dpiprobe.lab import segment, trigger
from dpiprobe.lab.box import Emit
from dpiprobe.lab.endpoint import Address, Endpoint
from dpiprobe.lab.segment import ACK, SYN
from dpiprobe.signature.emulation import Emulation

ALERT = bytes.fromhex("15 03 03 00 02 02 28")  # fatal handshake_failure(40), what sniproxy sends (RFC 8446 section 6)
_LINGER = 30_000_000_000  # ns a finished connection is remembered, so that late packets do not reach the server bare

Key = tuple[bytes, int, bytes, int]


@dataclass(slots=True)
class Splice:
    """One connection through the box."""

    down: Endpoint  # towards the client
    up: Endpoint | None = None  # towards the server
    early: bytes = b""  # what the client said before the name was known
    decided: bool = False
    refused: bool = False
    ended_at: int = 0
    session: object = None  # of a box that does more than relay


class ProxyBox:
    """Terminates port 443 (80 where the trigger is an HTTP request); everything else it forwards."""

    def __init__(self, emulation: Emulation, names: frozenset[str], rng: random.Random) -> None:
        self.emulation, self.names, self.rng = emulation, names, rng
        self.ports = emulation.trigger.ports or frozenset({80 if emulation.trigger.kind == "http_request" else 443})
        self.splices: dict[Key, Splice] = {}
        self.events: list[dict[str, object]] = []

    def packet(self, now: int, side: str, packet: bytes) -> list[Emit]:
        """A packet of either side: to the endpoint that faces it, or through."""
        seen = segment.parse(packet)
        other = "server" if side == "client" else "client"
        if seen is None or (seen.destination_port if side == "client" else seen.source_port) not in self.ports:
            return [Emit(now, other, packet)]
        here, there = (seen.source, seen.source_port), (seen.destination, seen.destination_port)
        key: Key = (*here, *there) if side == "client" else (*there, *here)
        splice = self.splices.get(key)
        if side == "client" and seen.flags & SYN and not seen.flags & ACK and (splice is None or splice.ended_at):
            down = Endpoint(Address(*there), Address(*here), self.rng)
            down.listen()
            splice = self.splices[key] = Splice(down)
        if splice is None:
            return [Emit(now, other, packet)]
        facing = splice.down if side == "client" else splice.up
        if facing is not None:
            facing.segment(now, seen)
        return self._work(now, key, splice)

    def wake_at(self) -> int | None:
        """The earliest timer of any endpoint."""
        times = [at for splice in self.splices.values() for end in (splice.down, splice.up) if end is not None and (at := end.wake_at())]
        return min(times, default=None)

    def wake(self, now: int) -> list[Emit]:
        """Let timers act, and forget what ended long ago."""
        out: list[Emit] = []
        for key, splice in list(self.splices.items()):
            splice.down.wake(now)
            if splice.up is not None:
                splice.up.wake(now)
            out += self._work(now, key, splice)
            if splice.ended_at and now - splice.ended_at > _LINGER:
                del self.splices[key]
        return out

    def _work(self, now: int, key: Key, splice: Splice) -> list[Emit]:
        """Move bytes and ends from one side to the other, and collect what the endpoints send."""
        down = splice.down
        if not splice.decided and down.inbox:
            splice.early += down.inbox
            down.inbox = b""
            found = trigger.look(splice.early, self.emulation.trigger.kind)
            if found is not trigger.Verdict.MORE:
                splice.decided = True
                self._decide(now, key, splice, found if isinstance(found, trigger.Found) else None)
        up = splice.up
        if up is not None:
            self._relay(now, splice, up)
            for one, two in ((down, up), (up, down)):
                if one.peer_closed:
                    two.close(now)
                if one.dead and not two.dead and not two.done:
                    two.abort(now)
        elif not splice.refused and down.peer_closed:
            down.close(now)
        if not splice.ended_at and down.done and (up is None or up.done):
            splice.ended_at = now
        out = [Emit(now, "client", packet) for packet in down.out]
        down.out.clear()
        if up is not None:
            out += [Emit(now, "server", packet) for packet in up.out]
            up.out.clear()
        return out

    def _decide(self, now: int, key: Key, splice: Splice, found: trigger.Found | None) -> None:
        """The first bytes are whole: refuse a blocked name, connect any other to its server."""
        if found is not None and trigger.wanted(found, self.emulation.trigger, self.names):
            self._refuse(now, key, splice)
        else:
            self._connect(now, splice).send(now, splice.early)

    def _connect(self, now: int, splice: Splice) -> Endpoint:
        """Open the connection to the server, in the client's name."""
        splice.up = Endpoint(splice.down.remote, splice.down.local, self.rng)
        splice.up.connect(now)
        return splice.up

    def _relay(self, now: int, splice: Splice, up: Endpoint) -> None:
        """What came from one side goes to the other."""
        for one, two in ((splice.down, up), (up, splice.down)):
            if one.inbox:
                two.send(now, one.inbox)
                one.inbox = b""

    def _refuse(self, now: int, key: Key, splice: Splice) -> None:
        splice.refused = True
        self.events.append({"at": now, "kind": "trigger", "client_port": key[1], "server_port": key[3], "dropped": True})
        if self.emulation.proxy == "drop":
            return
        if self.emulation.proxy == "alert":
            splice.down.send(now, ALERT)
        splice.down.close(now, discards=True)
