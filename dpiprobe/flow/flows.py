"""Settled flows as columns: TCP connections and QUIC conversations, oriented client to server, with landmarks.

Rules of this file:
- It is the shape only; `group.py` makes the slots, `orient.py` the sides, `stream.py` the offsets, `trigger.py` the hello, `settle.py` calls them.
- A *slot* is one packet in one flow. Slots are sorted by flow, then by capture order; a flow is the slots `start[f]:stop[f]`.
- Landmarks are slot indices or -1. Offsets are byte positions in a side's stream: 0 is the first payload byte after the SYN. The stream
  of a QUIC conversation's side is its datagrams one after the other as captured; nobody acknowledges there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dpiprobe.wire.packets import TCP, Packets

Ints = npt.NDArray[np.int64]

CLIENT, SERVER, STRAY, ICMP_ERROR = 0, 1, 2, 3
"""Where a packet of a flow came from; a STRAY is a third address that aims at the client's port."""

UNKNOWN = -(1 << 40)
"""No offset is known (no packet told where the stream begins)."""

NO_TRIGGER, CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL, OTHER_DATA = 0, 1, 2, 3, 4
TRIGGER_WORDS: tuple[str | None, ...] = (None, "client_hello", "http_request", "quic_initial", None)
"""`trigger_kind` in records; other data is no trigger that anybody filters by name."""

BY_SYN, BY_HELLO, BY_PORT = 0, 1, 2
"""What the orientation of a flow rests on."""


def tcp_flags(packets: Packets, row: Ints) -> Ints:
    """TCP flag bits of the packets in `row`; 0 where the packet is not TCP (the column itself says -1 there)."""
    return np.where(packets.protocol[row] == TCP, packets.flags[row], 0)


@dataclass(slots=True)
class Trigger:
    """What the client asked for, as far as the capture shows it.

    server_name: host name of the SNI or Host header, escaped to valid text · length: bytes of the hello on the stream, records included
    complete: whether every byte of it is in the capture · ech: "ech", "esni" or None · ja4, alpn: None where not TLS
    names: every name in the hello · method: of an HTTP request
    """

    kind: int
    server_name: str | None = None
    alpn: list[str] | None = None
    ja4: str | None = None
    ech: str | None = None
    length: int = 0
    complete: bool = True
    names: list[str] = field(default_factory=list)
    method: str | None = None


Requests = tuple[list[Trigger | None], Ints]
"""Triggers, each once, and which of them is each flow's: flows share those that are equal, where that is known."""


class Skimmed(NamedTuple):
    """ClientHellos that were read while reading the capture: `each` and `of` as in `Requests`, None where a flow's is to be read yet · length: of each,
    UNKNOWN there"""

    each: list[Trigger | None]
    of: Ints
    length: Ints


@dataclass(slots=True)
class Flows:
    """f flows over m slots; see the module's rules. int64 columns.

    Per slot: row (in `packets`), flow, origin, flags (TCP bits, 0 where it is not TCP), length (payload bytes), offset and end (of its payload
    in its side's stream), acked (offset in the other side's stream that its ACK number stands for), client_next and server_next (the next
    in-order byte of each side just *before* this packet), duplicate (1: a copy that the capture made of the slot before it).
    Per flow: transport (6, 17), client, server (address indices), client_port, server_port, oriented_by, client_base, server_base
    (raw sequence number of offset 0, or -1); landmarks syn, last_syn (the last SYN before the SYN/ACK), syn_ack, handshake (the
    client's ACK of it), hello (first packet of the trigger), hello_done (first packet that completes it), answer (first server payload
    after the trigger), ack_end (first server packet, no RST, that acknowledges the trigger's end), client_fin, server_fin, client_rst, server_rst;
    hello_start, hello_end (offsets), server_acked (highest offset of the client's stream the server acknowledged, RSTs not counted),
    client_seen, server_seen (contiguous bytes the capture holds of each side), client_acked (highest offset of the server's stream
    that the client acknowledged), rtt (smallest round trip in ns, -1 unknown), rtt_samples, timestamps (1 where both sides
    negotiated them, 0 where not, -1 unknown).
    triggers: one a flow · shared: the same as `requests` gives them
    Of a part of a capture: numbers (each flow's place among all flows of the capture, from 0), watched_until (time of its last packet, ns).
    """

    packets: Packets
    row: Ints
    flow: Ints
    origin: Ints
    flags: Ints
    length: Ints
    offset: Ints
    end: Ints
    acked: Ints
    client_next: Ints
    server_next: Ints
    duplicate: Ints
    start: Ints
    stop: Ints
    transport: Ints
    client: Ints
    server: Ints
    client_port: Ints
    server_port: Ints
    oriented_by: Ints
    client_base: Ints
    server_base: Ints
    syn: Ints
    last_syn: Ints
    syn_ack: Ints
    handshake: Ints
    hello: Ints
    hello_done: Ints
    answer: Ints
    ack_end: Ints
    client_fin: Ints
    server_fin: Ints
    client_rst: Ints
    server_rst: Ints
    hello_start: Ints
    hello_end: Ints
    server_acked: Ints
    client_acked: Ints
    client_seen: Ints
    server_seen: Ints
    rtt: Ints
    rtt_samples: Ints
    timestamps: Ints
    trigger_kind: Ints
    triggers: list[Trigger | None] = field(default_factory=list)
    numbers: Ints | None = None
    watched_until: int | None = None
    shared: Requests | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.start)

    def requests(self) -> Requests:
        """The triggers as objects, each once, and which of them is each flow's."""
        if self.shared is None:
            ids = list(map(id, self.triggers))
            known = dict(zip(ids, self.triggers, strict=True))
            place = dict(zip(known, range(len(known)), strict=True))
            self.shared = list(known.values()), np.fromiter(map(place.__getitem__, ids), np.int64, len(ids))
        return self.shared

    def slots(self, flow: int) -> range:
        """Slot indices of one flow."""
        return range(int(self.start[flow]), int(self.stop[flow]))

    def label(self, flow: int) -> int:
        """The number of a flow as records show it: from 1, over the whole capture."""
        return (flow if self.numbers is None else int(self.numbers[flow])) + 1

    def end_of_capture(self) -> int:
        """Time of the capture's last packet, ns; 0 where it has none."""
        if self.watched_until is not None:
            return self.watched_until
        return int(self.packets.time.max()) if len(self.packets) else 0

    def number(self, slot: int) -> int:
        """The packet number, as Wireshark shows it, of one slot."""
        return int(self.packets.number[self.row[slot]])

    def time(self, slot: int) -> int:
        """Capture time of one slot, ns."""
        return int(self.packets.time[self.row[slot]])
