"""The ClientHellos of a capture as the bytes that carried them.

Alone responsible for finding them: one for each TCP flow that begins with one (or has one later: STARTTLS, CONNECT), put together over segments; and
the message inside the Initials of each QUIC conversation, where it can be decrypted.

Rules of this file: bytes that came first win, as everywhere in this room. A hello whose end the capture lost is given as far as it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dpiprobe.flow.flows import CLIENT, CLIENT_HELLO, QUIC_INITIAL, Flows
from dpiprobe.flow.trigger import QUIC_DATAGRAMS, gather
from dpiprobe.tls.quic_initial import client_hello_of


@dataclass(frozen=True, slots=True)
class HelloStream:
    """flow: its number in the records, from 1 · packet: where it begins, from 1 · quic: the bytes are a bare message, not records"""

    flow: int
    packet: int
    stream: bytes
    quic: bool = False


def hello_streams(flows: Flows) -> Iterator[HelloStream]:
    """The hellos of a batch of settled flows, in their order."""
    for f, trigger in enumerate(flows.triggers):
        if trigger is None or trigger.kind not in (CLIENT_HELLO, QUIC_INITIAL):
            continue
        slots = np.arange(int(flows.start[f]), int(flows.stop[f]))
        mine = slots[(flows.origin[slots] == CLIENT) & (flows.packets.payload_length[flows.row[slots]] > 0)]
        if not len(mine):
            continue
        first = int(flows.hello[f]) if int(flows.hello[f]) >= 0 else int(mine[0])
        number = int(flows.packets.number[flows.row[first]])
        if trigger.kind == QUIC_INITIAL:
            message = client_hello_of([flows.packets.payload(int(flows.row[s])) for s in mine[:QUIC_DATAGRAMS].tolist()])
            if message:
                yield HelloStream(f + 1, number, message, quic=True)
            continue
        start = int(flows.hello_start[f])
        yield HelloStream(f + 1, number, gather(flows.packets, flows.row, mine, flows.offset, flows.end, start))
