"""Packets -> settled flows: the one function of this room that others call.

Rules of this file:
- Everything is computed for all flows at once, or by loops that were compiled already (see `by_flow.py`); only flows with holes and the reading
  of hellos are walked one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow import landmarks as all_at_once
from dpiprobe.flow import stream
from dpiprobe.flow.by_flow import ByFlow, by_flow
from dpiprobe.flow.flows import Flows, Skimmed
from dpiprobe.flow.group import Grouped, group
from dpiprobe.flow.join import join
from dpiprobe.flow.orient import orient
from dpiprobe.flow.trigger import find_triggers
from dpiprobe.wire.packets import Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def settle(packets: Packets) -> Flows:
    """All flows of a batch of packets."""
    grouped = group(packets)
    return settle_grouped(packets, *join(packets, grouped, *orient(packets, grouped)))


def settle_grouped(packets: Packets, grouped: Grouped, client_low: Bools, oriented_by: Ints, known: Skimmed | None = None) -> Flows:
    """The flows of packets whose grouping is known already; `client_low`, `oriented_by`: as `orient` gives them; `known`: triggers already read."""
    row, flow, count = grouped.row, grouped.flow, grouped.flow_count
    client_key = np.where(client_low, grouped.low_key, grouped.high_key)
    server_key = np.where(client_low, grouped.high_key, grouped.low_key)
    stop = np.cumsum(np.bincount(flow, minlength=count))
    start = np.concatenate((np.zeros(1, np.int64), stop[:-1]))[:count]
    loops: ByFlow | None = by_flow(packets, grouped, start, stop)
    of = loops.streams(client_low) if loops else stream.streams(packets, grouped, client_low)
    duplicate = stream.capture_copies(packets, row, flow, of)
    shared, kinds, hello_start, hello_end = find_triggers(packets, row, flow, of, count, known)
    each, which = shared
    asked = (of, duplicate, hello_start, hello_end, kinds)
    marks: dict[str, Any] = loops.landmarks(*asked) if loops else all_at_once.landmarks(packets, row, flow, *asked)
    return Flows(
        packets=packets, row=row, flow=flow, origin=of.origin, flags=of.flags, length=of.length, offset=of.offset, end=of.end, acked=of.acked,
        client_next=of.client_next, server_next=of.server_next, duplicate=duplicate, start=start, stop=stop,
        transport=grouped.transport, client=client_key >> 16, server=server_key >> 16,
        client_port=client_key & 0xFFFF, server_port=server_key & 0xFFFF, oriented_by=oriented_by,
        client_base=of.client_base, server_base=of.server_base, hello_start=hello_start, hello_end=hello_end,
        trigger_kind=kinds, triggers=list(map(each.__getitem__, which.tolist())), shared=shared, **marks,
    )  # fmt: skip
