"""The rules that `findings_of` asks of all flows at once, in their plain form: one flow after the other, as design section 5 says them."""

from __future__ import annotations

from bisect import bisect_left

from dpiprobe.flow.flows import HTTP_REQUEST, SERVER, UNKNOWN
from dpiprobe.tls.alert import read_alert
from dpiprobe.verdict.after_reset import IN_FLIGHT, REORDERING
from dpiprobe.verdict.contents import content_technique
from dpiprobe.verdict.early import (
    EARLY_FRACTION,
    EARLY_SAMPLES,
    LEAST_ROUND_TRIP,
    PROMPT,
    clock_ran_back,
    clock_too_coarse,
    early_refusals,
    effect_before_cause,
)
from dpiprobe.verdict.evidence import echoes, impossible_sequences, no_socket_reset, prohibitions
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import ACK, FIN, OPT_TIMESTAMPS, RST, SYN

Told = tuple[str, str, tuple[int, ...], bool, bool]
"""Kind, technique, slots, sufficient, repeatable."""


def plain(view: FlowView, samples: int) -> list[Told]:
    """What speaks in one flow."""
    resets = standing_resets(view)
    early = [
        ("early-arrival", technique, tuple(slots), sufficient, repeatable)
        for (technique, sufficient, repeatable), slots in early_arrivals(view, resets, samples).items()
    ]
    alone = [*impossible_sequences(view), *prohibitions(view), *early_refusals(view, samples)]
    told = [(e.kind, e.technique, tuple(e.slots), e.sufficient, e.repeatable) for e in alone]
    return [*early, *answers_after_reset(view, resets), *missing_timestamps(view), *conflicting_data(view), *told]


def standing_resets(view: FlowView) -> list[int]:
    """Resets from the server's or a stray address that are not plainly the consequence of a close."""
    out = []
    for slot in sorted(view.server_resets):
        closed = 0 <= view.closed_by_us < slot or 0 <= view.server_fin < slot or 0 <= view.client_rst < slot or 0 <= view.client_fin < slot
        if not closed:
            out.append(slot)
    return out


def trigger_copies(view: FlowView) -> list[int]:
    """Slots of the client's packets that carry bytes of the trigger, ascending."""
    return [
        s for s in view.client_words
        if view.length[view.at(s)] and view.offset[view.at(s)] < view.hello_end and view.end[view.at(s)] > view.hello_start
    ]  # fmt: skip


def early_arrivals(view: FlowView, resets: list[int], samples: int) -> dict[tuple[str, bool, bool], list[int]]:
    if view.rtt <= 0 or view.hello < 0:
        return {}
    candidates = dict.fromkeys(resets, "rst")
    for slot in view.server_words:
        if slot <= view.hello:
            continue
        speaks = view.flags[view.at(slot)] & FIN or (view.length[view.at(slot)] and plaintext(view, slot))
        if speaks and not 0 <= view.closed_by_us < slot:
            candidates[slot] = content_technique(view, slot)
    found: dict[tuple[str, bool, bool], list[int]] = {}
    for slot, technique in sorted(candidates.items()):
        copies = trigger_copies(view)
        before = bisect_left(copies, slot)
        if not before or view.when(slot) - view.when(view.hello) > EARLY_FRACTION * view.rtt or echoes(view, slot):
            continue
        if view.when(slot) < view.when(copies[before - 1]):
            continue
        told = technique == "rst" or int(view.flows.timestamps[view.f]) == 1
        steady = not effect_before_cause(view) and not clock_too_coarse(view) and not clock_ran_back(view, slot)
        repeatable = answers_trigger(view, slot) and told and view.rtt >= LEAST_ROUND_TRIP and steady
        sufficient = repeatable and samples >= EARLY_SAMPLES and not no_socket_reset(view, slot)
        found.setdefault((technique, sufficient, repeatable), []).append(slot)
    return found


def answers_trigger(view: FlowView, slot: int) -> bool:
    acked, acks = view.acked[view.at(slot)], view.flags[view.at(slot)] & ACK
    if acks and view.hello_start < acked <= view.hello_end:
        return True
    if acks and acked == view.hello_start:
        return False
    if view.syn_ack < 0 or int(view.observed.flow_feature("syn_copies").data[view.f]) > 1:
        return False
    return view.when(slot) - view.when(view.syn_ack) < PROMPT * view.rtt


def plaintext(view: FlowView, slot: int) -> bool:
    body = view.payload(slot)
    return bool(body) and (view.kind == HTTP_REQUEST or read_alert(body) is not None or not 20 <= body[0] <= 24)


def answers_after_reset(view: FlowView, resets: list[int]) -> list[Told]:
    if not resets or view.hello < 0:
        return []
    base = int(view.flows.server_base[view.f])
    lag = max(REORDERING, view.rtt // 4 if view.rtt > 0 else 0)
    for slot in view.server_words:
        i = view.at(slot)
        earlier = [r for r in resets if r < slot]
        if not earlier or not view.length[i] or view.flags[i] & SYN or plaintext(view, slot) or provoked(view, earlier):
            continue
        place = (view.packet(earlier[0], "seq") - base) & 0xFFFFFFFF if base >= 0 else 0
        overtaken = base >= 0 and view.end[i] <= place <= view.server_top + IN_FLIGHT
        if view.when(slot) - view.when(earlier[0]) >= lag and not overtaken and view.acked[i] != UNKNOWN:
            return [("genuine-answer-after", "rst.on-path", (*earlier[:8], slot), True, False)]
    return []


def provoked(view: FlowView, resets: list[int]) -> bool:
    if not all(no_socket_reset(view, s) for s in resets) or len({view.packet(s, "seq") for s in resets}) > 1:
        return False
    sent = [s for s in view.client_words if s < resets[-1] and view.length[view.at(s)]]
    return view.lost or len(resets) <= max(len(sent), 1)


def missing_timestamps(view: FlowView) -> list[Told]:
    if int(view.flows.timestamps[view.f]) != 1 or view.hello < 0:
        return []
    speaking = [s for s in view.of(SERVER) if not view.flags[view.at(s)] & (RST | SYN) and s >= view.hello]
    bare = [
        s for s in speaking
        if (view.length[view.at(s)] or view.flags[view.at(s)] & FIN) and not view.packet(s, "options") & OPT_TIMESTAMPS
    ]  # fmt: skip
    if not bare or not any(view.packet(s, "options") & OPT_TIMESTAMPS for s in view.server_words):
        return []
    return [("timestamps-missing", content_technique(view, bare[0]), tuple(bare), True, False)]


def conflicting_data(view: FlowView) -> list[Told]:
    conflict = [s for s in view.of(SERVER) if view.observed.suspects.overlapping[s]]
    if len(conflict) < 2 or view.hello < 0:
        return []
    forged = max(conflict, key=lambda s: (strangeness(view, s), -s))
    technique = content_technique(view, forged)
    ordered = (forged, *[s for s in conflict if s != forged])
    return [("conflicting-data", "data" if technique == "fin" else technique, ordered, True, False)]


def strangeness(view: FlowView, slot: int) -> int:
    if view.syn_ack < 0:
        return 0
    score = int(abs(view.packet(slot, "ttl") - view.packet(view.syn_ack, "ttl")) > 1)
    score += 2 * (int(view.flows.timestamps[view.f]) == 1 and not view.packet(slot, "options") & OPT_TIMESTAMPS)
    return score + (view.packet(slot, "df") != view.packet(view.syn_ack, "df"))
