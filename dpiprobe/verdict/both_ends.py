"""What only two captures of the same connections can tell: which packets an end received that the other end never sent.

Rules of this file:
- Connections are joined by their ports and the client's initial sequence number; addresses may differ (NAT on the way), clocks too.
  Where the initial numbers differ somebody on the way ended one connection and began another: a terminating proxy.
- A packet was sent by the other end if its capture holds one with the same sequence number, reset/close flags (of resets the ACK flag too:
  a socket that is gone answers without, one that is reset with it) and length. What was sent clears the server; what was not accuses somebody on the way.
- The server's capture must cover the connection and be whole for it; absence in a capture with holes proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from dpiprobe.flow.flows import CLIENT, CLIENT_HELLO, QUIC_INITIAL, SERVER, UNKNOWN
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.contents import content_technique
from dpiprobe.verdict.model import Evidence, Outcome
from dpiprobe.verdict.outcome import UNACKED_COPIES, UNACKED_SPAN
from dpiprobe.verdict.quic import copies_of_the_hello
from dpiprobe.verdict.vanished import LEAST_MTU
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import ACK, FIN, RST


@dataclass(slots=True)
class Ends:
    """What the second capture says of one flow of the first. partner: the flow there, -1 none · cleared: the server itself sent what ended the flow
    shows: words of `signature.words.BOTH_ENDS`"""

    partner: int = -1
    evidence: list[Evidence] = field(default_factory=list)
    cleared: str | None = None
    direction: str = "unknown"
    shows: frozenset[str] = frozenset()


def compare_ends(near: Observed, far: Observed, outcomes: Sequence[Outcome]) -> dict[int, Ends]:
    """Per flow of the client's capture: findings and clearances from the server's."""
    partners = join(near, far)
    hellos = _hellos(far)
    out: dict[int, Ends] = {}
    arrived = _initials(far)
    proxied = [f for f in range(len(near.flows)) if f not in partners and _relayed(near, f, hellos) is not None]
    for f in range(len(near.flows)):
        view = FlowView(near, f)
        if int(near.flows.trigger_kind[f]) == QUIC_INITIAL:
            if outcomes[f].word == "silent" and arrived:
                out[f] = _datagrams_on_the_way(view, far, arrived)
        elif f in partners:
            out[f] = _pair(view, FlowView(far, partners[f]), outcomes[f])
        elif proxied or hellos:
            out[f] = _unpaired(view, far, hellos, proxied, outcomes[f])
    _once_only(near, out, outcomes)
    return out


def join(near: Observed, far: Observed) -> dict[int, int]:
    """Flows of the client's capture -> flows of the server's: same server port and same initial sequence number of the client (a port kept
    by NAT decides between equals)."""
    index: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for g in range(len(far.flows)):
        if far.flows.client_base[g] >= 0:
            index[int(far.flows.transport[g]), int(far.flows.server_port[g]), int(far.flows.client_base[g])].append(g)
    out: dict[int, int] = {}
    for f in range(len(near.flows)):
        key = (int(near.flows.transport[f]), int(near.flows.server_port[f]), int(near.flows.client_base[f]))
        fits = index.get(key, [])
        same_port = [g for g in fits if far.flows.client_port[g] == near.flows.client_port[f]]
        if fits:
            out[f] = (same_port or fits)[0]
    return out


def _random(observed: Observed, f: int) -> bytes | None:
    """The 32 random bytes of a flow's ClientHello (RFC 8446 section 4.1.2): they tell a copy of a hello from another hello."""
    flows = observed.flows
    if int(flows.trigger_kind[f]) != CLIENT_HELLO or flows.hello[f] < 0:
        return None
    body = flows.packets.payload(int(flows.row[flows.hello[f]]))
    at = int(flows.hello_start[f]) - int(flows.offset[flows.hello[f]]) + 11
    return body[at : at + 32] if len(body) >= at + 32 else None


def _name(observed: Observed, f: int) -> str | None:
    trigger = observed.flows.triggers[f]
    return trigger.server_name if trigger else None


Hellos = dict[tuple[bytes, str | None], int]


def _hellos(far: Observed) -> Hellos:
    return {(random, _name(far, g)): g for g in range(len(far.flows)) if (random := _random(far, g)) is not None}


def _relayed(near: Observed, f: int, hellos: Hellos) -> int | None:
    """The far flow that carries the same hello, name included, in another connection (a prober may send one hello with several names)."""
    random = _random(near, f)
    return hellos.get((random, _name(near, f))) if random is not None else None


def _pair(near: FlowView, far: FlowView, outcome: Outcome) -> Ends:
    ends = Ends(partner=far.f)
    if far.lost or near.lost:
        return ends
    forged = _received_not_sent(near, far, SERVER)
    if forged:
        ends.evidence.append(_forged_in_the_servers_name(near, far, forged))
    spoofed = _received_not_sent(far, near, CLIENT)
    if spoofed:
        numbers = [far.number(s) for s in spoofed]
        arrived = far.hello_done >= 0
        technique = "rst.on-path" if arrived else "rst"
        reason = f"the server received resets in the client's name that the client never sent (packets {_list(numbers)} of the server's capture)"
        where = [near.hello] if near.hello >= 0 else [near.slots.start]
        ends.evidence.append(Evidence("not-sent-by-client", technique, where, reason, True, "high", server_packets=numbers))
    rewritten = any(e.technique == "rst.rewrite" for e in ends.evidence)
    to_client, to_server = bool(forged) and not rewritten, bool(spoofed)
    told = "forged-to-both" if to_client and to_server else "forged-to-client" if to_client else "forged-to-server" if to_server else None
    ends.shows = frozenset(word for word in (told, "rewritten" if rewritten else None) if word)
    if near.hello >= 0 and near.hello_done >= 0:
        _hello_on_the_way(near, far, outcome, ends)
    if outcome.slot >= 0 and outcome.word in ("reset", "closed", "alert", "page", "refused") and not ends.evidence and _sent(near, far, outcome.slot):
        ends.cleared = f"the server's own capture shows that the server sent packet {near.number(outcome.slot)}"
    return ends


def _hello_on_the_way(near: FlowView, far: FlowView, outcome: Outcome, ends: Ends) -> None:
    """Where an unacknowledged hello was lost: before the server, or its answer on the way back."""
    if outcome.word == "silent" and near.ack_end >= 0:
        _answer_on_the_way(near, far, ends)
        return
    facts = near.observed.facts
    unheard = int(facts.unacked[near.f]) != UNKNOWN and int(facts.copies[near.f]) >= UNACKED_COPIES
    if not unheard or outcome.word not in ("silent", "stalled", "unreachable"):
        return
    first, last = int(facts.first_copy[near.f]), int(facts.last_copy[near.f])
    if near.when(last) - near.when(first) < UNACKED_SPAN:
        return
    slots = [first, last]
    copies = int(facts.copies[near.f])
    if far.hello_done < 0:
        ends.direction = "to-server"
        reason = f"{copies} copies of the end of the hello left the client and none reached the server"
    elif any(far.acked[far.at(s)] >= near.hello_end for s in far.server_words):
        ends.direction = "to-client"
        reason = f"the server received and acknowledged the hello (packet {far.number(far.hello_done)} of its capture); nothing of that reached the client"
    else:
        return
    ends.evidence.append(Evidence("lost-between-the-ends", "drop.hello", slots, reason, True, "high"))


def _answer_on_the_way(near: FlowView, far: FlowView, ends: Ends) -> None:
    """The client's end heard the acknowledgement of its hello and no answer, while the server sent one again and again."""
    sent = [s for s in far.server_words if far.length[far.at(s)] and far.offset[far.at(s)] <= 0 < far.end[far.at(s)]]
    if near.answer >= 0 or len(sent) < UNACKED_COPIES or far.when(sent[-1]) - far.when(sent[0]) < UNACKED_SPAN:
        return
    if min(far.packet(s, "ip_length") for s in sent) > max(LEAST_MTU, _largest_arrival(near)):
        return  # a path that loses large packets would do
    ends.direction = "to-client"
    numbers = [far.number(s) for s in sent]
    reason = f"the server sent its answer {len(sent)} times (packets {_list(numbers)} of its capture); none reached the client"
    ends.evidence.append(Evidence("lost-between-the-ends", "drop.answer", [near.hello, near.ack_end], reason, True, "high", server_packets=numbers))


def _largest_arrival(near: FlowView) -> int:
    """Bytes of IP of the largest packet that this server ever got through to the client."""
    flows = near.flows
    rows = (flows.server[flows.flow] == flows.server[near.f]) & (flows.origin == SERVER)
    return int(flows.packets.ip_length[flows.row[rows]].max(initial=0))


def _once_only(near: Observed, out: dict[int, Ends], outcomes: Sequence[Outcome]) -> None:
    """What was lost between the ends in one trial alone, of a name that worked in others, a path does that is dead for a while."""
    flows = near.flows
    groups: dict[tuple[int, int, int, str | None], list[int]] = defaultdict(list)
    for f, trigger in enumerate(flows.triggers):
        groups[int(flows.client[f]), int(flows.server[f]), int(flows.server_port[f]), trigger.server_name if trigger else None].append(f)
    for group in groups.values():
        lost = [(f, e) for f in group if f in out for e in out[f].evidence if e.kind == "lost-between-the-ends"]
        if len({f for f, _ in lost}) == 1 and any(outcomes[f].word == "worked" for f in group):
            lost[0][1].sufficient = False
            lost[0][1].reason += "; in this trial alone, while the name worked in others"


def _received_not_sent(receiver: FlowView, sender: FlowView, origin: int) -> list[int]:
    """Resets, closes and payload that one end received in the other's name and the other's capture does not hold (slots of the receiver)."""
    out = []
    for slot in receiver.of(origin):
        i = receiver.at(slot)
        if not (receiver.flags[i] & RST or (origin == SERVER and (receiver.flags[i] & FIN or receiver.length[i]))):
            continue
        if not _sent(receiver, sender, slot):
            out.append(slot)
    return out


def _sent(receiver: FlowView, sender: FlowView, slot: int) -> bool:
    """The sender's capture holds a packet with this sequence number, these reset and close flags, and at least these bytes (segments may be
    merged or split on the way)."""
    i = receiver.at(slot)
    seq, flags, origin = receiver.packet(slot, "seq"), receiver.flags[i] & (RST | FIN), receiver.origin[i]
    if flags & RST:
        kind = receiver.flags[i] & (RST | ACK)
        return any(sender.flags[sender.at(s)] & (RST | ACK) == kind and sender.packet(s, "seq") == seq for s in sender.of(origin))
    begin, end = receiver.offset[i], receiver.end[i]
    covered = begin
    for s in sorted(sender.of(origin), key=lambda s: sender.offset[sender.at(s)]):
        j = sender.at(s)
        if sender.flags[j] & RST or sender.offset[j] == UNKNOWN:
            continue
        if sender.offset[j] <= covered < sender.end[j]:
            covered = sender.end[j]
    if covered < end:
        return False
    if not flags & FIN:
        return True
    return any(sender.flags[sender.at(s)] & FIN and sender.end[sender.at(s)] == end for s in sender.of(origin))


def _forged_in_the_servers_name(near: FlowView, far: FlowView, forged: list[int]) -> Evidence:
    first = forged[0]
    is_reset = bool(near.flags[near.at(first)] & RST)
    technique = "rst" if is_reset else content_technique(near, first)
    if is_reset and _rewritten(near, far, first):
        technique = "rst.rewrite"
    elif is_reset and far.hello_done >= 0:
        technique = "rst.on-path"
    elif is_reset and near.hello_done >= 0 and far.hello_done < 0:
        technique = "rst.in-path"
    elif is_reset and near.hello < 0:
        technique = "address.rst"
    numbers = [near.number(s) for s in forged]
    reason = f"the client received packets {_list(numbers)} in the server's name; the server's own capture does not hold them: it never sent them"
    if technique == "rst.rewrite":
        reason += "; its own packet at that place carried data, not a reset"
    return Evidence("not-sent-by-server", technique, forged, reason, True, "high")


def _rewritten(near: FlowView, far: FlowView, slot: int) -> bool:
    """The server sent a packet with this reset's sequence number and mark, it was no reset, and it did not arrive as itself. The mark is the IP ID,
    or the TCP timestamp where there is none (IPv6, a cloud that writes zeros)."""
    for mark in ("ip_id", "ts_value"):
        if near.packet(slot, mark) > 0:
            break
    else:
        return False
    told = (near.packet(slot, "seq"), near.packet(slot, mark))
    sent = any((far.packet(s, "seq"), far.packet(s, mark)) == told for s in far.server_words)
    arrived = any((near.packet(s, "seq"), near.packet(s, mark)) == told and near.length[near.at(s)] for s in near.server_words)
    return sent and not arrived


def _initials(far: Observed) -> dict[bytes, int]:
    """Datagrams that clients of QUIC conversations sent, as they came to the server -> the flow there: addresses may have changed, bytes have not."""
    flows = far.flows
    quic = [g for g in range(len(flows)) if int(flows.trigger_kind[g]) == QUIC_INITIAL]
    return {flows.packets.payload(int(flows.row[s])): g for g in quic for s in flows.slots(g) if flows.origin[s] == CLIENT}


def _datagrams_on_the_way(near: FlowView, far: Observed, arrived: dict[bytes, int]) -> Ends:
    """Where Initials that nobody answered were lost: before the server, or its answer on the way back; else the server said nothing."""
    copies = copies_of_the_hello(near)
    found = [(s, arrived[body]) for s in copies if (body := near.payload(s)) in arrived]
    ends = Ends(partner=found[0][1] if found else -1)
    enough = len(copies) >= UNACKED_COPIES and near.when(copies[-1]) - near.when(copies[0]) >= UNACKED_SPAN
    if found:
        flows = far.flows
        answers = [s for s in flows.slots(ends.partner) if flows.origin[s] == SERVER]
        if answers and len(answers) >= UNACKED_COPIES:
            ends.direction = "to-client"
            reason = f"the server answered the Initial in packets {_list([flows.number(s) for s in answers])} of its capture; none reached the client"
        elif answers:
            return ends
        else:
            ends.cleared = f"the server's own capture shows that the Initial in packet {near.number(found[0][0])} reached it, and that it said nothing"
            return ends
    elif enough and _others_arrived(near, arrived, near.when(copies[0]), near.when(copies[-1])):
        ends.direction = "to-server"
        reason = f"{len(copies)} Initials left the client and none reached the server, while those of other conversations did before and after"
    else:
        return ends
    ends.evidence.append(Evidence("lost-between-the-ends", "quic.drop", [copies[0], copies[-1]], reason, True, "high"))
    return ends


def _others_arrived(near: FlowView, arrived: dict[bytes, int], first: int, last: int) -> bool:
    """Datagrams of the same client to the same port reached the server before and after this time."""
    flows, f = near.flows, near.f
    like = [
        g for g in range(len(flows))
        if g != f and flows.client[g] == flows.client[f] and flows.server[g] == flows.server[f] and flows.server_port[g] == flows.server_port[f]
    ]  # fmt: skip
    times = [flows.time(s) for g in like for s in flows.slots(g) if flows.origin[s] == CLIENT and flows.packets.payload(int(flows.row[s])) in arrived]
    return any(t < first for t in times) and any(t > last for t in times)


def _unpaired(near: FlowView, far: Observed, hellos: Hellos, proxied: list[int], outcome: Outcome) -> Ends:
    """A connection of the client that the server never had: TCP ended on the way."""
    ends = Ends()
    if near.syn_ack < 0 or near.hello < 0:
        return ends
    relayed = _relayed(near.observed, near.f, hellos)
    if relayed is not None:
        return ends  # a relay passed the hello on unchanged: the name was let through
    name = near.trigger.server_name if near.trigger else None
    reborn = [g for g in range(len(far.flows)) if (t := far.flows.triggers[g]) is not None and t.kind == CLIENT_HELLO and t.server_name == name and name]
    random = _random(near.observed, near.f)
    if outcome.word == "worked" and reborn and random is not None and near.kind == CLIENT_HELLO:
        if near.observed.flows.triggers[near.f].ja4 != far.flows.triggers[reborn[0]].ja4:  # type: ignore[union-attr]
            reason = "the server received another ClientHello for this name, with another fingerprint, and never this connection: TLS ended on the way"
            ends.evidence.append(Evidence("hello-replaced", "mitm", [near.hello, near.answer], reason, True, "high"))
        return ends
    technique = {"closed": "proxy.close", "reset": "proxy.close", "alert": "proxy.alert", "silent": "proxy.drop"}.get(outcome.word)
    if technique and (proxied or reborn):
        reason = "the server never had this connection: somebody on the way completed the client's handshake"
        if proxied:
            reason += f" (and relays other names: flow {proxied[0] + 1})"
        ends.evidence.append(Evidence("ended-on-the-way", technique, [near.syn_ack, max(outcome.slot, near.hello)], reason, True, "high"))
    return ends


def _list(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(n) for n in numbers[:6])
    return shown + (", ..." if len(numbers) > 6 else "")
