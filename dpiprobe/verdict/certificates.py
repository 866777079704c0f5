"""Whose certificates a flow and its controls were shown, where the capture can tell (up to TLS 1.2; RFC 8446 encrypts them).

Rules of this file:
- Certificates of different names differ; what is compared is who issued them. `differs` needs all controls that show an issuer to agree on one.
- It proves nothing: an address may serve names of two authorities. It says what to look at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT_HELLO, SERVER
from dpiprobe.flow.trigger import gather
from dpiprobe.observe.build import Observed
from dpiprobe.tls.record import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, SERVER_HELLO
from dpiprobe.tls.server import HELLO_RETRY_RANDOM, issuer, read_server
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.control import Controls
from dpiprobe.wire.packets import pieces

Bools = npt.NDArray[np.bool_]


def compare_issuers(observed: Observed, controls: Controls, waiting: Sequence[int]) -> list[str | None]:
    """Per flow `same` or `differs` from its controls' issuer, None where it cannot be said or the flow is not among those waiting."""
    flows = observed.flows
    out: list[str | None] = [None] * len(flows)
    seen: dict[int, bytes | None] = {}
    for f in waiting:
        peers = controls.worked[f]
        if not peers or int(flows.trigger_kind[f]) != CLIENT_HELLO:
            continue
        own = _issuer(observed, f, seen)
        if own is None:
            continue
        shown = peers.where("issuer", lambda g: _issuer(observed, g, seen) is not None)
        if shown and not shown.where(("issued by another than", first := _issuer(observed, shown[0], seen)), lambda g: _issuer(observed, g, seen) != first):
            out[f] = "same" if own == first else "differs"
    return out


ALERT_RECORD = 7
"""Bytes of a plaintext alert with its record's header (RFC 8446 sections 5.1 and 6)."""


def may_show(observed: Observed) -> Bools:
    """Flows whose server may have shown a certificate in the clear: all but those whose first record is an alert, or a ServerHello alone that the next
    record shows to be followed by nothing readable (ChangeCipherSpec, alert or application data), as in TLS 1.3 (RFC 8446 appendix D.4)."""
    flows, packets, columns = observed.flows, observed.flows.packets, columns_of(observed)
    out = np.asarray(flows.trigger_kind == CLIENT_HELLO, np.bool_)
    first = columns.first((flows.origin == SERVER) & (columns.length > 0))
    slot = np.maximum(first, 0)
    if not len(flows.row):
        return out
    row = flows.row[slot]
    begins = np.flatnonzero(out & (first >= 0) & (flows.offset[slot] == 0) & (packets.payload_captured[row] >= ALERT_RECORD))
    arena = np.frombuffer(packets.arena, np.uint8)
    if len(begins):
        start = pieces(packets.arena, packets.payload_offset[row[begins]], ALERT_RECORD)
        out[begins[(start[:, 0] == ALERT) & (start[:, 1] == 3) & (start[:, 3] == 0) & (start[:, 4] == 2)]] = False
    known = begins[out[begins] & (packets.payload_captured[row[begins]] >= 16)]
    if not len(known):
        return out
    place = packets.payload_offset[row[known]]
    head = pieces(packets.arena, place, 15).astype(np.int64)
    record, message = head[:, 3] << 8 | head[:, 4], head[:, 6] << 16 | head[:, 7] << 8 | head[:, 8]
    alone = (head[:, 0] == HANDSHAKE) & (head[:, 1] == 3) & (head[:, 5] == SERVER_HELLO) & (record == message + 4) & (record >= 40)
    random = head[:, 11] << 24 | head[:, 12] << 16 | head[:, 13] << 8 | head[:, 14]
    alone &= random != int.from_bytes(HELLO_RETRY_RANDOM[:4], "big")
    next_at = record + 5
    captured = packets.payload_captured[row[known]]
    at_hand = captured if packets.kept is None else np.minimum(captured, packets.kept[row[known]])
    following = np.full(len(known), -1, np.int64)
    there = alone & (next_at < at_hand)
    following[there] = arena[(place + next_at)[there]]
    for i in np.flatnonzero(alone & ~there & (next_at < captured)).tolist():  # the capture has it, but not at hand
        following[i] = packets.payload(int(row[known[i]]))[int(next_at[i])]
    out[known[alone & np.isin(following, (CHANGE_CIPHER_SPEC, ALERT, APPLICATION_DATA))]] = False
    return out


def _issuer(observed: Observed, f: int, seen: dict[int, bytes | None]) -> bytes | None:
    """The issuer of the leaf that flow f was shown."""
    if f not in seen:
        flows = observed.flows
        span = slice(int(flows.start[f]), int(flows.stop[f]))
        mine = np.arange(span.start, span.stop)[(flows.origin[span] == SERVER) & (flows.packets.payload_length[flows.row[span]] > 0)]
        answer = read_server(gather(flows.packets, flows.row, mine, flows.offset, flows.end, 0)) if len(mine) else None
        seen[f] = issuer(answer.certificates[0]) if answer is not None and answer.certificates else None
    return seen[f]
