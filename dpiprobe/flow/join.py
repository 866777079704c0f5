"""What belongs to a flow without being between its two endpoints: ICMP errors that quote it, resets from a third address.

Rules of this file:
- An ICMP error joins the flow whose packet it quotes; among several with the same endpoints the latest that had begun.
- A *stray* is a conversation of nothing but resets, all in one direction, from a third address to a client that has a flow to the same
  server port at that time. Resets that reach a server are no strays: another client of it may well have chosen the same port.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import tcp_flags
from dpiprobe.flow.group import PORTS, Grouped
from dpiprobe.flow.segments import count_where
from dpiprobe.wire.packets import ICMP, ICMPV6, RST, TCP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

STRAY_WINDOW = 1_000_000_000
"""ns after a flow's last packet within which a reset from a third address to its client's port still belongs to it; unverified."""

STRAY_HOMES = 64
"""Flows of one client port to one server port that are tried for a stray, the latest first; bounds the work of a port scan. Policy."""


def join(packets: Packets, grouped: Grouped, client_low: Bools, oriented_by: Ints) -> tuple[Grouped, Bools, Ints]:
    """The flows with their strays and ICMP errors, numbered by their first own packet, and the orientation of those that remain."""
    known = conversations(packets, grouped)
    homes = homes_of(known, client_low)
    own = np.ones(grouped.flow_count, bool)
    own[list(homes)] = False
    errors, quoted_flow, quoted_lower = quoting(packets, known, own)
    if not homes and not len(errors):
        return grouped, client_low, oriented_by
    flow, joined = grouped.flow.copy(), grouped.joined.copy()
    alive = np.ones(grouped.flow_count, bool)
    for stray, home in homes.items():
        slots = slice(*np.searchsorted(grouped.flow, (stray, stray + 1)).tolist())
        flow[slots], joined[slots], alive[stray] = home, 2, False
    rank = np.cumsum(alive) - 1
    row = np.concatenate((grouped.row, errors))
    flow = np.concatenate((rank[flow], rank[quoted_flow]))
    lower = np.concatenate((grouped.lower, quoted_lower))
    joined = np.concatenate((joined, np.full(len(errors), 3)))
    order = np.lexsort((row, flow))
    whole = Grouped(
        row[order], flow[order], lower[order], joined[order], int(alive.sum()),
        grouped.low_key[alive], grouped.high_key[alive], grouped.transport[alive],
    )  # fmt: skip
    return whole, client_low[alive], oriented_by[alive]


@dataclass(slots=True)
class Conversations:
    """What joining asks of every flow, strays among them, in order of first packet; see `Grouped`.

    first: frame number of the first packet · begin, end: time of first and last packet · packets, resets, from_low: how many, how many of them
    are resets, how many were sent by the lower endpoint
    """

    transport: Ints
    low_key: Ints
    high_key: Ints
    first: Ints
    begin: Ints
    end: Ints
    packets: Ints
    resets: Ints
    from_low: Ints


def conversations(packets: Packets, grouped: Grouped) -> Conversations:
    """The conversations of a capture that is there as a whole."""
    flow, count = grouped.flow, grouped.flow_count
    edges = np.searchsorted(flow, np.arange(count + 1))
    time = packets.time[grouped.row]
    return Conversations(
        grouped.transport, grouped.low_key, grouped.high_key, packets.number[grouped.row[edges[:-1]]], time[edges[:-1]], time[edges[1:] - 1],
        np.bincount(flow, minlength=count), count_where((tcp_flags(packets, grouped.row) & RST) != 0, flow, count),
        count_where(grouped.lower == 1, flow, count),
    )  # fmt: skip


def homes_of(known: Conversations, client_low: Bools) -> dict[int, int]:
    """The flow of resets from a third address -> the flow of the client it was aimed at."""
    lone = (known.transport == TCP) & (known.resets == known.packets) & ((known.from_low == 0) | (known.from_low == known.packets))
    candidates = np.flatnonzero(lone)
    if not len(candidates):
        return {}
    lower = known.from_low[candidates] > 0
    target = np.where(lower, known.high_key[candidates], known.low_key[candidates])
    source = np.where(lower, known.low_key[candidates], known.high_key[candidates])
    aimed = np.isin(np.where(client_low, known.low_key, known.high_key), target)
    aimed &= (known.transport == TCP) & ~lone
    at_home: dict[tuple[int, int], list[int]] = {}
    for f in np.flatnonzero(aimed).tolist():
        client, server = (known.low_key[f], known.high_key[f]) if client_low[f] else (known.high_key[f], known.low_key[f])
        at_home.setdefault((int(client), int(server) % PORTS), []).append(f)
    homes: dict[int, int] = {}
    for c, aim, origin in zip(candidates.tolist(), target.tolist(), source.tolist(), strict=True):
        possible = at_home.get((aim, origin % PORTS), [])
        for f in islice(reversed(possible), STRAY_HOMES):
            if known.begin[f] <= known.begin[c] <= known.end[f] + STRAY_WINDOW:
                homes[c] = f
                break
    return homes


def quoting(packets: Packets, known: Conversations, own: Bools) -> tuple[Ints, Ints, Ints]:
    """Rows of ICMP errors that quote a flow (`own`: the flows that are no strays), that flow, and 1 where its lower endpoint sent the quoted packet."""
    errors = np.flatnonzero(((packets.protocol == ICMP) | (packets.protocol == ICMPV6)) & (packets.quote >= 0))
    none = np.empty(0, np.int64)
    if not len(errors) or not len(own):
        return none, none, none
    quotes, q = packets.quotes, packets.quote[errors]
    whole = (quotes.source_port[q] >= 0) & (quotes.destination_port[q] >= 0)
    errors, q = errors[whole], q[whole]
    sender = quotes.source[q] * PORTS + quotes.source_port[q]
    receiver = quotes.destination[q] * PORTS + quotes.destination_port[q]
    low, high = np.minimum(sender, receiver), np.maximum(sender, receiver)
    by_key: dict[tuple[int, int, int], list[int]] = {}
    for f in np.flatnonzero(own & np.isin(known.low_key, low) & np.isin(known.high_key, high)).tolist():
        by_key.setdefault((int(known.transport[f]), int(known.low_key[f]), int(known.high_key[f])), []).append(f)
    found: list[tuple[int, int, int]] = []
    for i, row in enumerate(errors.tolist()):
        flows = by_key.get((int(quotes.protocol[q[i]]), int(low[i]), int(high[i])))
        if flows:
            found.append((row, _latest(flows, known.first, int(packets.number[row])), int(sender[i] == low[i])))
    if not found:
        return none, none, none
    columns = np.array(found, np.int64)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _latest(flows: Sequence[int], first: Ints, number: int) -> int:
    """The last of the flows (in order of their first packet) that had begun at packet `number`, or the first of all."""
    return flows[max(bisect_right(flows, number, key=lambda f: int(first[f])) - 1, 0)]
