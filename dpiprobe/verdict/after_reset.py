"""The server's answer after a reset in the server's name: whoever still answers did not reset.

Not counted: data that lies before the reset's sequence number (the reset overtook it), and resets as any host sends them for a socket it does
not know (an anycast flap looks so), as long as they are equal and no more than what the client had sent to provoke them.
"""

from __future__ import annotations

from itertools import takewhile

import numpy as np

from dpiprobe.flow.flows import UNKNOWN
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.contents import Contents
from dpiprobe.verdict.evidence import ms, no_socket_reset
from dpiprobe.verdict.model import Evidence
from dpiprobe.verdict.view import FlowView, Views
from dpiprobe.wire.packets import SYN

REORDERING = 3_000_000
"""ns by which a later arrival must trail to be no reordering: half of RFC 4737's common spacing has no figure, so this stays unverified; a
quarter of the round trip is asked as well."""
IN_FLIGHT = 65_535
"""Bytes beyond all that the capture holds of the server's stream at which its reset may stand, as it may have overtaken data that then got lost: a
window without scaling (RFC 9293 section 3.1); the numbers of forged resets lie anywhere; policy."""
NAMED_RESETS = 8
"""Resets that the finding names; policy."""


def answers_after_reset(observed: Observed, views: Views, contents: Contents) -> dict[int, list[Evidence]]:
    """By flow: its first answer of the server that came after a reset which no close explains."""
    flows, columns, packets = observed.flows, columns_of(observed), observed.flows.packets
    resets = np.flatnonzero(columns.standing_reset)
    if not len(resets):
        return {}
    first = columns.first(columns.standing_reset)
    at = np.flatnonzero(columns.server_word & (columns.length > 0) & ((columns.flags & SYN) == 0) & (flows.acked != UNKNOWN))
    at = at[(first[flows.flow[at]] >= 0) & (at > first[flows.flow[at]])]
    flow = flows.flow[at]
    rtt, waited = observed.server_rtt[flow], columns.time[at] - columns.time[first[flow]]
    late = (flows.hello[flow] >= 0) & (waited >= np.maximum(REORDERING, np.where(rtt > 0, rtt // 4, 0)))
    at, flow, waited = at[late], flow[late], waited[late]
    answers = ~contents.plaintext(at)
    at, flow, waited = at[answers], flow[answers], waited[answers]
    base, row = flows.server_base[flow], flows.row[first[flow]]
    place = np.where(base >= 0, (packets.seq[row] - base) & 0xFFFFFFFF, 0)
    below = (base >= 0) & (flows.end[at] <= place)
    bare = (packets.window[row] == 0) & (packets.options[row] == 0)  # of the first reset: a closer look at all of them is worth it
    edges = np.searchsorted(resets, np.append(flows.start, len(flows.row))).tolist()
    of_resets: list[int] = resets.tolist()
    found: dict[int, list[Evidence]] = {}
    for slot, f, delay, stands_at, under, unknown in zip(*(c.tolist() for c in (at, flow, waited, place, below, bare)), strict=True):
        if f in found or (under and stands_at <= views(f).server_top + IN_FLIGHT):
            continue
        earlier = [*takewhile(slot.__gt__, of_resets[edges[f] : edges[f + 1]])]
        if unknown and _provoked(views(f), earlier):
            continue
        reason = f"the server's answer came {ms(delay)} after the reset"
        found[f] = [Evidence("genuine-answer-after", "rst.on-path", [*earlier[:NAMED_RESETS], slot], reason)]
    return found


def _provoked(view: FlowView, resets: list[int]) -> bool:
    """All of them are resets of a host without the socket, equal, at most one for each payload packet that the client had sent."""
    if not all(no_socket_reset(view, s) for s in resets) or len({view.packet(s, "seq") for s in resets}) > 1:
        return False
    sent = [s for s in view.client_words if s < resets[-1] and view.length[view.at(s)]]
    return view.lost or len(resets) <= max(len(sent), 1)
