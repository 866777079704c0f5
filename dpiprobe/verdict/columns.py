"""What the rules of this room ask of all flows, as columns: one value a flow, and the masks of slots behind them.

Rules of this file:
- Each column is worked out once for a batch, when it is first asked for; `columns_of(observed)` has them.
- Copies that the capture made count nowhere. *Words* of a side are its packets that are no reset.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, UNKNOWN
from dpiprobe.flow.segments import count_where, first_where, last_where, max_where
from dpiprobe.observe.build import Observed
from dpiprobe.observe.suspect_loop import CLIENT_WORD, ERROR, SERVER_RESET, SERVER_WORD, STRAY_RESET, STRAY_WORD
from dpiprobe.wire.packets import FIN, RST

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Columns:
    """See the module's rules. Slots are indices into `flows`, -1 where there is none."""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.flows = observed.flows
        self.count = len(observed.flows)
        self._sort = observed.facts.sort

    def slots_where(self, mask: Bools) -> Bools:
        """Flows with such a slot."""
        return np.asarray(count_where(mask, self.flows.flow, self.count) > 0, np.bool_)

    def first(self, mask: Bools) -> Ints:
        """The first such slot of each flow."""
        return first_where(mask, self.flows.flow, self.count)

    def last(self, mask: Bools) -> Ints:
        """The last such slot of each flow."""
        return last_where(mask, self.flows.flow, self.count)

    def first_of(self, slots: Ints) -> Ints:
        """The first of some slots, ascending, in each flow."""
        out = np.full(self.count, -1, np.int64)
        out[self.flows.flow[slots[::-1]]] = slots[::-1]
        return out

    def among(self, flows: Bools, mask: Bools) -> Ints:
        """The slots of some flows where the mask holds, ascending."""
        which = np.flatnonzero(flows)
        begin, size = self.flows.start[which], self.flows.stop[which] - self.flows.start[which]
        slots = np.arange(int(size.sum())) + np.repeat(begin - np.cumsum(size) + size, size)
        return np.asarray(slots[mask[slots]], np.int64)

    def when(self, slots: Ints) -> Ints:
        """Capture time of slots, ns; means nothing where there is none."""
        return self.time[np.maximum(slots, 0)] if len(self.time) else np.zeros(len(slots), np.int64)

    @cached_property
    def time(self) -> Ints:
        """Per slot, ns."""
        return self.flows.packets.time[self.flows.row]

    @cached_property
    def flags(self) -> Ints:
        """Per slot; 0 where it is not TCP."""
        return self.flows.flags

    @cached_property
    def length(self) -> Ints:
        """Payload bytes of each slot."""
        return self.flows.length

    @cached_property
    def client_word(self) -> Bools:
        """Per slot: a word of the client."""
        return np.asarray(self._sort == CLIENT_WORD, np.bool_)

    @cached_property
    def server_word(self) -> Bools:
        """Per slot: a word of the server."""
        return np.asarray(self._sort == SERVER_WORD, np.bool_)

    @cached_property
    def server_reset(self) -> Bools:
        """Per slot: a reset from the server's address or from a stray one."""
        return np.asarray((self._sort == SERVER_RESET) | (self._sort == STRAY_RESET), np.bool_)

    @cached_property
    def standing_reset(self) -> Bools:
        """Per slot: a reset of `server_reset` that is not plainly the consequence of a close, of either side, before it."""
        flows = self.flows
        out = np.zeros(len(flows.row), np.bool_)
        at = np.flatnonzero(self.server_reset)
        flow, closed = flows.flow[at], np.zeros(len(at), np.bool_)
        for end in (self.closed_by_us, flows.server_fin, flows.client_rst, flows.client_fin) if len(at) else ():
            closed |= (end[flow] >= 0) & (end[flow] < at)
        out[at[~closed]] = True
        return out

    @cached_property
    def error(self) -> Bools:
        """Per slot: an ICMP error."""
        return np.asarray(self._sort >= ERROR, np.bool_)

    @cached_property
    def stray(self) -> Bools:
        """Per slot: a packet of a third address that aims at the client's port."""
        return np.asarray((self._sort == STRAY_WORD) | (self._sort == STRAY_RESET), np.bool_)

    @cached_property
    def has_client_words(self) -> Bools:
        return self.slots_where(self.client_word)

    @cached_property
    def has_server_words(self) -> Bools:
        return np.asarray(self.observed.facts.last_server >= 0, np.bool_)

    @cached_property
    def has_errors(self) -> Bools:
        return self.slots_where(self.error)

    @cached_property
    def has_server_resets(self) -> Bools:
        return self.slots_where(self.server_reset)

    @cached_property
    def closed_by_us(self) -> Ints:
        """The client's first FIN or RST that can have reached the server."""
        table = self.observed
        rows = np.flatnonzero((table.origin == CLIENT) & ((table.flags & (FIN | RST)) != 0) & table.reaches_server)
        return self.first_of(table.slot[rows])

    @cached_property
    def has_strays(self) -> Bools:
        return self.slots_where(self.stray)

    @cached_property
    def first_time(self) -> Ints:
        """Time of the flow's first packet."""
        return self.when(self.flows.start)

    @cached_property
    def last_time(self) -> Ints:
        """The latest time of any packet of the flow."""
        return np.maximum.reduceat(self.time, self.flows.start) if self.count else np.zeros(0, np.int64)

    @cached_property
    def heard_time(self) -> Ints:
        """When the server acknowledged the trigger's end; means nothing where it did not."""
        return self.when(self.flows.ack_end)

    @cached_property
    def step_back(self) -> Ints:
        """By how much the clock ran back between neighbours of the flow at most, ns; 0 where it did not."""
        back = np.concatenate((np.zeros(1, np.int64), self.time[:-1] - self.time[1:])) if len(self.time) else self.time
        back[self.flows.start] = 0
        return np.maximum(np.maximum.reduceat(back, self.flows.start), 0) if self.count else np.zeros(0, np.int64)

    @cached_property
    def hello_copy(self) -> Bools:
        """Per slot: the client's packet carries bytes of the trigger."""
        flows = self.flows
        return self.client_word & (self.length > 0) & (flows.offset < flows.hello_end[flows.flow]) & (flows.end > flows.hello_start[flows.flow])

    @cached_property
    def hello_packet(self) -> Ints:
        """Bytes of IP of the largest packet that carried bytes of the trigger, 0 where there is none."""
        return max_where(self.hello_copy, self.flows.packets.ip_length[self.flows.row], self.flows.flow, self.count, 0)

    @cached_property
    def lost(self) -> Bools:
        """Bytes were acknowledged that the capture does not hold (a FIN takes one number more than its bytes)."""
        flows, fins = self.flows, 1
        seen = np.maximum(flows.server_seen, self._whole_answer)
        server_lost = (flows.client_acked != UNKNOWN) & (flows.client_acked > seen + fins)
        client_lost = (flows.server_acked != UNKNOWN) & (flows.server_acked > flows.client_seen + fins)
        return np.asarray((server_lost & self.has_server_words) | (client_lost & self.has_client_words), np.bool_)

    @cached_property
    def lossy_clients(self) -> frozenset[int]:
        """Clients of whose flows the capture lost something: bytes that were acknowledged, by either side, and that it does not hold."""
        flows = self.flows
        heard, told = flows.client_acked != UNKNOWN, flows.server_acked != UNKNOWN
        fins = 1  # a FIN takes one number more than its bytes
        lost = (heard & (flows.client_acked > flows.server_seen + fins)) | (told & (flows.server_acked > flows.client_seen + fins))
        return frozenset(flows.client[lost].tolist())

    @cached_property
    def _whole_answer(self) -> Ints:
        """Where the server's stream ends whose first payload brings its FIN as well: such a packet moves no stream (a forged close would carry
        us along), but its bytes are in the capture."""
        first = self.first(self.server_word & (self.length > 0))
        if not len(self.flags):
            return np.zeros(self.count, np.int64)
        at = np.maximum(first, 0)
        whole = (first >= 0) & ((self.flags[at] & FIN) != 0) & (self.flows.offset[at] <= 0)
        return np.where(whole, self.flows.end[at], 0)


def columns_of(observed: Observed) -> Columns:
    """The columns of a batch, made once."""
    return observed.once("verdict columns", Columns)
