"""Packets that came before the server can have heard what they answer: columns over all flows, and a sentence for each that is left.

Rules of this file:
- An arrival is early within half of the smallest round trip since the first copy of the trigger; the delay that is told counts from the latest copy.
- Where columns cannot tell (a clock that ran back, acknowledgements that stand before what they acknowledge, echoed timestamps) the flow's own
  view decides.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, SERVER, UNKNOWN
from dpiprobe.flow.segments import running_max
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.block import slots_of
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.contents import Contents
from dpiprobe.verdict.evidence import echoes, ms, trigger_word_of
from dpiprobe.verdict.model import Evidence
from dpiprobe.verdict.view import FlowView, Views
from dpiprobe.wire.packets import ACK, FIN, RST, SYN

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EARLY_FRACTION = 0.5
"""Largest share of the smallest round trip at which an arrival is early (design section 5; techniques.md E1 and the note on Cloudflare)."""
EARLY_SAMPLES = 3
"""Round-trip samples, or trials, that an early arrival needs."""
LEAST_ROUND_TRIP = 5_000_000
"""ns below which a share of the round trip says more about the hosts than about the way (a capture at the server, a server in the next
room): 0.3 ms is what a kernel takes alone (boxes.md, measurements: SYN to reply 0.27 ms median, p95 0.40); unverified."""
PROMPT = 0.9
"""Share of the round trip after the SYN/ACK within which nothing can answer what the client sends upon it; below 1 for jitter; unverified."""
CLOCK_STEP = 1_000_000
"""ns by which neighbours of one flow may stand in the wrong order (queues of a network card) before the clock counts as stepped; unverified."""
NAMED = 8
"""Packets of one finding whose numbers its sentence says; policy."""


class Early:
    """The early packets of a batch. samples: round-trip samples known for each flow's server"""

    def __init__(self, observed: Observed, samples: Ints, views: Views, contents: Contents) -> None:
        self._observed, self._samples, self._views, self._contents = observed, samples, views, contents
        self._flows, self._columns = observed.flows, columns_of(observed)

    def arrivals(self) -> dict[int, list[Evidence]]:
        """By flow: packets that came before the server can have heard the trigger. One finding for each technique, the first packet's sentence, all
        packets."""
        flows, packets, rtt = self._flows, self._flows.packets, self._observed.server_rtt
        at, reset, sent = self._candidates()
        if not len(at):
            return {}
        flow, row, flags = flows.flow[at], flows.row[at], self._columns.flags[at]
        delay = self._columns.time[at] - self._columns.time[sent]
        told = reset | (flows.timestamps[flow] == 1)
        repeatable = self._answers_trigger(at) & told & (rtt[flow] >= LEAST_ROUND_TRIP)
        repeatable &= self._steady(at, repeatable)
        unknown_socket = (flags & ACK == 0) & (packets.window[row] == 0) & (packets.options[row] == 0) & np.isin(packets.ip_id[row], (0, -1))
        sufficient = repeatable & (self._samples[flow] >= EARLY_SAMPLES) & ~unknown_socket
        number = packets.number[row]
        columns = (at, flow, reset, delay, flows.trigger_kind[flow], rtt[flow], sufficient, repeatable, number)
        merged: dict[tuple[int, str, bool, bool], tuple[Evidence, list[int]]] = {}
        for slot, f, is_reset, late, kind, least, proof, again, packet in zip(*(column.tolist() for column in columns), strict=True):
            technique = "rst" if is_reset else self._contents.technique(slot, f)
            key = f, technique, proof, again
            if key in merged:
                evidence, named = merged[key]
                evidence.slots.append(slot)
                named.append(packet)
            else:
                what = "reset" if is_reset else "answer"
                reason = f"{what} {ms(late)} after the {trigger_word_of(kind)}; smallest round trip to the server {ms(least)}"
                merged[key] = Evidence("early-arrival", technique, [slot], reason, proof, "medium", None, again), [packet]
        found: dict[int, list[Evidence]] = {}
        for (f, *_), (evidence, named) in merged.items():
            if len(named) > 1:  # a signature may claim fewer, so their numbers stand in the sentence
                more = ", ..." if len(named) > NAMED else ""
                evidence.reason = f"{len(named)} packets ({', '.join(map(str, named[:NAMED]))}{more}), the first: {evidence.reason}"
            if f in found:
                found[f].append(evidence)
            else:
                found[f] = [evidence]
        return found

    def _candidates(self) -> tuple[Ints, Bools, Ints]:
        """(slots that came early, whether each is a reset, the latest copy of the trigger before it)."""
        flows, columns, rtt = self._flows, self._columns, self._observed.server_rtt
        closes = (columns.flags & FIN) != 0
        at = np.flatnonzero(columns.server_reset | (columns.server_word & ((columns.length > 0) | closes)))
        flow = flows.flow[at]
        hello = flows.hello[flow]
        early = (rtt[flow] > 0) & (hello >= 0) & ((at > hello) | columns.server_reset[at])
        early &= columns.time[at] - columns.when(hello) <= EARLY_FRACTION * rtt[flow]
        at, flow = at[early], flow[early]
        reset = columns.server_reset[at]
        stands = np.where(reset, columns.standing_reset[at], ~((columns.closed_by_us[flow] >= 0) & (columns.closed_by_us[flow] < at)))
        at, reset = at[stands], reset[stands]
        speaks = reset | closes[at]
        speaks[~speaks] = self._contents.plaintext(at[~speaks])
        at, reset = at[speaks], reset[speaks]
        copies = np.flatnonzero(columns.hello_copy)
        if not len(copies):
            return at[:0], reset[:0], at[:0]
        before = np.searchsorted(copies, at) - 1
        sent = copies[np.maximum(before, 0)]
        known = (before >= 0) & (flows.flow[sent] == flows.flow[at]) & (columns.time[at] >= columns.time[sent])
        for i in np.flatnonzero(known & (flows.packets.ts_echo[flows.row[at]] >= 0)).tolist():
            known[i] = not echoes(self._views(int(flows.flow[at[i]])), int(at[i]))
        return at[known], reset[known], sent[known]

    def _answers_trigger(self, at: Ints) -> Bools:
        """The packet cannot answer anything earlier than the trigger: it acknowledges bytes of it, or it came sooner after the SYN/ACK than an
        answer to the handshake's last packet could (a lone SYN: a second one has answers of its own). Else an idle timeout, an overloaded
        server that resets what it has accepted, or a router that forgot the connection while the hello waited would look early."""
        flows, columns = self._flows, self._columns
        flow = flows.flow[at]
        acks, acked, start = (columns.flags[at] & ACK) != 0, flows.acked[at], flows.hello_start[flow]
        into_it = acks & (start < acked) & (acked <= flows.hello_end[flow])
        what_came_before = acks & (acked == start)  # be it a second SYN that the capture missed
        lone = (flows.syn_ack[flow] >= 0) & (self._observed.flow_feature("syn_copies").data[flow] <= 1)
        soon = columns.time[at] - columns.when(flows.syn_ack)[flow] < PROMPT * self._observed.server_rtt[flow]
        return np.asarray(into_it | (~what_came_before & lone & soon), np.bool_)

    def _steady(self, at: Ints, asked: Bools) -> Bools:
        """The clock of the flow lets delays mean something up to that packet; told of those asked for."""
        flow = self._flows.flow[at]
        members = np.unique(flow[asked])
        ahead, coarse = (dict(zip(members.tolist(), doubt.tolist(), strict=True)) for doubt in self._doubts(members))
        back = self._columns.step_back[flow] > CLOCK_STEP
        sound: dict[int, bool] = {}
        out = asked.copy()
        for i, slot, f, stepped in zip(*(c[asked].tolist() for c in (np.arange(len(at)), at, flow, back)), strict=True):
            if f not in sound:
                sound[f] = not (ahead[f] and effect_before_cause(self._views(f))) and not (coarse[f] and clock_too_coarse(self._views(f)))
            out[i] = sound[f] and not (stepped and clock_ran_back(self._views(f), slot))
        return out

    def _doubts(self, members: Ints) -> tuple[Bools, Bools]:
        """Flows in which a packet of the server acknowledges what the client's before it did not send: only there an effect can stand before its cause.
        And those in which no two neighbours are less than half a round trip apart: a clock so coarse leaves none such."""
        slots, place = slots_of(self._flows, members)
        columns, flows = self._columns, self._flows
        sent = running_max(np.where(columns.client_word[slots], flows.end[slots], UNKNOWN), place)
        ahead = columns.server_word[slots] & ((columns.flags[slots] & ACK) != 0) & (flows.acked[slots] > sent)
        step = np.abs(np.diff(columns.time[slots]))
        near = (step > 0) & (2 * step < self._observed.server_rtt[flows.flow[slots[1:]]]) & (place[1:] == place[:-1])
        return np.bincount(place[ahead], minlength=len(members)) > 0, np.bincount(place[1:][near], minlength=len(members)) == 0


def early_refusals(view: FlowView, samples: int) -> list[Evidence]:
    """A reset that refuses this very SYN (it acknowledges it) and came before the address can have heard it: whoever sent it is nearer than every
    other packet of that address (design section 4). Counted from the first SYN, so that no copy of it is what was answered.

    Never sufficient: a router that forwards some ports to a machine further on refuses the rest itself, and an anycast address may flap to a
    nearer node that is being drained.
    """
    if view.hello >= 0 or view.syn < 0 or view.syn_ack >= 0 or view.rtt < LEAST_ROUND_TRIP or samples < EARLY_SAMPLES:
        return []
    accepted = (view.packet(view.syn, "seq") + 1 + view.length[view.at(view.syn)]) & 0xFFFFFFFF
    found = []
    for slot in view.of(SERVER, RST):
        delay = view.when(slot) - view.when(view.syn)
        ours = view.flags[view.at(slot)] & ACK and view.packet(slot, "ack") == accepted
        early = slot > view.syn and ours and 0 <= delay <= EARLY_FRACTION * view.rtt
        if early and not (clock_ran_back(view, slot) or effect_before_cause(view) or clock_too_coarse(view)):
            found.append(slot)
    if not found:
        return []
    delay = view.when(found[0]) - view.when(view.syn)
    reason = f"the SYN was refused {ms(delay)} after it was sent; smallest round trip to this address {ms(view.rtt)}: somebody nearer refused it"
    return [Evidence("early-refusal", "address.rst", found, reason, False)]


def clock_ran_back(view: FlowView, slot: int) -> bool:
    """The capture's clock ran backwards in this flow up to the packet: delays mean nothing then."""
    return any(b < a - CLOCK_STEP for a, b in pairwise(view.time[: view.at(slot) + 1]))


def effect_before_cause(view: FlowView) -> bool:
    """A packet of the server stands before the client's that it acknowledges: the two directions have clocks of their own."""
    sent = ahead = UNKNOWN
    for i, origin in enumerate(view.origin):
        if view.flags[i] & RST or view.copy[i]:
            continue
        if origin == CLIENT and view.end[i] != UNKNOWN:
            if sent < ahead <= view.end[i] and (view.offset[i] < ahead or view.flags[i] & SYN):
                return True
            sent = max(sent, view.end[i])
        elif origin == SERVER and view.flags[i] & ACK and view.acked[i] > sent:
            ahead = max(ahead, view.acked[i])
    return False


def clock_too_coarse(view: FlowView) -> bool:
    """The capture's clock ticks so slowly that a round trip is a matter of two ticks: all times are multiples of at least half of it."""
    return 2 * gcd(*view.time) >= view.rtt
