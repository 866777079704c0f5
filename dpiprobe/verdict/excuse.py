"""What cannot be blamed: flows that did not work and that no finding explains are `down` (the server's own marks) or `insufficient`.

Rules of this file:
- Nothing here accuses: the verdicts it gives are `down` and `insufficient`, each with what else it could be.
- A reset, close, alert, page or silence after the hello was acknowledged, with the server's own marks, is the server's policy.
- `because` names why nothing can be said; the technique is kept where the packets show one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import QUIC_INITIAL
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.contents import content_technique
from dpiprobe.verdict.control import Controls
from dpiprobe.verdict.evidence import echoes, ms, no_socket_reset, of_no_socket, stack_would_choose, trigger_word, trigger_word_of
from dpiprobe.verdict.model import Evidence, Judgement, Outcome
from dpiprobe.verdict.outcomes import in_columns
from dpiprobe.verdict.silence import View
from dpiprobe.verdict.view import FlowView

Ints = npt.NDArray[np.int64]

FULL_TRIES = 3
"""SYN transmissions after which an address counts as unanswered rather than unlucky (as for hellos, design section 4 (b))."""

SPLIT_RATIO, SPLIT_LEAST = 3.0, 20_000_000
"""How many handshake round trips, and ns more than one, a control's first answer takes where TCP ends nearer than the server: a relay needs
two more round trips on the far side (boxes.md point 11: 10 ms against 90 to 105 ms; 51 against 52 without a proxy); unverified."""
COUNTER_STEP = 16
"""Largest step of a per-connection IP ID counter between neighbours of one flow (Linux counts by one a segment); policy."""


class Excuses:
    """The rules for flows without sufficient evidence; `outcomes` is the judge's own list, which it may still change."""

    def __init__(self, observed: Observed, outcomes: Sequence[Outcome], controls: Controls, view: View) -> None:
        self.observed = observed
        self.outcomes = outcomes
        self.controls = controls
        self.view = view
        flows = observed.flows
        self._kind: list[int] = flows.trigger_kind.tolist()
        self._ack_end: list[int] = flows.ack_end.tolist()
        self._mid_stream: list[bool] = ((flows.syn < 0) & (flows.syn_ack < 0)).tolist()  # as `FlowView.mid_stream`
        self._unheard: list[bool] = (observed.facts.unacked >= 0).tolist()

    def excuse(self, judgement: Judgement, found: list[Evidence], because: str | None) -> None:
        """Fill in verdict, reason word, alternatives and sentences of a flow that nobody can be blamed for."""
        f, word = judgement.flow, judgement.outcome
        judgement.verdict = "insufficient"
        handler = HANDLERS.get(word)
        if handler is None:
            judgement.because = self.outcomes[f].because or "truncated"
            judgement.reasons.append("the part of the connection that would tell is not in the capture")
            return
        handler(self, judgement, f, found, because)
        if judgement.verdict == "insufficient" and self._mid_stream[f] and judgement.because in (None, "server-or-third-party"):
            judgement.because = "mid-stream"

    def _reset(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        state, (slot, number, bare, *_) = self.controls.state(f), self._marks.told[f]
        if state == "fails":
            judgement.verdict = "down"
            judgement.reasons.append("other names fail at this address as well")
            return
        if bare and state == "completes" and connection_forgotten(view := self.view(f), slot):
            judgement.because = "server-or-third-party"
            judgement.technique, judgement.techniques = "rst", ["rst"]
            judgement.could_be += ["server-policy", "server-restart", "rst"]
            judgement.reasons.append(
                f"the server acknowledged the {trigger_word(view)} in packet {view.number(view.ack_end)} and in packet {number} no longer knows the "
                "connection, which it never closed: it was ended there, by the server itself or by packets that only the server saw"
            )
            return
        marks = self._marks.of(f)
        if marks and (0 <= self._ack_end[f] < slot or any("timestamps" in m for m in marks)):
            judgement.verdict, judgement.confidence = "down", "medium"
            judgement.reasons.append(f"the reset in packet {number} bears the server's own marks: {', '.join(marks)}")
            judgement.could_be.append("server-policy")
            if state == "completes":
                judgement.could_be.append("rst.rewrite")  # bears the server's marks as well
            return
        judgement.because = "server-or-third-party"
        judgement.technique, judgement.techniques = "rst", ["rst"]
        judgement.could_be += ["server-policy", "rst"]
        early = [e.reason for e in found if e.kind == "early-arrival"]
        judgement.reasons.append(
            early[0] if early else f"the reset in packet {number} may be the server's or a third party's; nothing tells them apart"
        )

    @cached_property
    def _marks(self) -> Marks:
        """Of the resets that ended flows."""
        ended = in_columns(self.outcomes)
        flows = np.flatnonzero(ended.are("reset"))
        return Marks(self.observed, flows, ended.slot[flows], self.view)

    def _closed(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        view = self.view(f)
        word, slot = judgement.outcome, self.outcomes[f].slot
        technique = {"closed": "proxy.close", "alert": "proxy.alert", "page": "proxy"}[word]
        split = self._split(f)
        if split is not None and self.controls.state(f) == "completes":
            judgement.because = "whose-proxy"
            judgement.technique, judgement.techniques = technique, [technique]
            judgement.could_be += ["server-front", technique]
            judgement.reasons.append(split)
            return
        if view.one_direction or view.lost:
            judgement.because = "capture-loss"
            judgement.technique = content_technique(view, slot)
            judgement.techniques = [judgement.technique]
            return
        judgement.verdict, judgement.confidence = "down", "medium" if view.ack_end >= 0 else "low"
        what = {"closed": "a close", "alert": "an alert", "page": "a plaintext answer"}[word]
        judgement.reasons.append(f"{what} in packet {view.number(slot)} with the server's own marks: the server refuses")
        judgement.could_be.append("server-policy")
        if split is None and self.controls.state(f) == "completes":
            judgement.could_be.append(technique)

    def _split(self, f: int) -> str | None:
        """Controls whose handshake is answered much earlier than their hello: somebody nearer than the server terminates TCP."""
        ratio, flows = self.observed.flow_feature("split_round_trips"), self.observed.flows
        if self.controls.state(f) != "completes":
            return None
        worked = self.controls.worked[f]
        hits = worked.where("split", self._is_split)
        if len(hits) * 2 <= len(worked) or not hits:
            return None
        g = hits[0]
        times = f"{float(ratio.data[g]):.1f} times its handshake's round trip"
        return f"round trips are split: flow {flows.label(g)} (another name) waited {times} for the first answer"

    def _is_split(self, g: int) -> bool:
        ratio, flows = self.observed.flow_feature("split_round_trips"), self.observed.flows
        if not ratio.known[g] or float(ratio.data[g]) < SPLIT_RATIO or flows.syn_ack[g] < 0 or flows.last_syn[g] < 0:
            return False
        handshake = flows.time(int(flows.syn_ack[g])) - flows.time(int(flows.last_syn[g]))
        return handshake * (float(ratio.data[g]) - 1) >= SPLIT_LEAST

    def _silent(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        heard = self._ack_end[f] >= 0 and not self._unheard[f]
        if heard and (split := self._split(f)) is not None:
            judgement.because = "whose-proxy"
            judgement.technique, judgement.techniques = "proxy.drop", ["proxy.drop"]
            judgement.could_be += ["server-front", "proxy.drop", "server-hung"]
            judgement.reasons.append(split)
            return
        ignored = [e for e in found if e.kind == "stall"]
        if ignored:  # a server that is merely hung still acknowledges
            judgement.because = because or "no-control"
            judgement.technique, judgement.techniques = "drop.answer", ["drop.answer"]
            judgement.could_be += ["drop.answer", "path-outage", "server-down"]
            judgement.reasons += [e.reason for e in ignored]
            return
        if heard:
            judgement.verdict, judgement.confidence = "down", "medium"
            number, word = self.observed.flows.number(self._ack_end[f]), trigger_word_of(self._kind[f])
            judgement.reasons.append(
                f"the server acknowledged the whole {word} in packet {number} and then said nothing: hung or busy"
            )
            judgement.could_be.append("server-hung")
            if self.controls.state(f) == "completes":
                judgement.could_be.append("drop.answer")
            return
        if self._kind[f] == QUIC_INITIAL:
            judgement.because = because or "no-control"
            judgement.technique, judgement.techniques = "quic.drop", ["quic.drop"]
            judgement.could_be += ["quic.drop", "udp-filtered", "server-policy"]
            judgement.reasons += [e.reason for e in found if e.kind == "initials-unanswered"] or ["the Initial was never answered"]
            return
        judgement.because = because or ("ttl-limited" if self.view(f).ttl_limited else "no-control")
        drop = [e for e in found if e.kind == "hello-unacknowledged"]
        if drop and judgement.because not in ("ttl-limited", "capture-loss"):
            judgement.technique, judgement.techniques = "drop.hello", ["drop.hello"]
            judgement.could_be += ["drop.hello", "address.drop", "path-loss"]
        judgement.reasons += [e.reason for e in drop] or [f"the {trigger_word_of(self._kind[f])} was never answered"]
        if judgement.because == "no-control" and self.controls.state(f) == "fails" and self._others_unheard(f):
            judgement.verdict, judgement.because, judgement.technique = "down", None, None
            judgement.reasons.append("hellos with other names go unheard at this address as well")

    def _others_unheard(self, f: int) -> bool:
        return not self.controls.failed[f].where("heard", lambda g: int(self.observed.flows.ack_end[g]) >= 0)

    def _stalled(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        judgement.because = because or "no-control"
        judgement.technique, judgement.techniques = "drop.stall", ["drop.stall"]
        judgement.could_be += ["drop.stall", "path-outage"]
        judgement.reasons += [e.reason for e in found if e.kind == "stall"] or ["the connection worked and then went silent"]

    def _slow(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        slow = [e for e in found if e.kind == "goodput"]
        judgement.because = "server-or-third-party"
        judgement.technique, judgement.techniques = "throttle", ["throttle"]
        judgement.could_be += ["server-slow", "throttle"]
        judgement.reasons += [
            e.reason if e.technique == "throttle" else e.reason + "; neither losses nor a queue on the way show, so the server itself may be slow" for e in slow
        ]

    def _unreachable(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        if self.observed.flows.hello[f] >= 0:
            judgement.because = because or "server-or-third-party"
            judgement.technique, judgement.techniques = "icmp", ["icmp"]
            judgement.reasons.append(f"an ICMP error answered the {trigger_word_of(self._kind[f])}")
            judgement.could_be += ["icmp", "path-outage"]
            return
        self._address(judgement, f, found, because)

    def _address(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        word = judgement.outcome
        technique = {"refused": "address.rst", "unanswered": "address.drop", "unreachable": "address.icmp"}[word]
        copies = int(self.observed.flow_feature("syn_copies").data[f])
        if word == "unanswered" and copies < FULL_TRIES:
            judgement.because = "too-few-trials"
            judgement.reasons.append(f"{copies} SYN, no answer")
            return
        near = [e for e in found if e.kind == "early-refusal"]
        if near:
            judgement.because = "server-or-third-party"
            judgement.technique, judgement.techniques = technique, [technique]
            judgement.could_be += ["server-front", technique]
            judgement.reasons += [e.reason for e in near]
            return
        judgement.verdict, judgement.confidence = "down", "low"
        said = {"refused": "the SYN was answered by a reset", "unanswered": f"{copies} SYNs over {ms(self._syn_span(self.view(f)))} went unanswered",
                "unreachable": "the SYN was answered by an ICMP error"}[word]  # fmt: skip
        judgement.reasons.append(said + "; this happened before any name was sent")
        judgement.could_be += ["server-down", technique]

    def _syn_span(self, view: FlowView) -> int:
        syns = [s for s in view.client_words if view.flags[view.at(s)] & 2]
        return view.when(syns[-1]) - view.when(syns[0]) if syns else 0

    def _aborted(self, judgement: Judgement, f: int, found: list[Evidence], because: str | None) -> None:
        judgement.verdict, judgement.confidence = "down", "medium"
        judgement.reasons.append("the client itself ended the connection before an answer could be expected")
        judgement.could_be.append("client-abort")


HANDLERS = {
    "reset": Excuses._reset, "closed": Excuses._closed, "alert": Excuses._closed, "page": Excuses._closed, "silent": Excuses._silent,
    "stalled": Excuses._stalled, "refused": Excuses._address, "unanswered": Excuses._address, "unreachable": Excuses._unreachable,
    "aborted": Excuses._aborted, "slow": Excuses._slow,
}  # fmt: skip
"""By outcome; kept apart from the objects, so that none refers to itself."""


def connection_forgotten(view: FlowView, slot: int) -> bool:
    """A reset as a host sends it for a socket it does not know, where the server had the connection before and neither closed nor reset it: a
    server that refuses says so from the socket that it has (RFC 9293 section 3.10.4), and one forged reset that reached it alone looks so."""
    closed = 0 <= view.server_fin < slot or any(r < slot for r in view.server_resets)
    return no_socket_reset(view, slot) and 0 <= view.ack_end < slot and not closed and not view.lost and stack_would_choose(view, slot)


class Marks:
    """What about the packets that decided outcomes speaks for the server: timestamps of this connection, an IP ID that continues its counter, its
    TTL. of, slots: the flows and, of each, that packet
    told: by flow that packet, its number, whether `no_socket_reset` is true of it, and what else speaks for the server"""

    def __init__(self, observed: Observed, of: Ints, slots: Ints, views: View) -> None:
        flows, packets = observed.flows, observed.flows.packets
        self._views = views
        row, ip_id = flows.row[slots], packets.ip_id[flows.row]
        counted = np.flatnonzero(columns_of(observed).server_word & (ip_id > 0))
        at = np.searchsorted(counted, slots) - 1
        before = counted[np.maximum(at, 0)] if len(counted) else np.zeros(len(of), np.int64)
        step = (packets.ip_id[row] - ip_id[before]) & 0xFFFF
        counts = (at >= 0) & (flows.flow[before] == of) & (packets.ip_id[row] > 0) & (step > 0) & (step <= COUNTER_STEP)
        model = flows.row[np.maximum(flows.syn_ack[of], 0)]  # beside another DF an equal TTL proves nothing
        alike = (flows.syn_ack[of] >= 0) & (packets.df[row] == packets.df[model]) & (packets.ttl[row] == packets.ttl[model])
        unknown = of_no_socket(packets.flags[row], packets.window[row], packets.options[row], packets.ip_id[row])
        told = (slots, packets.number[row], unknown, packets.ts_echo[row] >= 0, counts, alike)
        self.told: dict[int, tuple[int, ...]] = dict(zip(of.tolist(), zip(*(column.tolist() for column in told), strict=True), strict=True))

    def of(self, f: int) -> list[str]:
        """Those of one flow."""
        slot, _, _, stamped, counts, alike = self.told[f]
        marks = ["timestamps of this connection"] if stamped and echoes(self._views(f), slot) else []
        if counts:
            marks.append("an IP ID that continues the server's counter")
        return [*marks, "the server's TTL and DF"] if alike else marks
