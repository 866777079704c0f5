"""Whose certificates a flow and its controls were shown, where the capture can tell (up to TLS 1.2; RFC 8446 encrypts them).

Rules of this file:
- Certificates of different names differ; what is compared is who issued them. `differs` needs all controls that show an issuer to agree on one.
- It proves nothing: an address may serve names of two authorities. It says what to look at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpiprobe.flow.flows import CLIENT_HELLO, SERVER
from dpiprobe.flow.trigger import gather
from dpiprobe.observe.build import Observed
from dpiprobe.tls.server import issuer, read_server
from dpiprobe.verdict.control import Controls


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


def _issuer(observed: Observed, f: int, seen: dict[int, bytes | None]) -> bytes | None:
    """The issuer of the leaf that flow f was shown."""
    if f not in seen:
        flows = observed.flows
        span = slice(int(flows.start[f]), int(flows.stop[f]))
        mine = np.arange(span.start, span.stop)[(flows.origin[span] == SERVER) & (flows.packets.payload_length[flows.row[span]] > 0)]
        answer = read_server(gather(flows.packets, flows.row, mine, flows.offset, flows.end, 0)) if len(mine) else None
        seen[f] = issuer(answer.certificates[0]) if answer is not None and answer.certificates else None
    return seen[f]
