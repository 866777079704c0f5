"""What the client asked for: the ClientHello (or HTTP request, or QUIC Initial) of each flow, put together over its segments.

Rules of this file:
- The trigger is the first thing that a filter by name can read: the ClientHello at the start of the client's stream, an HTTP request
  there, else the first ClientHello later in the stream (STARTTLS, CONNECT).
- Its end comes from its own length fields, so that a hello whose tail the capture lost still ends where it ends.
- Bytes that came first win where segments overlap.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import (
    CLIENT,
    CLIENT_HELLO,
    HTTP_REQUEST,
    NO_TRIGGER,
    OTHER_DATA,
    QUIC_INITIAL,
    UNKNOWN,
    Requests,
    Skimmed,
    Trigger,
)
from dpiprobe.flow.orient import client_speech
from dpiprobe.flow.stream import Streams
from dpiprobe.tls import hello as tls_hello
from dpiprobe.tls.fingerprint import ja4
from dpiprobe.tls.http import parse_request
from dpiprobe.tls.quic_initial import client_hello_of
from dpiprobe.wire.packets import RST, UDP, Packets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

GATHER_LIMIT = 1 << 17
"""Bytes of a client's stream that are put together to read its trigger: the longest ClientHello that a record layer can carry in
sixteen-bit vectors (RFC 8446 section 4.1.2) and its record headers fit."""

LATER_TRIES = 8
"""Segments that look like the beginning of a request which are tried where the stream's own beginning is none. Policy."""

QUIC_DATAGRAMS = 8
"""Datagrams of a client that its ClientHello is looked for in (post-quantum hellos fill two or three). Policy."""

_RECORDS = (b"\x16", b"\x14", b"\x15", b"\x18")
"""A ClientHello's stream begins with a handshake record, or with one that is put before it: ChangeCipherSpec, alert, heartbeat."""


def find_triggers(packets: Packets, row: Ints, flow: Ints, of: Streams, count: int, known: Skimmed | None = None) -> tuple[Requests, Ints, Ints, Ints]:
    """The triggers of all flows, their kinds, and the offsets where they start and end (UNKNOWN without one). `known`: those that were read already, at 0."""
    triggers, which, length = known or Skimmed([None], np.zeros(count, np.int64), np.full(1, UNKNOWN))
    ends = length[which]
    begins = np.where(ends != UNKNOWN, 0, UNKNOWN)
    kinds = np.where(ends != UNKNOWN, CLIENT_HELLO, NO_TRIGGER)
    left = np.flatnonzero((ends == UNKNOWN)[flow]) if known is None or (ends == UNKNOWN).any() else np.empty(0, np.int64)
    speaks = left[(of.origin[left] == CLIENT) & (of.length[left] > 0) & ((of.flags[left] & RST) == 0)]
    if not len(speaks):
        return (triggers, which), kinds, begins, ends
    triggers, which, offset, end = triggers.copy(), which.copy(), of.offset, of.end
    speech = np.zeros(len(row), np.bool_)
    speech[speaks] = client_speech(packets, row[speaks])
    edges = np.flatnonzero(np.concatenate(([True], np.diff(flow[speaks]) != 0, [True])))
    for begin, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        mine = speaks[begin:stop]
        head = int(mine[0])
        f = int(flow[head])
        quic = packets.protocol[row[head]] == UDP
        found = (_quic(packets, row, mine), 0, int(end[head])) if quic else _of_stream(packets, row, mine, offset, end, speech)
        trigger, begins[f], ends[f] = found
        kinds[f] = trigger.kind
        which[f] = len(triggers)
        triggers.append(trigger)
    return (triggers, which), kinds, begins, ends


def _of_stream(packets: Packets, row: Ints, mine: Ints, offset: Ints, end: Ints, speech: Bools) -> tuple[Trigger, int, int]:
    """The trigger of one TCP flow whose client's payload slots are `mine`, with its offsets."""
    head = int(mine[0])
    whole = int(packets.payload_captured[row[head]]) == int(packets.payload_length[row[head]])
    if offset[head] == 0 and whole and speech[head]:  # the common case: the first segment holds all of it
        got = read_trigger(packets.payload(int(row[head])))
        if got is not None and got[0].complete and got[0].method != "CONNECT" and got[1] <= end[head]:
            return got[0], 0, got[1]
    opening = mine[(offset[mine] <= 0) & (end[mine] > 0)]
    tries = [0 if len(opening) else int(offset[mine].min())]
    for slot in mine[speech[mine]][:LATER_TRIES].tolist():
        if int(offset[slot]) not in tries:
            tries.append(int(offset[slot]))
    found: tuple[Trigger, int, int] | None = None
    while tries:
        at = tries.pop(0)
        got = read_trigger(gather(packets, row, mine, offset, end, at))
        if got is None:
            continue
        if found is None:
            found = (got[0], at, at + got[1])
            if got[0].method != "CONNECT":
                break
            tries.insert(0, found[2])
        elif got[0].kind == CLIENT_HELLO:
            found = (got[0], at, at + got[1])
            break
    return found or (Trigger(OTHER_DATA, length=int(packets.payload_length[row[head]])), int(offset[head]), int(end[head]))


def gather(packets: Packets, row: Ints, slots: Ints, offset: Ints, end: Ints, at: int, limit: int = GATHER_LIMIT) -> bytes:
    """The contiguous bytes of one side's stream from offset `at` on, as far as the capture holds them (`slots` in capture order)."""
    pieces = slots[(end[slots] > at) & (offset[slots] < at + limit)]
    places = [(int(offset[s]) - at, packets.payload(int(row[s]))) for s in pieces.tolist()]
    if len(places) == 1:
        low, body = places[0]
        return body[-low : limit - low] if low <= 0 else b""
    reach = 0
    for low, body in sorted(places, key=lambda place: place[0]):
        if low > reach:
            break
        reach = max(reach, low + len(body))
    out = bytearray(reach)
    for low, body in reversed(places):  # what came first is written last
        if low < reach:
            out[max(low, 0) : low + len(body)] = body[max(-low, 0) :]
    return bytes(out[: min(reach, limit)])


def read_trigger(stream: bytes) -> tuple[Trigger, int] | None:
    """The trigger at the start of a client's stream and its length in bytes; None where there is neither hello nor request."""
    if stream[:1] in _RECORDS:
        hello = tls_hello.parse(stream)
        if hello is None:
            return None
        names = [tls_hello.printable_name(n.name) for n in hello.server_names if n.type == tls_hello.HOST_NAME]
        alpn = [tls_hello.printable_name(p) for p in hello.alpn] or None
        trigger = Trigger(CLIENT_HELLO, hello.server_name or None, alpn, ja4(hello), hello.ech, hello.end, hello.complete, names)
        return trigger, max(hello.end, 1)
    return _http(stream)


def _http(stream: bytes) -> tuple[Trigger, int] | None:
    """An HTTP/1 request; a known method alone is not enough, other protocols have a GET as well."""
    head = parse_request(stream)
    if head is None:
        return None
    web = head.version.upper().startswith(b"HTTP/") or head.target.startswith(b"/") or b"://" in head.target or head.complete
    if not web:
        return None
    host = head.host or None
    method = head.method.decode("ascii", "replace")
    return Trigger(HTTP_REQUEST, host, length=head.end, complete=head.complete, names=[host] if host else [], method=method), head.end


def _quic(packets: Packets, row: Ints, slots: Ints) -> Trigger:
    """A QUIC conversation's Initial; its server name where the `quic` extra (cryptography) is there to read it."""
    datagrams = [packets.payload(int(row[s])) for s in slots[:QUIC_DATAGRAMS].tolist()]
    length = int(packets.payload_length[row[slots[0]]])
    if not datagrams[0] or not datagrams[0][0] & 0x80:
        return Trigger(OTHER_DATA, length=length)
    trigger = Trigger(QUIC_INITIAL, length=length)
    message = client_hello_of(datagrams)
    hello = tls_hello.parse_message(message) if message else None
    if hello is not None:
        trigger.server_name = hello.server_name or None
        trigger.alpn = [tls_hello.printable_name(p) for p in hello.alpn] or None
        trigger.ja4 = ja4(hello, "q")
        trigger.ech = hello.ech
        trigger.names = [tls_hello.printable_name(n.name) for n in hello.server_names if n.type == tls_hello.HOST_NAME]
    return trigger
