"""Packed packets (see `pack_loop`) -> `Packets` and their grouping: what a part of a large capture is evaluated from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.group import Grouped
from dpiprobe.flow.pack_loop import PACKED
from dpiprobe.flow.table import Directory
from dpiprobe.wire.packets import OPT_TIMESTAMPS, TCP, UDP, Packets, Quotes

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

SHORT = 1 << 16
"""Numbers below it numpy sorts by their digits, ten times as fast as longer ones."""


def unpack(words: Words, arena: bytes, addresses: list[bytes], read: Callable[[int, int], bytes] | None, quotes: Quotes, quote: Ints) -> Packets:
    """n packed rows as columns, in the order given. `arena`: what was kept of their payloads, one after the other · `read`: (size, place) in the
    capture's bytes · `quotes`, `quote`: of all rows, -1 where a row quotes nothing."""
    def column(place: int) -> Ints:
        return words[:, place].astype(np.int64)

    numbers, ports, mixed, kinds, flags = column(1), column(7), column(8), column(4), column(10)
    protocol = (kinds >> 8) & 0xFF
    tcp, other = protocol == TCP, (protocol != TCP) & (protocol != UDP)
    options = np.where(tcp, (flags >> 12) & 0x7FF, -1)
    stamped = tcp & ((options & OPT_TIMESTAMPS) != 0)
    window = column(13)
    kept = column(19)
    ends = np.cumsum(kept)
    place = column(20) | (words[:, 21].astype(np.int32).astype(np.int64) << 32)
    offset = ends - kept

    def elsewhere(rows: Ints, sizes: Ints) -> list[bytes]:
        at = place[rows]
        if read is None or (len(at) and at.min() < 0):
            each = zip(sizes.tolist(), at.tolist(), offset[rows].tolist(), ends[rows].tolist(), strict=True)
            return [read(n, p) if read is not None and p >= 0 else arena[a:b] for n, p, a, b in each]
        return list(map(read, sizes.tolist(), at.tolist()))

    return Packets(
        number=numbers, time=column(2) | (words[:, 3].astype(np.int32).astype(np.int64) << 32), version=kinds & 0xFF, protocol=protocol,
        source=column(5), destination=column(6), source_port=np.where(other, -1, ports >> 16), destination_port=np.where(other, -1, ports & 0xFFFF),
        ttl=(kinds >> 16) & 0xFF, ip_id=(mixed & 0x1FFFF) - 1, df=((mixed >> 17) & 3) - 1, tos=kinds >> 24, ip_length=column(9),
        ip_options=(mixed >> 19) & 1, flags=np.where(tcp, flags & 0xFFF, -1), seq=np.where(tcp, column(11), -1), ack=np.where(tcp, column(12), -1),
        window=np.where(tcp, window >> 16, -1), urgent=np.where(tcp, window & 0xFFFF, -1), options=options,
        ts_value=np.where(stamped, column(14), -1), ts_echo=np.where(stamped, column(15), -1), mss=column(16) - 1,
        window_scale=((mixed >> 20) & 0x1FF) - 1, tcp_header_length=np.where(tcp, flags >> 23, -1), payload_length=column(17).astype(np.int64),
        payload_offset=offset, payload_captured=column(18), icmp_type=np.where(other, ports >> 16, -1), icmp_code=np.where(other, ports & 0xFFFF, -1),
        quote=quote, addresses=addresses, arena=arena, quotes=quotes, kept=kept, elsewhere=elsewhere, wordless=(mixed >> 29) & 1,
    )  # fmt: skip


def sides_of(words: Words) -> tuple[Ints, Ints]:
    """(flow by the table's number or -1, 1 where the lower endpoint sent it) of packed rows."""
    both = words[:, 0].astype(np.int32).astype(np.int64)
    return np.where(both >= 0, both >> 1, -1), np.where(both >= 0, both & 1, 0)


def regroup(directory: Directory, flow: Ints, lower: Ints, error: npt.NDArray[np.bool_]) -> tuple[Grouped, npt.NDArray[np.bool_], Ints, Ints]:
    """The grouping of a part's rows: (grouped, client_low, oriented_by, the table's number of each flow).

    flow: of each row by the table's number, of an ICMP error (`error`) the flow it quotes · rows of strays name their own conversation
    """
    home = directory.flow[flow].astype(np.int64)
    here = np.zeros(len(directory.flow), np.bool_)
    here[home] = True
    mine = np.flatnonzero(here)
    mine = mine[np.argsort(directory.number[mine], kind="stable")]
    rank = np.empty(len(directory.flow), np.int64)
    rank[mine] = np.arange(len(mine))
    local = rank[home]
    joined = np.where(error, 3, np.where(home != flow, 2, 0))
    order = np.argsort(local.astype(np.uint16) if len(mine) <= SHORT else local, kind="stable")
    known = directory.conversations
    grouped = Grouped(
        order, local[order], lower[order], joined[order], len(mine), known.low_key[mine], known.high_key[mine],
        known.transport[mine].astype(np.int64),
    )  # fmt: skip
    return grouped, directory.client_low[mine], directory.oriented_by[mine].astype(np.int64), mine


__all__ = ["PACKED", "regroup", "sides_of", "unpack"]
