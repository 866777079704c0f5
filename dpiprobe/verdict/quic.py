"""QUIC Initials that stay unanswered for one name alone: design section 4 (b), as far as UDP has an equivalent.

Rules of this file:
- A *copy* is an Initial that carries the beginning of the ClientHello (CRYPTO offset 0): nothing below it acknowledges, so only an answer refutes.
  Each retransmission is encrypted anew (RFC 9000 section 13.3); equal bytes at one moment are the capture's copies.
- TCP's handshake shows that somebody serves this very port of the client; UDP has none. A balancer that sends one port in four to a dead machine is
  silent too: so an exact test over the trials of the name and its controls is asked beside a control before and after.
"""

from __future__ import annotations

from collections.abc import Sequence

from dpiprobe.flow.flows import CLIENT, QUIC_INITIAL
from dpiprobe.observe.build import Observed
from dpiprobe.tls.quic import INITIAL, read_packets
from dpiprobe.tls.quic_initial import crypto_frames, decrypt_initial, initial_keys
from dpiprobe.verdict.control import Controls, alike
from dpiprobe.verdict.evidence import ms
from dpiprobe.verdict.model import Evidence, Outcome
from dpiprobe.verdict.outcome import UNACKED_COPIES, UNACKED_SPAN
from dpiprobe.verdict.silence import Silence, View
from dpiprobe.verdict.statistics import more_often
from dpiprobe.verdict.vanished import LEAST_MTU
from dpiprobe.verdict.view import FlowView
from dpiprobe.verdict.witnesses import DEAD, QUIET, traffic_of

LEVEL = 0.05
"""Of the one-sided exact test, as for goodput (design section 4 (e))."""
CAPTURE_COPY = 50_000_000
"""ns within which equal datagrams are copies made by the capture or on the way: the least probe timeout that RFC 9002 allows is far above a
mirror port's delay, and its probes are encrypted anew; policy."""


def unanswered_initials(
    observed: Observed, flows: Sequence[int], outcomes: Sequence[Outcome], controls: Controls, views: View
) -> dict[int, Silence]:
    """For the silent QUIC flows of one name (one client, address, port): the finding of each, complete or not, and why not more."""
    quic = [f for f in flows if outcomes[f].word in ("silent", "worked") and int(observed.flows.trigger_kind[f]) == QUIC_INITIAL]
    silent = {f: copies_of_the_hello(views(f)) for f in quic if outcomes[f].word == "silent"}
    full = [f for f, slots in silent.items() if _tried_enough(views(f), slots)]
    answered = len(quic) - len(silent)
    out: dict[int, Silence] = {}
    for f, slots in silent.items():
        view = views(f)
        span = view.when(slots[-1]) - view.when(slots[0]) if slots else 0
        finding = Evidence(
            "initials-unanswered", "quic.drop", slots or [view.slots.start], f"{len(slots)} Initials over {ms(span)} were never answered", False
        )
        if not slots:
            out[f] = Silence(finding, "no-trigger")
        elif f not in full:
            out[f] = Silence(finding, "too-few-trials")
        else:
            out[f] = Silence(finding, _against_controls(finding, view, slots, (len(full), answered), controls, views))
    return out


def _tried_enough(view: FlowView, slots: Sequence[int]) -> bool:
    return len(slots) >= UNACKED_COPIES and view.when(slots[-1]) - view.when(slots[0]) >= UNACKED_SPAN


def _against_controls(
    finding: Evidence, view: FlowView, slots: Sequence[int], trials: tuple[int, int], controls: Controls, views: View
) -> str | None:
    """Completes the finding where controls bear it out; else the word that says what is missing."""
    f, observed = view.f, view.observed
    first, last = view.when(slots[0]), view.when(slots[-1])
    good = [g for g in controls.worked[f] if alike(observed, f, g, controls.designated) and _as_large(view, slots, views(g))]
    before = [g for g in good if views(g).when(views(g).server_words[0]) < first]
    after = [g for g in good if views(g).time[0] > first]
    if not before or not after:
        return "no-control"
    way = traffic_of(observed).during(f, first + max(view.rtt, 0), last)
    if way == DEAD:
        finding.reason += "; but nothing came from anywhere during that time, though the client sent to others as well"
        return "no-control"
    silent, answered = trials
    chance = more_often(silent, silent + answered, len(controls.failed[f]), len(controls.failed[f]) + len(good))
    if chance > LEVEL:
        finding.reason += "; so few trials of this name and of others that a server or balancer which ignores some connections would do"
        return "too-few-trials"
    finding.sufficient = True
    finding.weight = "low" if way == QUIET else "medium"
    names = sorted({(t.server_name if (t := observed.flows.triggers[g]) else None) or "no name" for g in before + after})
    finding.reason += (
        f", nor in any of {silent} such trials" if silent > 1 and not answered else ""
    ) + (
        f", while Initials alike but for the name ({', '.join(names[:3])}) were answered at the same address before and after, {len(good)} of "
        f"{len(good) + len(controls.failed[f])} (exact one-sided p = {chance:.3f})"
    )  # fmt: skip
    return None


def copies_of_the_hello(view: FlowView) -> list[int]:
    """Slots of the client's Initials that carry the beginning of the ClientHello; none where the package that decrypts is not installed."""
    keys_of: bytes | None = None
    found: list[int] = []
    seen: dict[bytes, int] = {}
    for slot in view.of(CLIENT):
        datagram = view.payload(slot)
        for header in read_packets(datagram):
            if header.type != INITIAL:
                continue
            keys_of = header.dcid if keys_of is None else keys_of
            frames = decrypt_initial(datagram, header, initial_keys(keys_of, header.version))
            if frames is None or not any(offset == 0 and data for offset, data in crypto_frames(frames)):
                continue
            if datagram not in seen or view.when(slot) - seen[datagram] > CAPTURE_COPY:
                found.append(slot)
            seen[datagram] = view.when(slot)
            break
    return found


def _as_large(view: FlowView, slots: Sequence[int], control: FlowView) -> bool:
    """The control's datagrams were as large as those that vanished, or those fit every path."""
    vanished = min(view.packet(s, "ip_length") for s in slots)
    return vanished <= LEAST_MTU or max((control.packet(s, "ip_length") for s in control.of(CLIENT)), default=0) >= vanished
