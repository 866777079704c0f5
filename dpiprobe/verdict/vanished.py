"""Hellos whose end was never acknowledged, with all that their own packets say of it: columns over the slots of these flows.

Rules of this file:
- What the capture lost, what was sent to die, and a server that never took the connection are no dropping; so few copies, or so soon, say nothing.
- It looks at nothing but the flow itself; controls are the business of `silence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import SERVER
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

LEAST_MTU = 1280
"""Bytes of IP that every path carries (RFC 8200 section 5)."""


@dataclass(slots=True)
class Hello:
    """One of them. when, last: of its first and last copy, ns · because: why nobody can be blamed, as far as its own packets tell

    least: bytes of IP that a control's hello must have brought through in one packet: as many as the one that vanished had, else a path that
    loses large packets would do. Packets that fit the least MTU of IPv6 are never too large.
    """

    flow: int
    when: int
    last: int
    rtt: int
    least: int
    because: str | None
    slots: list[int]
    reason: str

    def finding(self) -> Evidence:
        """The finding, incomplete as it stands."""
        return Evidence("hello-unacknowledged", "drop.hello", self.slots, self.reason, False, "medium")


class Vanished:
    """The hellos of `flows`, of each of which the capture holds a copy with the first byte that nobody acknowledged."""

    def __init__(self, observed: Observed, flows: Ints) -> None:
        self._observed, self._of = observed, flows
        self._flows, self._columns = observed.flows, columns_of(observed)
        self._slots, self._place = slots_of(observed.flows, flows)
        self._row = observed.flows.row[self._slots]
        byte = observed.facts.unacked[flows][self._place]
        self._carries = (
            self._columns.client_word[self._slots]
            & (self._columns.length[self._slots] > 0)
            & (self._flows.offset[self._slots] <= byte)
            & (byte < self._flows.end[self._slots])
        )

    def hellos(self, views: Callable[[int], FlowView]) -> Iterator[Hello]:
        """One after the other."""
        facts, of = self._observed.facts, self._of
        first, last = (self._columns.time[slot[of]] for slot in (facts.first_copy, facts.last_copy))
        copies, part = facts.copies[of], facts.unacked[of] - self._flows.hello_start[of]
        why = np.select(
            [
                self._columns.lost[of] | self._heard_unseen(), ttl_limited(self._observed, self._of, views), self._never_taken(),
                (copies < UNACKED_COPIES) | (last - first < UNACKED_SPAN),
            ], [0, 1, 2, 3], 4,
        )  # fmt: skip
        size = self._flows.packets.ip_length[self._row]
        least = np.maximum(min_where(self._carries, size, self._place, len(of), LEAST_MTU), LEAST_MTU)
        slots, edges = self._slots[self._carries].tolist(), np.searchsorted(self._place[self._carries], np.arange(len(of) + 1)).tolist()
        facts_of = (of, first, last, self._observed.server_rtt[of], least, why, copies, part, self._flows.trigger_kind[of])
        for i, (f, begin, end, rtt, size_of, because, count, bytes_heard, kind) in enumerate(zip(*(c.tolist() for c in facts_of), strict=True)):
            heard = f" (the server acknowledged its first {bytes_heard} bytes)" if bytes_heard > 0 else ""
            reason = f"the end of the {trigger_word_of(kind)} was never acknowledged in {count} copies over {ms(end - begin)}{heard}"
            yield Hello(f, begin, end, rtt, size_of, BECAUSE[because], slots[edges[i] : edges[i + 1]], reason)

    def _any(self, mask: Bools) -> Bools:
        return np.asarray(count_where(mask, self._place, len(self._of)) > 0, np.bool_)

    def _heard_unseen(self) -> Bools:
        """The client echoes a timestamp of the server that no packet in the capture carries: it heard what the capture did not."""
        packets = self._flows.packets
        told, echo = packets.ts_value[self._row], packets.ts_echo[self._row]
        tells = (self._flows.origin[self._slots] == SERVER) & (told >= 0)
        echoes = np.flatnonzero(self._columns.client_word[self._slots] & (echo > 0))
        known = np.isin((self._place[echoes] << 32) | echo[echoes], (self._place[tells] << 32) | told[tells])
        unknown = np.zeros(len(self._slots), np.bool_)
        unknown[echoes] = ~known
        return self._any(tells) & self._any(unknown)

    def _never_taken(self) -> Bools:
        """The server repeated its SYN/ACK although the client had acknowledged it, and never acknowledged a byte."""
        handshake = self._flows.handshake[self._of]
        answer = self._columns.server_word[self._slots] & ((self._columns.flags[self._slots] & (SYN | ACK | RST)) == SYN | ACK)
        again = answer & (self._slots > handshake[self._place])
        return self._any(again) & (handshake >= 0) & (self._flows.server_acked[self._of] <= 0)


def ttl_limited(observed: Observed, of: Ints, views: Callable[[int], FlowView]) -> Bools:
    """As `FlowView.ttl_limited`, of flows with a hello."""
    flows, ttl = observed.flows, observed.flows.packets.ttl
    left = ttl[flows.row[flows.hello[of]]]
    limited = (left <= SHORT_TTL) | ((flows.syn[of] >= 0) & (left < ttl[flows.row[np.maximum(flows.syn[of], 0)]]))
    for i in np.flatnonzero(columns_of(observed).has_errors[of] & ~limited).tolist():
        limited[i] = bool(views(int(of[i])).ttl_limited)
    return np.asarray(limited, np.bool_)


BECAUSE = ("capture-loss", "ttl-limited", "server-or-third-party", "too-few-trials", None)
"""Why nobody can be blamed, by the order in which it is asked."""
