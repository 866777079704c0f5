"""Which side of a flow is the client.

The sender of the first SYN; else the receiver of the first SYN/ACK; else the sender of a ClientHello, an HTTP request or a QUIC
Initial; else whoever talks to the lower port (and, between equal ports, whoever spoke first). What it rests on is kept.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import BY_HELLO, BY_PORT, BY_SYN, tcp_flags
from dpiprobe.flow.group import Grouped
from dpiprobe.flow.segments import first_where
from dpiprobe.wire.packets import ACK, RST, SYN, TCP, UDP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HTTP_REQUEST_START = re.compile(rb"[A-Z]{3,8} [^\s]")
"""A method of capitals, a space, a target (RFC 9112 section 3). Methods of the IANA registry have 3 to 17 letters; those that matter here up to 8."""

INITIAL_SIZE = 1200
"""Bytes below which a client may not send a datagram with an Initial (RFC 9000 section 14.1)."""


def orient(packets: Packets, grouped: Grouped) -> tuple[Bools, Ints]:
    """Per flow: is the lower endpoint the client; and what that rests on."""
    flow, count = grouped.flow, grouped.flow_count
    flags = tcp_flags(packets, grouped.row)
    lower = grouped.lower == 1
    client_low = np.zeros(count, bool)
    basis = np.full(count, BY_PORT, np.int64)
    decided = np.zeros(count, bool)

    syn = first_where((flags & (SYN | ACK | RST)) == SYN, flow, count)
    _decide(client_low, basis, decided, syn, lower, BY_SYN)
    syn_ack = first_where((flags & (SYN | ACK | RST)) == (SYN | ACK), flow, count)
    _decide(client_low, basis, decided, syn_ack, ~lower, BY_SYN)
    hello = first_where(client_speech(packets, grouped.row), flow, count)
    _decide(client_low, basis, decided, hello, lower, BY_HELLO)

    low_port, high_port = grouped.low_key & 0xFFFF, grouped.high_key & 0xFFFF
    first = np.searchsorted(flow, np.arange(count))
    by_port = np.where(low_port == high_port, lower[first], low_port > high_port)
    return np.where(decided, client_low, by_port), basis


def _decide(client_low: Bools, basis: Ints, decided: Bools, landmark: Ints, answer: Bools, word: int) -> None:
    fresh = (landmark >= 0) & ~decided
    client_low[fresh] = answer[landmark[fresh]]
    basis[fresh] = word
    decided |= fresh


def client_speech(packets: Packets, row: Ints) -> Bools:
    """Slots whose payload starts as only a client's can: a TLS ClientHello record, an HTTP request, a QUIC Initial."""
    captured = packets.payload_captured[row]
    if len(packets.arena) < 6:
        return np.zeros(len(row), bool)
    arena = np.frombuffer(packets.arena, np.uint8)
    at = np.where(captured >= 6, packets.payload_offset[row], 0)
    first = arena[at]
    tcp = (packets.protocol[row] == TCP) & (captured >= 6)
    out = tcp & (first == 0x16) & (arena[at + 1] == 3) & (arena[at + 5] == 1)
    capitals = tcp.copy()
    for i in range(3):
        capitals &= (arena[at + i] >= 0x41) & (arena[at + i] <= 0x5A)
    for i in np.flatnonzero(capitals).tolist():
        out[i] = HTTP_REQUEST_START.match(packets.payload(int(row[i]))) is not None
    initial = np.where(arena[at + 1] == 0x6B, 0xD0, 0xC0)  # type 1 in version 2 (RFC 9369 section 3.2), 0 in version 1 (RFC 9000 section 17.2.2)
    out |= (packets.protocol[row] == UDP) & (captured >= 6) & (packets.payload_length[row] >= INITIAL_SIZE) & ((first & 0xF0) == initial)
    return np.asarray(out, np.bool_)
