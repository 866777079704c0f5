"""Packed packets: rows of a decoded chunk that the flow table has seen, laid down by bucket as few numbers as hold them. `packed.py` reads them.

Rules of this file (as in `wire/loop.py`): written once as plain Python over arrays of integers, compiled for large captures.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence

from dpiprobe.wire import loop, packets
from dpiprobe.wire.loop import Decorator, _plain

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)

TCP, UDP = 6, 17
HANDSHAKE = 0x16  # RFC 8446 section 5.1
PACKED = 22
"""32-bit numbers of one packed packet; `pack` and `packed.py` know the places."""
LOW32 = 0xFFFFFFFF


@jit
def element(numbers: Sequence[int], at: int) -> int:
    """One number of several."""
    return int(numbers[nth(at)])


@jit
def wordless(buf: Sequence[int], at: int, size: int, room: MutableSequence[int]) -> int:
    """1 where no TEXT bytes in a row of buf[at:at + size] are letters or spaces; 0 where some are, or there is no room to tell."""
    if size > len(room):
        return 0
    for i in range(size):
        octet = int(buf[nth(at + i)])
        letter = packets.FIRST_LETTER <= octet | packets.SPACE <= packets.LAST_LETTER
        room[nth(i)] = 1 if letter or octet == packets.SPACE else 0
    # one where two in a row are, four, eight, and twice eight beside each other: nine
    for i in range(size - 1):
        room[nth(i)] = room[nth(i)] & room[nth(i + 1)]
    for i in range(size - 3):
        room[nth(i)] = room[nth(i)] & room[nth(i + 2)]
    for i in range(size - 7):
        room[nth(i)] = room[nth(i)] & room[nth(i + 4)]
    found = 0
    for i in range(size - 8):
        found |= int(room[nth(i)]) & int(room[nth(i + 1)])
    return 1 - found


@jit
def pack(
    buf: Sequence[int], out: Sequence[int], times: Sequence[int], count: int, number: int, origin: int, limit: int, flow_of: Sequence[int],
    kept: Sequence[int], laid: Sequence[int], edges: MutableSequence[int], sizes: MutableSequence[int], packed: MutableSequence[int],
    arena: MutableSequence[int], room: MutableSequence[int],
) -> None:  # fmt: skip
    """Write `count` rows, those of a bucket one behind the other, into `packed`, PACKED numbers each, and what is kept of their payload into `arena`.

    origin: where buf[0] stands in the capture's bytes · limit: payload from there on stands nowhere in them · laid: the bucket of each row, -1 where it is
    left out · edges, sizes: where the next row of each bucket, and the next byte kept of it, comes to lie; moved on
    room: for `wordless`, which is asked of handshake records that are not kept whole
    """
    for row in range(count):
        bucket = element(laid, row)
        if bucket < 0:
            continue
        base, to, spot = row * loop.WIDTH, element(edges, bucket) * PACKED, element(sizes, bucket)
        edges[nth(bucket)] += 1
        sizes[nth(bucket)] += kept[nth(row)]
        protocol = element(out, base + loop.PROTOCOL)
        tcp = protocol == TCP
        time = element(times, row)
        size, at = element(kept, row), element(out, base + loop.PAYLOAD_OFFSET)
        place = origin + at if at < limit else -1
        packed[nth(to)] = element(flow_of, row) & LOW32
        packed[nth(to + 1)] = (number + row) & LOW32
        packed[nth(to + 2)] = time & LOW32
        packed[nth(to + 3)] = (time >> 32) & LOW32
        ttl, tos = element(out, base + loop.TTL), element(out, base + loop.TOS)
        packed[nth(to + 4)] = element(out, base + loop.VERSION) | (protocol << 8) | (ttl << 16) | (tos << 24)
        packed[nth(to + 5)] = element(out, base + loop.SOURCE)
        packed[nth(to + 6)] = element(out, base + loop.DESTINATION)
        if protocol in (TCP, UDP):
            packed[nth(to + 7)] = (element(out, base + loop.SOURCE_PORT) << 16) | element(out, base + loop.DESTINATION_PORT)
        else:
            packed[nth(to + 7)] = (element(out, base + loop.ICMP_TYPE) << 16) | element(out, base + loop.ICMP_CODE)
        captured = element(out, base + loop.PAYLOAD_CAPTURED)
        silent = wordless(buf, at, captured, room) if tcp and size < captured and size > 0 and element(buf, at) == HANDSHAKE else 0
        packed[nth(to + 8)] = (
            (silent << 29)
            | (element(out, base + loop.IP_ID) + 1)
            | ((element(out, base + loop.DF) + 1) << 17)
            | (element(out, base + loop.IP_OPTIONS) << 19)
            | ((element(out, base + loop.WINDOW_SCALE) + 1) << 20)
        )
        packed[nth(to + 9)] = element(out, base + loop.IP_LENGTH) & LOW32
        packed[nth(to + 10)] = 0
        packed[nth(to + 13)] = 0
        if tcp:
            header = element(out, base + loop.TCP_HEADER_LENGTH)
            packed[nth(to + 10)] = element(out, base + loop.FLAGS) | (element(out, base + loop.OPTIONS) << 12) | (header << 23)
            packed[nth(to + 13)] = (element(out, base + loop.WINDOW) << 16) | element(out, base + loop.URGENT)
        packed[nth(to + 11)] = element(out, base + loop.SEQ) & LOW32
        packed[nth(to + 12)] = element(out, base + loop.ACK) & LOW32
        packed[nth(to + 14)] = element(out, base + loop.TS_VALUE) & LOW32
        packed[nth(to + 15)] = element(out, base + loop.TS_ECHO) & LOW32
        packed[nth(to + 16)] = element(out, base + loop.MSS) + 1
        packed[nth(to + 17)] = element(out, base + loop.PAYLOAD_LENGTH) & LOW32
        packed[nth(to + 18)] = captured
        packed[nth(to + 19)] = size
        packed[nth(to + 20)] = place & LOW32
        packed[nth(to + 21)] = (place >> 32) & LOW32
        for j in range(size):
            arena[nth(spot + j)] = buf[nth(at + j)]
