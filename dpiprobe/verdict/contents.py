"""What packets in the server's name bring: whether it is plaintext, and what kind of forged payload or close it would be.

Rules of this file: what the first byte of a payload tells is told by columns; whole payloads are read only where it does not, each once.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST
from dpiprobe.observe.build import Observed
from dpiprobe.tls.alert import read_alert
from dpiprobe.tls.http import parse_response
from dpiprobe.tls.record import ALERT, CHANGE_CIPHER_SPEC, HEARTBEAT
from dpiprobe.verdict.view import FlowView
from dpiprobe.wire.packets import FIN, TCP

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


KEPT = 512
"""Payloads of which is kept what they are: who forges an answer forges the same one again; policy."""


class Contents:
    """The payloads of a batch."""

    def __init__(self, observed: Observed) -> None:
        self._flows = observed.flows
        self._known: dict[int, str] = {}

    def plaintext(self, at: Ints) -> Bools:
        """Per slot: its payload is no TLS record, or an alert in the clear; any payload that answers an HTTP request."""
        flows, packets = self._flows, self._flows.packets
        row = flows.row[at]
        out: Bools = packets.payload_captured[row] > 0
        if not out.any():
            return out
        some = np.flatnonzero(out & (flows.trigger_kind[flows.flow[at]] != HTTP_REQUEST))
        kind = np.frombuffer(packets.arena, np.uint8)[packets.payload_offset[row[some]]]
        out[some] = (kind < CHANGE_CIPHER_SPEC) | (kind > HEARTBEAT)
        for i in some[kind == ALERT].tolist():
            out[i] = read_alert(packets.payload(int(row[i]))) is not None
        return out

    def technique(self, slot: int, flow: int) -> str:
        """As `content_technique`, of a slot of a flow."""
        word = self._known.get(slot)
        if word is None:
            packets, row = self._flows.packets, self._flows.row[slot]
            closes = bool(packets.flags[row] & FIN) and int(packets.protocol[row]) == TCP
            word = self._known[slot] = _technique(packets.payload(int(row)), int(self._flows.trigger_kind[flow]), closes)
        return word


def content_technique(view: FlowView, slot: int) -> str:
    """What kind of forged payload or close a packet would be."""
    return _technique(view.payload(slot), view.kind, bool(view.flags[view.at(slot)] & FIN))


@lru_cache(KEPT)
def _technique(body: bytes, trigger_kind: int, closes: bool) -> str:
    if not body:
        return "fin" if closes else "data"
    if trigger_kind == CLIENT_HELLO and read_alert(body) is not None:
        return "data.alert"
    head = parse_response(body)
    status = head.status if head is not None else None
    if status is not None and 300 <= status < 400:
        return "data.redirect"
    lowered = body[:4096].lower()
    if (status in (403, 451)) or b"<html" in lowered or b"<iframe" in lowered or b"<title" in lowered or b"<body" in lowered:
        return "data.blockpage"
    return "data"
