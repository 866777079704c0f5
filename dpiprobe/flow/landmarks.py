"""Landmarks of all flows: which packets open, ask, answer and close, how far each side acknowledged, how long a round trip takes.

Rules of this file:
- Everything is computed for all flows at once; `landmark_loop.py` says the same flow by flow.
- Round trips come from packets that nobody can suspect: SYN/ACKs, and acknowledgements that are neither reset, close, alert nor
  plaintext; a segment sent more than once gives no sample (Karn's algorithm, RFC 6298 section 3).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, CLIENT_HELLO, SERVER, UNKNOWN
from dpiprobe.flow.segments import count_where, first_where, last_where, max_where, running_max, shifted
from dpiprobe.flow.stream import Streams
from dpiprobe.wire.packets import ACK, FIN, RST, SYN, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_KEY = 1 << 34
"""Larger than any stream end, so that flow and end make one number."""


def landmarks(
    packets: Packets, row: Ints, flow: Ints, of: Streams, duplicate: Ints, hello_start: Ints, hello_end: Ints, kinds: Ints
) -> dict[str, Ints]:
    """Columns of `Flows`, by name."""
    count, origin, flags, length, offset, end, acked = len(kinds), of.origin, of.flags, of.length, of.offset, of.end, of.acked
    client, server = origin == CLIENT, origin == SERVER
    own = duplicate == 0
    slot = np.arange(len(row))

    def first(mask: Bools) -> Ints:
        return first_where(mask & own, flow, count)

    syn_only = client & ((flags & (SYN | ACK | RST)) == SYN)
    syn = first(syn_only)
    syn_ack_any = server & ((flags & (SYN | ACK | RST)) == (SYN | ACK))
    believed = syn_ack_any & (((packets.seq[row] + 1) & 0xFFFFFFFF) == of.server_base[flow])
    syn_ack = first(believed)
    syn_ack = np.where(syn_ack >= 0, syn_ack, first(syn_ack_any))
    before_syn_ack = syn_only & ((syn_ack[flow] < 0) | (slot < syn_ack[flow]))
    last_syn = last_where(before_syn_ack, flow, count)
    plain = (flags & (SYN | RST)) == 0
    handshake = first(client & plain & ((flags & ACK) != 0) & (acked >= 0) & (syn_ack[flow] >= 0) & (slot > syn_ack[flow]))

    has = hello_start[flow] != UNKNOWN
    speaks = client & has & ((flags & RST) == 0) & (length > 0)
    hello = first(speaks & (offset <= hello_start[flow]) & (end > hello_start[flow]))
    hello_done = first(speaks & (of.client_after >= hello_end[flow]) & (slot >= hello[flow]))
    after_hello = (hello[flow] >= 0) & (slot > hello[flow])
    answer = first(
        server
        & (length > 0)
        & ((flags & RST) == 0)
        & after_hello
        & (end > of.server_next[np.maximum(hello, 0)][flow] if len(row) else after_hello)
    )
    server_word = server & ((flags & RST) == 0) & (acked != UNKNOWN)
    ack_end = first(server_word & after_hello & (acked >= hello_end[flow]))
    rtt, samples = _round_trips(packets, row, flow, of, duplicate, syn_ack, last_syn, kinds, count)
    return {
        "syn": syn, "last_syn": last_syn, "syn_ack": syn_ack, "handshake": handshake,
        "hello": hello, "hello_done": hello_done, "answer": answer, "ack_end": ack_end,
        "client_fin": first(client & ((flags & FIN) != 0)), "server_fin": first(server & ((flags & FIN) != 0)),
        "client_rst": first(client & ((flags & RST) != 0)), "server_rst": first(server & ((flags & RST) != 0)),
        "server_acked": max_where(server_word, acked, flow, count, UNKNOWN),
        "client_acked": max_where(client & ((flags & RST) == 0) & (acked != UNKNOWN), acked, flow, count, UNKNOWN),
        "client_seen": max_where(client, of.client_after, flow, count, 0), "server_seen": max_where(server, of.server_after, flow, count, 0),
        "rtt": rtt, "rtt_samples": samples, "timestamps": _timestamps(packets, row, flow, of, syn, syn_ack, count),
    }  # fmt: skip


def _round_trips(
    packets: Packets, row: Ints, flow: Ints, of: Streams, duplicate: Ints, syn_ack: Ints, last_syn: Ints, kinds: Ints, count: int
) -> tuple[Ints, Ints]:
    """Smallest round trip of each flow in ns (-1 where none) and how many samples it rests on."""
    time, origin, flags, length, offset, end, acked = packets.time[row], of.origin, of.flags, of.length, of.offset, of.end, of.acked
    big = np.iinfo(np.int64).max
    rtt, samples = np.full(count, big), np.zeros(count, np.int64)
    both = np.flatnonzero((syn_ack >= 0) & (last_syn >= 0))
    at, to = last_syn[both], syn_ack[both]
    sends = (origin == CLIENT) & ((flags & (SYN | ACK | RST)) == SYN) & (duplicate == 0)
    once = count_where(sends, flow, count)[both] == 1
    echoed = (packets.ts_echo[row[to]] == packets.ts_value[row[at]]) & (packets.ts_value[row[at]] > 0)
    later = packets.ts_value[row[at]] != packets.ts_value[row[np.maximum(first_where(sends, flow, count)[both], 0)]]
    clear = (once | (echoed & later)) & (time[to] >= time[at])  # none where the capture is at the server, or its clock coarse
    rtt[both[clear]] = (time[to] - time[at])[clear]
    samples[both[clear]] = 1
    sent = np.flatnonzero((origin == CLIENT) & (length > 0) & (duplicate == 0) & ((flags & RST) == 0) & (end > 0))
    if len(sent):
        key = flow[sent] * _KEY + end[sent]
        order = np.argsort(key, kind="stable")
        unique, at, times_sent = np.unique(key[order], return_index=True, return_counts=True)
        departure = sent[order][at]
        honest = (
            (origin == SERVER)
            & ((flags & (RST | FIN | SYN)) == 0)
            & (acked > 0)
            & (duplicate == 0)
            & _unsuspicious(packets, row, kinds[flow])
        )
        advancing = np.flatnonzero(honest)
        wanted = flow[advancing] * _KEY + acked[advancing]
        position = np.searchsorted(unique, wanted)
        position = np.minimum(position, len(unique) - 1)
        match = (unique[position] == wanted) & (times_sent[position] == 1)
        arrival, left = advancing[match], departure[position[match]]
        again = (origin == CLIENT) & (length > 0) & (duplicate == 0) & (offset < _highest_before(origin, end, length, flags, flow))
        resent = np.cumsum(again)
        # Karn's algorithm: neither the segment nor anything before its acknowledgement was sent again
        ahead = (arrival > left) & (resent[arrival] == resent[left]) & ~again[left] & (time[arrival] >= time[left])
        arrival, left = arrival[ahead], left[ahead]
        pair = np.unique(left, return_index=True)[1]  # the first acknowledgement of each segment
        arrival, left = arrival[pair], left[pair]
        np.minimum.at(rtt, flow[arrival], time[arrival] - time[left])
        np.add.at(samples, flow[arrival], 1)
    return np.where(rtt == big, -1, rtt), samples


def _highest_before(origin: Ints, end: Ints, length: Ints, flags: Ints, flow: Ints) -> Ints:
    """The highest byte that the client had sent before each slot."""
    sent = (origin == CLIENT) & (length > 0) & ((flags & RST) == 0)
    return shifted(running_max(np.where(sent, end, UNKNOWN), flow), flow, UNKNOWN)


def _unsuspicious(packets: Packets, row: Ints, kind: Ints) -> Bools:
    """Bare acknowledgements, and TLS handshake or application records (never alerts or plaintext, which injectors send)."""
    out: Bools = packets.payload_length[row] == 0
    if not packets.arena:
        return out
    captured = packets.payload_captured[row] > 0
    arena = np.frombuffer(packets.arena, np.uint8)
    first = arena[np.where(captured, packets.payload_offset[row], 0)]
    out |= captured & (kind == CLIENT_HELLO) & ((first == 0x16) | (first == 0x17))
    return out


def _timestamps(packets: Packets, row: Ints, flow: Ints, of: Streams, syn: Ints, syn_ack: Ints, count: int) -> Ints:
    """1 where both sides' SYNs carry timestamps (RFC 7323 section 2.2), 0 where one does not, else by the segments seen; -1 unknown."""
    carries = packets.ts_value[row] >= 0
    plain, origin = (of.flags & RST) == 0, of.origin
    client_has = count_where((origin == CLIENT) & plain & carries, flow, count) > 0
    server_has = count_where((origin == SERVER) & plain & carries, flow, count) > 0
    client_speaks = count_where((origin == CLIENT) & plain, flow, count) > 0
    server_speaks = count_where((origin == SERVER) & plain, flow, count) > 0
    out = np.where(client_has & server_has, 1, np.where(client_speaks & server_speaks, 0, -1)).astype(np.int64)
    both = (syn >= 0) & (syn_ack >= 0)
    if len(row):
        known = carries[np.maximum(syn, 0)] & carries[np.maximum(syn_ack, 0)]
        out[both] = known[both].astype(np.int64)
    return out
