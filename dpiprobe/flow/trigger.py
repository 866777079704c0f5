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
    OTHER_DATA,
    QUIC_INITIAL,
    UNKNOWN,
    Trigger,
)
from dpiprobe.flow.orient import HTTP_REQUEST_START, client_speech
from dpiprobe.tls import hello as tls_hello
from dpiprobe.tls.fingerprint import ja4
from dpiprobe.wire.packets import RST, UDP, Packets

Ints = npt.NDArray[np.int64]

GATHER_LIMIT = 1 << 17
"""Bytes of a client's stream that are put together to read its trigger: the longest ClientHello that a record layer can carry in
sixteen-bit vectors (RFC 8446 section 4.1.2) and its record headers fit."""


def find_triggers(
    packets: Packets, row: Ints, flow: Ints, origin: Ints, offset: Ints, end: Ints, start: Ints, stop: Ints
) -> tuple[list[Trigger | None], Ints, Ints]:
    """Per flow: the trigger or None, and the offsets where it starts and ends (UNKNOWN without one)."""
    count = len(start)
    triggers: list[Trigger | None] = [None] * count
    begins, ends = np.full(count, UNKNOWN, np.int64), np.full(count, UNKNOWN, np.int64)
    speaks = (origin == CLIENT) & (packets.payload_length[row] > 0) & ((packets.flags[row] & RST) == 0)
    speech = speaks & client_speech(packets, row)
    for f in np.unique(flow[speaks]).tolist():
        slots = np.arange(start[f], stop[f])
        mine = slots[speaks[start[f] : stop[f]]]
        if packets.protocol[row[mine[0]]] == UDP:
            triggers[f] = _quic(packets, row, mine)
            begins[f], ends[f] = 0, int(packets.payload_length[row[mine[0]]])
            continue
        head = mine[(offset[mine] <= 0) & (end[mine] > 0)]
        tries = [int(offset[head[0]])] if len(head) else [int(offset[mine].min())]
        tries[0] = max(tries[0], 0) if len(head) else tries[0]
        tries += [int(offset[s]) for s in mine[speech[mine]][:3].tolist() if int(offset[s]) not in tries]
        found: tuple[Trigger, int, int] | None = None
        for at in tries:
            stream = gather(packets, row, mine, offset, end, at)
            got = read_trigger(stream)
            if got is not None and (found is None or found[0].method == "CONNECT"):
                found = (got[0], at, at + got[1])
            if found is not None and found[0].method != "CONNECT":
                break
        if found is None:
            first = int(mine[0])
            found = (Trigger(OTHER_DATA, length=int(packets.payload_length[row[first]])), int(offset[first]), int(end[first]))
        triggers[f], begins[f], ends[f] = found
    return triggers, begins, ends


def gather(packets: Packets, row: Ints, slots: Ints, offset: Ints, end: Ints, at: int, limit: int = GATHER_LIMIT) -> bytes:
    """The contiguous bytes of one side's stream from offset `at` on, as far as the capture holds them (`slots` in capture order)."""
    pieces = slots[(end[slots] > at) & (offset[slots] < at + limit)]
    first = pieces[:1]
    if len(first) and offset[first[0]] == at:  # the common case: one segment holds it, or the next ones follow in order
        body = packets.payload(int(row[first[0]]))
        if len(pieces) == 1:
            return body
    out = bytearray()
    position = at
    for slot in pieces[np.argsort(offset[pieces], kind="stable")].tolist():
        low = int(offset[slot])
        if low > position:
            break
        body = packets.payload(int(row[slot]))[position - low :]
        out += body
        position += len(body)
        if len(out) >= limit:
            break
    return bytes(out[:limit])


def read_trigger(stream: bytes) -> tuple[Trigger, int] | None:
    """The trigger at the start of a client's stream and its length in bytes; None where there is neither hello nor request."""
    if stream[:1] == b"\x16":
        hello = tls_hello.parse(stream)
        if hello is None:
            return None
        names = [tls_hello.printable_name(n.name) for n in hello.server_names if n.type == tls_hello.HOST_NAME]
        ech = (
            "ech"
            if hello.extension(tls_hello.ENCRYPTED_CLIENT_HELLO) is not None
            else "esni"
            if hello.extension(tls_hello.ESNI) is not None
            else None
        )
        alpn = [tls_hello.printable_name(p) for p in hello.alpn] or None
        trigger = Trigger(CLIENT_HELLO, hello.server_name or None, alpn, ja4(hello), ech, hello.end, hello.complete, names)
        return trigger, max(hello.end, 1)
    if HTTP_REQUEST_START.match(stream[:12]):
        return _http(stream)
    return None


def _http(stream: bytes) -> tuple[Trigger, int] | None:
    head, terminator, _ = stream[:65536].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    words = lines[0].split(b" ")
    if len(words) < 2 or (b"HTTP/" not in lines[0] and not terminator):
        return None
    host: str | None = None
    for line in lines[1:]:
        key, colon, value = line.partition(b":")
        if colon and key.strip().lower() == b"host":
            host = tls_hello.printable_name(value.strip()) or None
            break
    method = words[0].decode("ascii", "replace")
    if method == "CONNECT" and host is None:
        host = tls_hello.printable_name(words[1])
    length = len(head) + len(terminator)
    names = [host] if host else []
    return Trigger(HTTP_REQUEST, host, length=length, complete=bool(terminator), names=names, method=method), length


def _quic(packets: Packets, row: Ints, slots: Ints) -> Trigger:
    """A QUIC conversation's Initial; its server name where the `quic` extra (cryptography) is there to read it."""
    datagrams = [packets.payload(int(row[s])) for s in slots[:8].tolist()]
    trigger = Trigger(QUIC_INITIAL, length=len(datagrams[0]))
    if not datagrams[0] or not datagrams[0][0] & 0x80:
        return Trigger(OTHER_DATA, length=len(datagrams[0]))
    try:
        from dpiprobe.tls.quic_initial import client_hello_of
    except ImportError:
        return trigger
    message = client_hello_of(datagrams)
    hello = tls_hello.parse_message(message) if message else None
    if hello is not None:
        trigger.server_name = hello.server_name or None
        trigger.alpn = [tls_hello.printable_name(p) for p in hello.alpn] or None
        trigger.ja4 = ja4(hello, "q")
        trigger.ech = "ech" if hello.extension(tls_hello.ENCRYPTED_CLIENT_HELLO) is not None else None
        trigger.names = [trigger.server_name] if trigger.server_name else []
    return trigger
