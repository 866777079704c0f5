"""Hellos whose end was never acknowledged, with all that their own packets say of it: columns over the slots of these flows.

Rules of this file:
- What the capture lost, what was sent to die, and a server that never took the connection are no dropping; so few copies, or so soon, say nothing.
- It looks at nothing but the flow itself; controls are the business of `silence`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import SERVER, UNKNOWN
from dpiprobe.flow.segments import count_where, min_where
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import slots_of
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.evidence import ms, trigger_word_of
from dpiprobe.verdict.model import Evidence
from dpiprobe.verdict.outcome import UNACKED_COPIES, UNACKED_SPAN
from dpiprobe.verdict.view import SHORT_TTL, FlowView
from dpiprobe.wire.packets import ACK, RST, SYN

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BECAUSE = ("capture-loss", "ttl-limited", "server-or-third-party", "too-few-trials", "no-control", None)
"""Why nobody can be blamed, by the order in which it is asked; None: nothing is in the way."""
CAPTURE_LOSS, TTL_LIMITED, THIRD_PARTY, TOO_FEW_TRIALS, NO_CONTROL, OPEN = range(len(BECAUSE))

LEAST_MTU = 1280
"""Bytes of IP that every path carries (RFC 8200 section 5)."""


class Vanished:
    """The hellos of `flows`, of each of which the capture holds a copy with the first byte that nobody acknowledged: columns, one row a hello.

    flow · when, last: of its first and last copy, ns · rtt: of the server · because: which of `BECAUSE`, as far as its own packets tell
    least: bytes of IP that a control's hello must have brought through in one packet: as many as the one that vanished had, else a path that
    loses large packets would do. Packets that fit the least MTU of IPv6 are never too large.
    """

    def __init__(self, observed: Observed, flows: Ints, views: Callable[[int], FlowView]) -> None:
        self._observed, self.flow = observed, flows
        self._flows, self._columns = observed.flows, columns_of(observed)
        self._slots, self._place = slots_of(observed.flows, flows)
        self._row = observed.flows.row[self._slots]
        byte = observed.facts.unacked[flows][self._place]
        carries = (
            self._columns.client_word[self._slots]
            & (self._columns.length[self._slots] > 0)
            & (self._flows.offset[self._slots] <= byte)
            & (byte < self._flows.end[self._slots])
        )
        facts = observed.facts
        self.when, self.last = (self._columns.time[slot[flows]] for slot in (facts.first_copy, facts.last_copy))
        self.rtt = observed.server_rtt[flows]
        self._copies = facts.copies[flows]
        self.because: Ints = np.select(
            [
                self._columns.lost[flows] | self._heard_unseen(), ttl_limited(observed, flows, views), self._never_taken(),
                (self._copies < UNACKED_COPIES) | (self.last - self.when < UNACKED_SPAN),
            ], [CAPTURE_LOSS, TTL_LIMITED, THIRD_PARTY, TOO_FEW_TRIALS], OPEN,
        )  # fmt: skip
        size = self._flows.packets.ip_length[self._row]
        self.least = np.maximum(min_where(carries, size, self._place, len(flows), LEAST_MTU), LEAST_MTU)
        self._carrying, self._whose = self._slots[carries], self._place[carries]

    def findings(self) -> list[Evidence]:
        """Of each its finding, incomplete as it stands."""
        flows = self._flows
        slots, edges = self._carrying.tolist(), np.searchsorted(self._whose, np.arange(len(self.flow) + 1)).tolist()
        heard = self._observed.facts.unacked[self.flow] - flows.hello_start[self.flow]
        told = (self.last - self.when, self._copies, heard, flows.trigger_kind[self.flow])
        found = []
        for begin, end, span, count, part, kind in zip(edges, edges[1:], *(column.tolist() for column in told), strict=False):
            reason = f"the end of the {trigger_word_of(kind)} was never acknowledged in {count} copies over {ms(span)}"
            if part > 0:
                reason += f" (the server acknowledged its first {part} bytes)"
            found.append(Evidence("hello-unacknowledged", "drop.hello", slots[begin:end], reason, False, "medium"))
        return found

    def _any(self, mask: Bools) -> Bools:
        return np.asarray(count_where(mask, self._place, len(self.flow)) > 0, np.bool_)

    def _heard_unseen(self) -> Bools:
        """The client echoes a timestamp of the server that no packet in the capture carries: it heard what the capture did not."""
        packets = self._flows.packets
        told, echo = packets.ts_value[self._row], packets.ts_echo[self._row]
        tells = np.flatnonzero((self._flows.origin[self._slots] == SERVER) & (told >= 0))
        if not len(tells):
            return np.zeros(len(self.flow), np.bool_)
        last = np.full(len(self.flow), UNKNOWN, np.int64)
        last[self._place[tells]] = told[tells]  # where the server spoke once, all that can be echoed
        echoes = np.flatnonzero(self._columns.client_word[self._slots] & (echo > 0) & (echo != last[self._place]) & (last[self._place] != UNKNOWN))
        if not len(echoes):
            return np.zeros(len(self.flow), np.bool_)
        known = np.isin((self._place[echoes] << 32) | echo[echoes], (self._place[tells] << 32) | told[tells])
        return np.bincount(self._place[echoes[~known]], minlength=len(self.flow)) > 0

    def _never_taken(self) -> Bools:
        """The server repeated its SYN/ACK although the client had acknowledged it, and never acknowledged a byte."""
        handshake = self._flows.handshake[self.flow]
        answer = self._columns.server_word[self._slots] & ((self._columns.flags[self._slots] & (SYN | ACK | RST)) == SYN | ACK)
        again = answer & (self._slots > handshake[self._place])
        return self._any(again) & (handshake >= 0) & (self._flows.server_acked[self.flow] <= 0)


def ttl_limited(observed: Observed, of: Ints, views: Callable[[int], FlowView]) -> Bools:
    """As `FlowView.ttl_limited`, of flows with a hello."""
    flows, ttl = observed.flows, observed.flows.packets.ttl
    left = ttl[flows.row[flows.hello[of]]]
    limited = (left <= SHORT_TTL) | ((flows.syn[of] >= 0) & (left < ttl[flows.row[np.maximum(flows.syn[of], 0)]]))
    for i in np.flatnonzero(columns_of(observed).has_errors[of] & ~limited).tolist():
        limited[i] = bool(views(int(of[i])).ttl_limited)
    return np.asarray(limited, np.bool_)
