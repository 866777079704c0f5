"""One flow as the rules of this room read it: its slots with the columns they ask for most, as plain lists.

Built only for flows that need a closer look; everything here is derived from `Flows` and the suspect table, nothing is decided. Flows that are
expected to be looked at share a `block.Block`, whose columns become lists at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from dpiprobe.flow.flows import CLIENT, SERVER, STRAY, UNKNOWN
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import Block, lazy
from dpiprobe.wire.packets import ACK, RST, SYN


class FlowView:
    """Flow `f` of a batch. Slots are indices into `flows`; `-1` means there is none. block, place: where the flow's columns are lists already"""

    def __init__(self, observed: Observed, flow: int, block: Block | None = None, place: int = 0) -> None:
        self.observed = observed
        self.flows = observed.flows
        self.f = flow
        self._block = block = block or Block(observed, [flow])
        self._place = place
        self.trigger = self.flows.triggers[flow]
        (
            self.base, stop, self.hello, self.hello_done, self.hello_start, self.hello_end, self.answer, self.ack_end, self.syn, self.syn_ack,
            self.kind, self.rtt, self.client_fin, self.server_fin, self.client_rst,
        ) = block.facts[place]  # fmt: skip
        self.slots = range(self.base, stop)

    @lazy
    def origin(self) -> list[int]:
        """Where each packet came from."""
        return self._block.column("origin", self._place)

    @lazy
    def flags(self) -> list[int]:
        """TCP flag bits."""
        return self._block.column("flags", self._place)

    @lazy
    def length(self) -> list[int]:
        """Payload bytes."""
        return self._block.column("length", self._place)

    @lazy
    def time(self) -> list[int]:
        """Capture time, ns."""
        return self._block.column("time", self._place)

    @lazy
    def offset(self) -> list[int]:
        """Where the payload begins in its side's stream."""
        return self._block.column("offset", self._place)

    @lazy
    def end(self) -> list[int]:
        """Where it ends."""
        return self._block.column("end", self._place)

    @lazy
    def acked(self) -> list[int]:
        """Offset in the other side's stream that the ACK number stands for."""
        return self._block.column("acked", self._place)

    @lazy
    def copy(self) -> list[int]:
        """1: a copy that the capture made."""
        return self._block.column("copy", self._place)

    def at(self, slot: int) -> int:
        """Position of a slot in this view's lists."""
        return slot - self.base

    def when(self, slot: int) -> int:
        """Capture time of a slot, ns."""
        return self.time[slot - self.base]

    def number(self, slot: int) -> int:
        """Packet number of a slot."""
        return self.flows.number(slot)

    def packet(self, slot: int, column: str) -> int:
        """Any packet column of a slot."""
        return int(getattr(self.flows.packets, column)[self.flows.row[slot]])

    def payload(self, slot: int) -> bytes:
        """Payload of a slot."""
        return self.flows.packets.payload(int(self.flows.row[slot]))

    def of(self, origin: int, flags: int = 0) -> list[int]:
        """Slots of one origin with any of the flags set (all slots where 0), capture copies left out."""
        if flags:
            return [s for s, o, g, c in zip(self.slots, self.origin, self.flags, self.copy, strict=True) if o == origin and g & flags and not c]
        return [s for s, o, c in zip(self.slots, self.origin, self.copy, strict=True) if o == origin and not c]

    @lazy
    def server_resets(self) -> list[int]:
        """Resets from the server's address or from a stray address."""
        if self.strays:
            return self.of(SERVER, RST) + self.of(STRAY, RST)
        return self._block.slots_where("server_reset", self._place)

    @lazy
    def strays(self) -> list[int]:
        """Packets of third addresses that aim at the client's port."""
        return self._block.slots_where("stray", self._place)

    @lazy
    def errors(self) -> list[int]:
        """ICMP errors that quote this flow."""
        return self._block.slots_where("error", self._place)

    @lazy
    def last_time(self) -> int:
        """Time of the flow's last packet, ns."""
        return max(self.time)

    @lazy
    def client_words(self) -> list[int]:
        """The client's packets that are no reset."""
        return self._block.slots_where("client_word", self._place)

    @lazy
    def server_words(self) -> list[int]:
        """The server's packets that are no reset."""
        return self._block.slots_where("server_word", self._place)

    def watched_after(self, slot: int) -> int:
        """How long the capture goes on after a slot, ns."""
        return self.observed.facts.end_of_capture - self.when(slot)

    @lazy
    def lost(self) -> bool:
        """Bytes were acknowledged that the capture does not hold (a FIN takes one number more than its bytes)."""
        return self._block.flow_column("lost")[self._place] != 0

    @lazy
    def client_acks(self) -> dict[int, int]:
        """Raw acknowledgement numbers that the client sent, each with the first slot that carries it."""
        raw = self.flows.packets.ack[self.flows.row[self.base : self.slots.stop]].tolist()
        sent: dict[int, int] = {}
        for slot, number, origin, flags in zip(self.slots, raw, self.origin, self.flags, strict=True):
            if origin == CLIENT and flags & ACK:
                sent.setdefault(number, slot)
        return sent

    @lazy
    def server_reach(self) -> list[int]:
        """Per position: the highest end of the server's bytes before it, holes or not."""
        reach, out = 0, []
        for i, origin in enumerate(self.origin):
            out.append(reach)
            if origin == SERVER and not self.flags[i] & RST and self.end[i] != UNKNOWN:
                reach = max(reach, self.end[i])
        return out

    @lazy
    def server_top(self) -> int:
        """The highest end of all the server's bytes in the capture, holes or not."""
        return max((self.end[self.at(s)] for s in self.server_words), default=0)

    @lazy
    def one_direction(self) -> bool:
        """Only one side's packets are in the capture although the other must have spoken."""
        clients, servers = CLIENT in self.origin, SERVER in self.origin
        if clients and not servers:  # the client acknowledged something, or sent data, without a SYN/ACK in sight
            return any(not self.flags[self.at(s)] & SYN for s in self.client_words)
        return not clients

    @lazy
    def mid_stream(self) -> bool:
        """The beginning is missing: no SYN of the client and no SYN/ACK."""
        return self.syn < 0 and self.syn_ack < 0

    @lazy
    def ttl_limited(self) -> list[int]:
        """Packets that show that the hello was sent to die on the way: a smaller TTL than the SYN's, or a time-exceeded that quotes this flow."""
        shown = [s for s in self.errors if self._expired(s)]
        if (self.hello >= 0 and self.syn >= 0 and self.packet(self.hello, "ttl") < self.packet(self.syn, "ttl")) or (
            self.hello >= 0 and self.packet(self.hello, "ttl") <= SHORT_TTL
        ):
            shown.append(self.hello)
        return shown

    def _expired(self, slot: int) -> bool:
        version6 = self.packet(slot, "version") == 6
        return self.packet(slot, "icmp_type") == (3 if version6 else 11)

    @lazy
    def closed_by_us(self) -> int:
        """The client's first FIN or RST that can have reached the server, -1 where none."""
        return self._block.flow_column("closed_by_us")[self._place]


SHORT_TTL = 24
"""A hello that leaves its host with a TTL at or below this was limited on purpose: the smallest default of any stack is 32
(`packet_features.USUAL_INITIAL_TTLS`), and a capture point lies at most a few hops from the client; unverified."""


KEPT_VIEWS = 8192
"""Views that are kept at once: a few kB each, and rules come back to a flow soon or not at all; policy."""


class Views:
    """The views of a batch, made when asked for and kept for a while: `views(f)`. Shared by all rules of this room."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._made: dict[int, FlowView] = {}
        self._places: dict[int, tuple[Block, int]] = {}

    def expect(self, flows: Iterable[int]) -> None:
        """Most of these flows will be asked for: their columns become lists together."""
        new = [f for f in flows if f not in self._places]
        if new:
            block = Block(self._observed, new)
            self._places.update((f, (block, i)) for i, f in enumerate(new))

    def __call__(self, flow: int) -> FlowView:
        view = self._made.get(flow)
        if view is None:
            if len(self._made) >= KEPT_VIEWS:
                self._made.clear()
            block, place = self._places.get(flow, (None, 0))
            view = self._made[flow] = FlowView(self._observed, flow, block, place)
        return view
