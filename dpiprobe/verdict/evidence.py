"""What shows that a packet of a flow was not sent by the server: the findings of design section 5, each on its own.

Rules of this file:
- A finding names its packets and says in one sentence why; `sufficient` is true only for what section 5 calls sufficient alone.
- TTL differences, DF, window 0, missing options on a reset and counts are never findings.
- Resets that any stack sends in answer to the client's own close (or after the server's) are no findings: their sequence number must be
  one that no stack would choose.
"""

from __future__ import annotations

from typing import Any

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST
from dpiprobe.verdict.model import Evidence
from dpiprobe.verdict.outcome import FRAGMENTATION_NEEDED
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import ACK, ICMP

ADMIN_PROHIBITED_4 = frozenset({9, 10, 13})
"""ICMP type 3 codes: network, host, communication administratively prohibited (RFC 1812 section 5.2.7.1)."""
ADMIN_PROHIBITED_6 = frozenset({1, 5, 6})
"""ICMPv6 type 1 codes: administratively prohibited, failed policy, reject route (RFC 4443 section 3.1)."""


def ms(ns: float) -> str:
    """A duration in plain words."""
    return f"{ns / 1e6:.1f} ms" if ns < 1e9 else f"{ns / 1e9:.1f} s"


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


def trigger_word(view: FlowView) -> str:
    return trigger_word_of(view.kind)


def trigger_word_of(kind: int) -> str:
    """What a trigger of this kind is called in sentences."""
    return "ClientHello" if kind == CLIENT_HELLO else "request" if kind == HTTP_REQUEST else "first data"


def echoes(view: FlowView, slot: int) -> bool:
    """The packet carries timestamps and echoes a value that the client sent in this connection (RFC 7323 section 3)."""
    echo = view.packet(slot, "ts_echo")
    if echo < 0:
        return False
    return any(view.packet(s, "ts_value") == echo for s in view.client_words if s < slot)


def no_socket_reset(view: FlowView, slot: int) -> bool:
    """A bare reset as any host sends it for a socket it does not know: no ACK flag, window 0, IP ID 0 (or IPv6), no options."""
    return bool(of_no_socket(view.flags[view.at(slot)], view.packet(slot, "window"), view.packet(slot, "options"), view.packet(slot, "ip_id")))


def of_no_socket(flags: Any, window: Any, options: Any, ip_id: Any) -> Any:
    """The same of fields of resets: of one, or of many in columns."""
    return (flags & ACK == 0) & (window == 0) & (options == 0) & ((ip_id == 0) | (ip_id == -1))


def impossible_sequences(view: FlowView) -> list[Evidence]:
    """Two or more resets with different sequence numbers that no stack of the server would choose (Weaver, Sommer, Paxson, NDSS 2009)."""
    odd = [s for s in sorted(view.server_resets) if s > view.syn_ack >= 0 and not stack_would_choose(view, s)]
    if len({view.packet(s, "seq") for s in odd}) < 2:
        return []
    if len(odd) < 2 or view.lost:
        return []
    reason = f"{len(odd)} resets whose sequence numbers no stack would choose: neither the next byte of the server nor anything the client acknowledged"
    if all(echoes(view, s) for s in odd):  # packets of the server that were changed on the way keep its timestamps (techniques F3)
        return [Evidence("impossible-sequence", "rst.rewrite", odd, reason + ", and yet with this connection's timestamps: its own packets, changed")]
    return [Evidence("impossible-sequence", "rst", odd, reason)]


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
