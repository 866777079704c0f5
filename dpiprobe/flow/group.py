"""Which packets belong together: both directions of one connection or QUIC conversation, port reuse apart.

Rules of this file:
- It looks at addresses, ports and SYNs, never at payload beyond the long header of a QUIC packet.
- A SYN that does not repeat an earlier SYN's sequence number begins a new flow where its sender has spoken in this one before
  (so a mid-stream beginning, a retransmitted SYN and a simultaneous open stay what they are).
- A SYN that does repeat it begins a new flow where its sender has sent data since and the connection was closed or reset (probers
  that craft packets reuse both port and number; a SYN sent again after a refusal carries no news).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import tcp_flags
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, TCP, UDP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PORTS = 1 << 16
"""An endpoint is one number: address index * PORTS + port."""


@dataclass(slots=True)
class Grouped:
    """Slots sorted by flow, then by row; flows numbered by first packet.

    lower: 1 where the packet was sent by (for an ICMP error: quotes a packet of) the endpoint with the smaller key
    joined: 0 a packet of the two endpoints, 2 stray, 3 ICMP error (see `join.py`) · low_key, high_key, transport: per flow
    """

    row: Ints
    flow: Ints
    lower: Ints
    joined: Ints
    flow_count: int
    low_key: Ints
    high_key: Ints
    transport: Ints


def endpoint_keys(packets: Packets) -> tuple[Ints, Ints]:
    """Sender's and receiver's (address index, port) as one number each."""
    return packets.source * PORTS + packets.source_port, packets.destination * PORTS + packets.destination_port


def group(packets: Packets) -> Grouped:
    """Flows of all TCP connections and QUIC conversations in the capture, numbered by first packet."""
    sender, receiver = endpoint_keys(packets)
    low, high = np.minimum(sender, receiver), np.maximum(sender, receiver)
    members = np.flatnonzero((packets.protocol == TCP) | _quic_rows(packets, low, high))
    row = members[np.lexsort((high[members], low[members], packets.protocol[members]))]  # stable: rows stay in order
    new = np.ones(len(row), bool)
    if len(row):
        new[1:] = (np.diff(low[row]) != 0) | (np.diff(high[row]) != 0) | (np.diff(packets.protocol[row]) != 0)
    is_lower = sender[row] == low[row]
    new |= _reused(packets, row, np.cumsum(new) - 1, is_lower)
    begins = row[new]  # each flow's first row
    rank = np.empty(len(begins), np.int64)
    order = np.argsort(begins)
    rank[order] = np.arange(len(begins))
    flow = rank[np.cumsum(new) - 1]
    final = np.argsort(flow, kind="stable")
    begins = begins[order]
    return Grouped(
        row[final], flow[final], is_lower[final].astype(np.int64), np.zeros(len(row), np.int64), len(begins),
        low[begins], high[begins], packets.protocol[begins],
    )  # fmt: skip


def _reused(packets: Packets, row: Ints, conversation: Ints, is_lower: Bools) -> Bools:
    """Where a SYN begins a new flow inside a conversation."""
    new = np.zeros(len(row), bool)
    if not len(row):
        return new
    flags, seq = tcp_flags(packets, row), packets.seq[row]
    lone_syn = (flags & (SYN | ACK | RST)) == SYN
    starts = np.flatnonzero(np.concatenate(([True], np.diff(conversation) != 0)))
    later = np.flatnonzero(lone_syn)
    later = later[later != starts[conversation[later]]]
    talks = packets.payload_length[row] > 0
    lowers, low_data, all_data, ends = (_before(m) for m in (is_lower, is_lower & talks, talks, (flags & (FIN | RST)) != 0))
    state: dict[int, tuple[int, dict[bool, int]]] = {}  # conversation -> (where its current flow starts, SYN number of each side)
    for i in later.tolist():
        c, side = int(conversation[i]), bool(is_lower[i])
        if c in state:
            begin, syns = state[c]
        else:
            begin = int(starts[c])
            syns = {bool(is_lower[begin]): int(seq[begin])} if lone_syn[begin] else {}
        low_spoke = lowers[i] - lowers[begin]
        low_talked = low_data[i] - low_data[begin]
        spoke = low_spoke if side else i - begin - low_spoke
        talked = low_talked if side else all_data[i] - all_data[begin] - low_talked
        repeats = syns.get(side) == int(seq[i])
        if (spoke and not repeats) or (repeats and talked and ends[i] > ends[begin]):
            new[i] = True
            state[c] = (i, {side: int(seq[i])})
        else:
            syns[side] = int(seq[i])
            state[c] = (begin, syns)
    return new


def _before(mask: Bools) -> Ints:
    """How many of all slots before each one hold."""
    return np.asarray(np.cumsum(mask) - mask, np.int64)


def _quic_rows(packets: Packets, low: Ints, high: Ints) -> Bools:
    """UDP packets of conversations in which somebody sent a QUIC long header (RFC 9000 section 17.2: form and fixed bit, then a known version)."""
    out = np.zeros(len(packets), bool)
    udp = np.flatnonzero(packets.protocol == UDP)
    long_enough = packets.payload_captured[udp] >= 7
    if not long_enough.any():
        return out
    arena = np.frombuffer(packets.arena, np.uint8)
    at = np.where(long_enough, packets.payload_offset[udp], 0)
    first = arena[at].astype(np.int64)
    version = sum(arena[at + 1 + i].astype(np.int64) << (24 - 8 * i) for i in range(4))
    known = (version == 1) | (version == 0x6B3343CF) | ((version & 0xFFFFFF00) == 0xFF000000)  # v1 RFC 9000, v2 RFC 9369, drafts
    long_header = long_enough & ((first & 0xC0) == 0xC0) & known & (arena[at + 5] <= 20)  # RFC 9000 17.2: connection ids of 20 bytes at most
    lows, highs = (np.unique(keys[udp], return_inverse=True)[1] for keys in (low, high))
    pair = lows * (int(highs.max()) + 1) + highs
    out[udp[np.isin(pair, pair[long_header])]] = True
    return out
