"""One flow as the rules of this room read it: its slots with the columns they ask for most, as plain lists.

Built only for flows that need a closer look; everything here is derived from `Flows` and the suspect table, nothing is decided.
"""

from __future__ import annotations

from functools import cached_property

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, UNKNOWN
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.wire.packets import ACK, RST, SYN


class FlowView:
    """Flow `f` of a batch. Slots are indices into `flows`; `-1` means there is none."""

    def __init__(self, observed: Observed, flow: int) -> None:
        self.observed = observed
        self.flows = observed.flows
        self.f = flow
        self.slots = self.flows.slots(flow)
        columns, span = columns_of(observed), slice(self.slots.start, self.slots.stop)
        self.origin: list[int] = self.flows.origin[span].tolist()
        self.flags: list[int] = columns.flags[span].tolist()
        self.length: list[int] = columns.length[span].tolist()
        self.time: list[int] = columns.time[span].tolist()
        self.offset: list[int] = self.flows.offset[span].tolist()
        self.end: list[int] = self.flows.end[span].tolist()
        self.acked: list[int] = self.flows.acked[span].tolist()
        self.copy: list[int] = self.flows.duplicate[span].tolist()
        self.base = self.slots.start
        self.hello = int(self.flows.hello[flow])
        self.hello_done = int(self.flows.hello_done[flow])
        self.hello_start = int(self.flows.hello_start[flow])
        self.hello_end = int(self.flows.hello_end[flow])
        self.answer = int(self.flows.answer[flow])
        self.ack_end = int(self.flows.ack_end[flow])
        self.syn = int(self.flows.syn[flow])
        self.syn_ack = int(self.flows.syn_ack[flow])
        self.trigger = self.flows.triggers[flow]
        self.kind = int(self.flows.trigger_kind[flow])
        self.rtt = int(observed.server_rtt[flow])

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

    def _words(self, origin: int) -> list[int]:
        """Slots of one origin that are no resets, capture copies left out."""
        return [s for s, o, g, c in zip(self.slots, self.origin, self.flags, self.copy, strict=True) if o == origin and not g & RST and not c]

    @cached_property
    def client_fin(self) -> int:
        """The client's first FIN."""
        return int(self.flows.client_fin[self.f])

    @cached_property
    def server_fin(self) -> int:
        """The server's first FIN."""
        return int(self.flows.server_fin[self.f])

    @cached_property
    def client_rst(self) -> int:
        """The client's first RST."""
        return int(self.flows.client_rst[self.f])

    @cached_property
    def server_resets(self) -> list[int]:
        """Resets from the server's address or from a stray address."""
        return self.of(SERVER, RST) + self.of(STRAY, RST) if columns_of(self.observed).has_server_resets[self.f] else []

    @cached_property
    def errors(self) -> list[int]:
        """ICMP errors that quote this flow."""
        return self.of(ICMP_ERROR) if columns_of(self.observed).has_errors[self.f] else []

    @cached_property
    def last_time(self) -> int:
        """Time of the flow's last packet, ns."""
        return max(self.time)

    @cached_property
    def client_words(self) -> list[int]:
        """The client's packets that are no reset."""
        return self._words(CLIENT)

    @cached_property
    def server_words(self) -> list[int]:
        """The server's packets that are no reset."""
        return self._words(SERVER)

    def watched_after(self, slot: int) -> int:
        """How long the capture goes on after a slot, ns."""
        return self.observed.facts.end_of_capture - self.when(slot)

    @cached_property
    def lost(self) -> bool:
        """Bytes were acknowledged that the capture does not hold (a FIN takes one number more than its bytes)."""
        return bool(columns_of(self.observed).lost[self.f])

    @cached_property
    def client_acks(self) -> dict[int, int]:
        """Raw acknowledgement numbers that the client sent, each with the first slot that carries it."""
        packets, base = self.flows.packets, self.base
        raw = packets.ack[self.flows.row[base : self.slots.stop]].tolist()
        sent: dict[int, int] = {}
        for i, (origin, flags) in enumerate(zip(self.origin, self.flags, strict=True)):
            if origin == CLIENT and flags & ACK:
                sent.setdefault(raw[i], base + i)
        return sent

    @cached_property
    def server_reach(self) -> list[int]:
        """Per position: the highest end of the server's bytes before it, holes or not."""
        reach, out = 0, []
        for i, origin in enumerate(self.origin):
            out.append(reach)
            if origin == SERVER and not self.flags[i] & RST and self.end[i] != UNKNOWN:
                reach = max(reach, self.end[i])
        return out

    @cached_property
    def server_top(self) -> int:
        """The highest end of all the server's bytes in the capture, holes or not."""
        return max((self.end[self.at(s)] for s in self.server_words), default=0)

    @cached_property
    def trigger_copies(self) -> list[int]:
        """Slots of the client's packets that carry bytes of the trigger, ascending."""
        return [
            s for s in self.client_words
            if self.length[self.at(s)] and self.offset[self.at(s)] < self.hello_end and self.end[self.at(s)] > self.hello_start
        ]  # fmt: skip

    @cached_property
    def one_direction(self) -> bool:
        """Only one side's packets are in the capture although the other must have spoken."""
        clients = any(o == CLIENT for o in self.origin)
        servers = any(o == SERVER for o in self.origin)
        if clients and not servers:  # the client acknowledged something, or sent data, without a SYN/ACK in sight
            return any(not self.flags[self.at(s)] & SYN for s in self.client_words)
        return not clients

    @cached_property
    def mid_stream(self) -> bool:
        """The beginning is missing: no SYN of the client and no SYN/ACK."""
        return self.syn < 0 and self.syn_ack < 0

    @cached_property
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

    @cached_property
    def closed_by_us(self) -> int:
        """The client's first FIN or RST that can have reached the server, -1 where none."""
        return int(columns_of(self.observed).closed_by_us[self.f])


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

    def __call__(self, flow: int) -> FlowView:
        view = self._made.get(flow)
        if view is None:
            if len(self._made) >= KEPT_VIEWS:
                self._made.clear()
            view = self._made[flow] = FlowView(self._observed, flow)
        return view
