"""What shows that a packet of a flow was not sent by the server: the findings of design section 5, each on its own.

Rules of this file:
- A finding names its packets and says in one sentence why; `sufficient` is true only for what section 5 calls sufficient alone.
- TTL differences, DF, window 0, missing options on a reset and counts are never findings.
- Resets that any stack sends in answer to the client's own close (or after the server's) are no findings: their sequence number must be
  one that no stack would choose.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from itertools import pairwise
from math import gcd

from dpiprobe.flow.flows import CLIENT, CLIENT_HELLO, HTTP_REQUEST, SERVER, UNKNOWN
from dpiprobe.tls.alert import read_alert
from dpiprobe.tls.http import parse_response
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Evidence
from dpiprobe.verdict.outcome import FRAGMENTATION_NEEDED
from dpiprobe.verdict.timestamps import timestamps_of
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import ACK, FIN, ICMP, OPT_TIMESTAMPS, RST, SYN

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
REORDERING = 3_000_000
"""ns by which a later arrival must trail to be no reordering: half of RFC 4737's common spacing has no figure, so this stays unverified; a
quarter of the round trip is asked as well."""
IN_FLIGHT = 65_535
"""Bytes beyond all that the capture holds of the server's stream at which its reset may stand, as it may have overtaken data that then got lost: a
window without scaling (RFC 9293 section 3.1); the numbers of forged resets lie anywhere; policy."""
NAMED = 8
"""Packets of one finding whose numbers its sentence says; policy."""
ADMIN_PROHIBITED_4 = frozenset({9, 10, 13})
"""ICMP type 3 codes: network, host, communication administratively prohibited (RFC 1812 section 5.2.7.1)."""
ADMIN_PROHIBITED_6 = frozenset({1, 5, 6})
"""ICMPv6 type 1 codes: administratively prohibited, failed policy, reject route (RFC 4443 section 3.1)."""


def ms(ns: float) -> str:
    """A duration in plain words."""
    return f"{ns / 1e6:.1f} ms" if ns < 1e9 else f"{ns / 1e9:.1f} s"


RULES = (
    "early_arrivals", "answers_after_reset", "impossible_sequences", "missing_timestamps", "conflicting_data", "prohibitions", "early_refusals",
)  # fmt: skip


def find(view: FlowView, samples: int, possible: Collection[str] = RULES) -> list[Evidence]:
    """All findings about one flow. samples: round-trip samples known for this server · possible: rules that may find something (`candidates`)"""
    resets = standing_resets(view) if "early_arrivals" in possible or "answers_after_reset" in possible else []
    return [
        *(early_arrivals(view, resets, samples) if "early_arrivals" in possible else ()),
        *(answers_after_reset(view, resets) if "answers_after_reset" in possible else ()),
        *(impossible_sequences(view) if "impossible_sequences" in possible else ()),
        *(missing_timestamps(view) if "missing_timestamps" in possible else ()),
        *(conflicting_data(view) if "conflicting_data" in possible else ()),
        *(prohibitions(view) if "prohibitions" in possible else ()),
        *(early_refusals(view, samples) if "early_refusals" in possible else ()),
    ]


def stack_would_choose(view: FlowView, slot: int) -> bool:
    """Whether a real stack of the server could give a reset this sequence number: an ACK number that the client sent before (RFC 9293
    section 3.5.2: a reset answers a segment with its ACK number), or the next number of the server's own stream."""
    raw = view.packet(slot, "seq")
    if view.client_acks.get(raw, slot) < slot:
        return True
    base = int(view.flows.server_base[view.f])
    if base < 0:
        return False
    top = max(view.server_reach[view.at(slot)], int(view.flows.server_next[slot]))
    return (raw - base - top) & 0xFFFFFFFF in (0, 1)


def standing_resets(view: FlowView) -> list[int]:
    """Resets from the server's or a stray address that are not plainly the consequence of a close."""
    out = []
    for slot in sorted(view.server_resets):
        closed = 0 <= view.closed_by_us < slot or 0 <= view.server_fin < slot or 0 <= view.client_rst < slot or 0 <= view.client_fin < slot
        if not closed:
            out.append(slot)
    return out


def early_arrivals(view: FlowView, resets: list[int], samples: int) -> list[Evidence]:
    """Packets that came before the server can have heard the trigger."""
    if view.rtt <= 0 or view.hello < 0:
        return []
    candidates = dict.fromkeys(resets, "rst")
    for slot in view.server_words:
        if slot <= view.hello or view.when(slot) - view.when(view.hello) > EARLY_FRACTION * view.rtt:
            continue
        speaks = view.flags[view.at(slot)] & FIN or (view.length[view.at(slot)] and _plaintext(view, slot))
        if speaks and not 0 <= view.closed_by_us < slot:
            candidates[slot] = content_technique(view, slot)
    found: list[Evidence] = []
    steady: bool | None = None  # what can be said of the flow's clock as a whole, asked at most once
    for slot, technique in sorted(candidates.items()):
        sent = _trigger_before(view, slot)
        if sent < 0:
            continue
        delay = view.when(slot) - view.when(sent)
        first = view.when(view.hello)
        if view.when(slot) - first > EARLY_FRACTION * view.rtt or delay < 0 or _echoes(view, slot):
            continue
        answers_it = _answers_trigger(view, slot)
        told = technique == "rst" or int(view.flows.timestamps[view.f]) == 1
        repeatable = answers_it and told and view.rtt >= LEAST_ROUND_TRIP and not _clock_ran_back(view, slot)
        if repeatable:
            steady = not _effect_before_cause(view) and not _clock_too_coarse(view) if steady is None else steady
            repeatable = steady
        sufficient = repeatable and samples >= EARLY_SAMPLES and not no_socket_reset(view, slot)
        what = "reset" if technique == "rst" else "answer"
        reason = f"{what} {ms(delay)} after the {trigger_word(view)}; smallest round trip to the server {ms(view.rtt)}"
        found.append(Evidence("early-arrival", technique, [slot], reason, sufficient, repeatable=repeatable))
    return _merged(view, found)


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
        if early and not (_clock_ran_back(view, slot) or _effect_before_cause(view) or _clock_too_coarse(view)):
            found.append(slot)
    if not found:
        return []
    delay = view.when(found[0]) - view.when(view.syn)
    reason = f"the SYN was refused {ms(delay)} after it was sent; smallest round trip to this address {ms(view.rtt)}: somebody nearer refused it"
    return [Evidence("early-refusal", "address.rst", found, reason, False)]


def _merged(view: FlowView, found: list[Evidence]) -> list[Evidence]:
    """One finding for each technique, the first packet's sentence, all packets: a signature may claim fewer, so their numbers stand in the sentence."""
    out: dict[tuple[str, bool, bool], Evidence] = {}
    for item in found:
        key = (item.technique, item.sufficient, item.repeatable)
        if key in out:
            out[key].slots.extend(item.slots)
        else:
            out[key] = item
    for item in out.values():
        if len(item.slots) > 1:
            numbers = [str(view.number(slot)) for slot in item.slots[:NAMED]]
            more = ", ..." if len(item.slots) > NAMED else ""
            item.reason = f"{len(item.slots)} packets ({', '.join(numbers)}{more}), the first: {item.reason}"
    return list(out.values())


def trigger_word(view: FlowView) -> str:
    return trigger_word_of(view.kind)


def trigger_word_of(kind: int) -> str:
    """What a trigger of this kind is called in sentences."""
    return "ClientHello" if kind == CLIENT_HELLO else "request" if kind == HTTP_REQUEST else "first data"


def _trigger_before(view: FlowView, slot: int) -> int:
    """The latest copy of the trigger before a slot, -1 where none."""
    before = bisect_left(view.trigger_copies, slot)
    return view.trigger_copies[before - 1] if before else -1


def _answers_trigger(view: FlowView, slot: int) -> bool:
    """The packet cannot answer anything earlier than the trigger: it acknowledges bytes of it, or it came sooner after the SYN/ACK than an
    answer to the handshake's last packet could (a lone SYN: a second one has answers of its own). Else an idle timeout, an overloaded
    server that resets what it has accepted, or a router that forgot the connection while the hello waited would look early."""
    if view.flags[view.at(slot)] & ACK and _acks_hello(view, slot):
        return True
    if view.flags[view.at(slot)] & ACK and view.acked[view.at(slot)] == view.hello_start:
        return False  # it answers what came just before the trigger, be it a second SYN that the capture missed
    if view.syn_ack < 0 or int(view.observed.flow_feature("syn_copies").data[view.f]) > 1:
        return False
    return view.when(slot) - view.when(view.syn_ack) < PROMPT * view.rtt


def _clock_ran_back(view: FlowView, slot: int) -> bool:
    """The capture's clock ran backwards in this flow up to the packet: delays mean nothing then."""
    if columns_of(view.observed).step_back[view.f] <= CLOCK_STEP:
        return False
    return any(b < a - CLOCK_STEP for a, b in pairwise(view.time[: view.at(slot) + 1]))


def _effect_before_cause(view: FlowView) -> bool:
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


def _clock_too_coarse(view: FlowView) -> bool:
    """The capture's clock ticks so slowly that a round trip is a matter of two ticks: all times are multiples of at least half of it."""
    return 2 * gcd(*view.time) >= view.rtt


def _acks_hello(view: FlowView, slot: int) -> bool:
    acked = view.acked[view.at(slot)]
    return view.hello_start < acked <= view.hello_end


def _echoes(view: FlowView, slot: int) -> bool:
    """The packet carries timestamps and echoes a value that the client sent in this connection (RFC 7323 section 3)."""
    echo = view.packet(slot, "ts_echo")
    if echo < 0:
        return False
    return any(view.packet(s, "ts_value") == echo for s in view.client_words if s < slot)


def _plaintext(view: FlowView, slot: int) -> bool:
    body = view.payload(slot)
    if not body:
        return False
    return view.kind == HTTP_REQUEST or read_alert(body) is not None or not 20 <= body[0] <= 24


def content_technique(view: FlowView, slot: int) -> str:
    """What kind of forged payload or close a packet would be."""
    body = view.payload(slot)
    if not body:
        return "fin" if view.flags[view.at(slot)] & FIN else "data"
    if read_alert(body) is not None and view.kind == CLIENT_HELLO:
        return "data.alert"
    head = parse_response(body)
    status = head.status if head is not None else None
    if status is not None and 300 <= status < 400:
        return "data.redirect"
    lowered = body[:4096].lower()
    if (status in (403, 451)) or b"<html" in lowered or b"<iframe" in lowered or b"<title" in lowered or b"<body" in lowered:
        return "data.blockpage"
    return "data"


def answers_after_reset(view: FlowView, resets: list[int]) -> list[Evidence]:
    """The server's answer after a reset in the server's name: whoever still answers did not reset.

    Not counted: data that lies before the reset's sequence number (the reset overtook it), and resets as any host sends them for a socket
    it does not know (an anycast flap looks so), as long as they are equal and no more than what the client had sent to provoke them.
    """
    if not resets or view.hello < 0:
        return []
    base = int(view.flows.server_base[view.f])
    lag = max(REORDERING, view.rtt // 4 if view.rtt > 0 else 0)
    for slot in view.server_words:
        i = view.at(slot)
        earlier = [r for r in resets if r < slot]
        if not earlier or not view.length[i] or view.flags[i] & SYN or _plaintext(view, slot) or _provoked(view, earlier):
            continue
        first = earlier[0]
        place = (view.packet(first, "seq") - base) & 0xFFFFFFFF if base >= 0 else 0
        overtaken = base >= 0 and view.end[i] <= place <= view.server_top + IN_FLIGHT
        if view.when(slot) - view.when(first) >= lag and not overtaken and view.acked[i] != UNKNOWN:
            reason = f"the server's answer came {ms(view.when(slot) - view.when(first))} after the reset"
            return [Evidence("genuine-answer-after", "rst.on-path", [*earlier[:8], slot], reason)]
    return []


def _provoked(view: FlowView, resets: list[int]) -> bool:
    """All of them are resets of a host without the socket, equal, at most one for each payload packet that the client had sent."""
    if not all(no_socket_reset(view, s) for s in resets) or len({view.packet(s, "seq") for s in resets}) > 1:
        return False
    sent = [s for s in view.client_words if s < resets[-1] and view.length[view.at(s)]]
    return view.lost or len(resets) <= max(len(sent), 1)


def no_socket_reset(view: FlowView, slot: int) -> bool:
    """A bare reset as any host sends it for a socket it does not know: no ACK flag, window 0, IP ID 0 (or IPv6), no options."""
    bare = not view.flags[view.at(slot)] & ACK and view.packet(slot, "window") == 0 and view.packet(slot, "options") == 0
    return bare and view.packet(slot, "ip_id") in (0, -1)


def impossible_sequences(view: FlowView) -> list[Evidence]:
    """Two or more resets with different sequence numbers that no stack of the server would choose (Weaver, Sommer, Paxson, NDSS 2009)."""
    odd = [s for s in sorted(view.server_resets) if s > view.syn_ack >= 0 and not stack_would_choose(view, s)]
    if len({view.packet(s, "seq") for s in odd}) < 2:
        return []
    if len(odd) < 2 or view.lost:
        return []
    reason = f"{len(odd)} resets whose sequence numbers no stack would choose: neither the next byte of the server nor anything the client acknowledged"
    if all(_echoes(view, s) for s in odd):  # packets of the server that were changed on the way keep its timestamps (techniques F3)
        return [Evidence("impossible-sequence", "rst.rewrite", odd, reason + ", and yet with this connection's timestamps: its own packets, changed")]
    return [Evidence("impossible-sequence", "rst", odd, reason)]


def missing_timestamps(view: FlowView) -> list[Evidence]:
    """Data or a close without timestamps in a connection that negotiated them (RFC 7323 section 3.2: every segment but a reset carries them)."""
    stamps = timestamps_of(view.observed)
    if not stamps.missing[view.f]:
        return []
    bare = [s for s in view.server_words if stamps.bare[s]]
    first = bare[0]
    technique = content_technique(view, first)
    what = "close" if technique == "fin" else "payload"
    reason = f"{what} without TCP timestamps, which this connection negotiated and the server's other packets carry"
    return [Evidence("timestamps-missing", technique, bare, reason)]


def conflicting_data(view: FlowView) -> list[Evidence]:
    """Two packets of the server that put different bytes into the same place of its stream."""
    conflict = [s for s in view.of(SERVER) if view.observed.suspects.overlapping[s]]
    if len(conflict) < 2 or view.hello < 0:
        return []
    forged = max(conflict, key=lambda s: (_strangeness(view, s), -s))
    technique = content_technique(view, forged)
    if technique == "fin":
        technique = "data"
    ordered = [forged, *[s for s in conflict if s != forged]]
    return [Evidence("conflicting-data", technique, ordered, "two answers with different bytes for the same place in the server's stream")]


def _strangeness(view: FlowView, slot: int) -> int:
    """How little a packet looks like the server's SYN/ACK: which of two conflicting ones is the forged one (description, not blame)."""
    score = 0
    if view.syn_ack >= 0:
        score += abs(view.packet(slot, "ttl") - view.packet(view.syn_ack, "ttl")) > 1
        score += 2 * (int(view.flows.timestamps[view.f]) == 1 and not view.packet(slot, "options") & OPT_TIMESTAMPS)
        score += view.packet(slot, "df") != view.packet(view.syn_ack, "df")
    return score


def prohibitions(view: FlowView) -> list[Evidence]:
    """ICMP errors from a machine that is not the server, quoting the trigger: administratively prohibited is sufficient alone; any other
    unreachable only says how the trigger was refused, where something else proves that it was."""
    if view.hello < 0:
        return []
    packets = view.flows.packets
    told, other = [], []
    for slot in view.errors:
        row = int(view.flows.row[slot])
        four = int(packets.protocol[row]) == ICMP
        if int(packets.icmp_type[row]) != (3 if four else 1) or not _quotes_trigger(view, row):
            continue
        code = int(packets.icmp_code[row])
        if code in (ADMIN_PROHIBITED_4 if four else ADMIN_PROHIBITED_6):
            told.append(slot)
        elif not four or code != FRAGMENTATION_NEEDED:
            other.append(slot)
    if told:
        return [Evidence("icmp-prohibited", "icmp", told, f"a router on the way says administratively prohibited and quotes the {trigger_word(view)}")]
    if other:
        return [Evidence("icmp-unreachable", "icmp", other, f"a router on the way says unreachable and quotes the {trigger_word(view)}", False)]
    return []


def _quotes_trigger(view: FlowView, row: int) -> bool:
    """The ICMP error in a row comes from neither end and quotes a segment of the client that carries bytes of the trigger."""
    packets, flows, f = view.flows.packets, view.flows, view.f
    q, base = int(packets.quote[row]), int(flows.client_base[f])
    sequence = int(packets.quotes.sequence[q])
    if sequence < 0 or base < 0 or int(packets.quotes.source[q]) != int(flows.client[f]):
        return False
    place = ((sequence - base + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    return view.hello_start <= place < view.hello_end and int(packets.source[row]) not in (int(flows.server[f]), int(flows.client[f]))
