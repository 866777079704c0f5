"""ClientHellos skimmed while a capture is read: what fingerprint, protocols and name need, as strings that are kept once.

Most hellos of a capture are alike but for randomness and name. Of each that lies whole in one record, and well formed in every length, the
*essence* is taken: version, ciphers, sorted extension types (GREASE left out), and the bodies of the extensions that `Trigger` asks. Hellos of equal
essence have equal fingerprints. Anything unusual is left to `trigger.py`, which reads what is kept of the flow.

Rules of this file (as in `wire/loop.py`): written once as plain Python over arrays of integers, compiled for large captures.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

from dpiprobe.wire.loop import Decorator, _plain

jit: Decorator = globals().get("jit", _plain)

SERVER_NAME, SIGNATURES, ALPN, VERSIONS, ECH, ESNI = 0, 13, 16, 43, 0xFE0D, 0xFFCE
ABSENT = 0xFFFF
MOST = 128
"""Ciphers, and extensions, of a hello that is skimmed at most."""
STRINGS, USED, NAME_AT, NAME_SIZE = 3, 4, 5, 6
"""Places in `totals`: strings kept, bytes that they fill; where the host name of the hello just read begins, and its length (NO_NAME without one)."""
TOTALS = 7
NO_NAME = -1


@jit
def two(buf: Sequence[int], at: int) -> int:
    """Two bytes, most significant first."""
    return (int(buf[at]) << 8) | int(buf[at + 1])


@jit
def grease(number: int) -> bool:
    """RFC 8701: 0x?A?A with equal bytes."""
    return (number & 0x0F0F) == 0x0A0A and (number >> 8) == (number & 0xFF)


@jit
def intern(
    buf: Sequence[int], at: int, size: int, strings: MutableSequence[int], spans: MutableSequence[int], lookup: MutableSequence[int],
    totals: MutableSequence[int],
) -> int:  # fmt: skip
    """The number of the string buf[at:at + size]; entered where it is new. The tables have room."""
    mark = size
    for i in range(size):
        mark = ((mark * 31) ^ int(buf[at + i])) & 0xFFFFFFFFFF
        mark ^= mark >> 23
    mask = len(lookup) - 1
    spot = (mark ^ (mark >> 17)) & mask
    while True:
        number = int(lookup[spot])
        if number < 0:
            break
        if int(spans[2 * number + 1]) == size:
            begin, same = int(spans[2 * number]), True
            for i in range(size):
                if int(strings[begin + i]) != int(buf[at + i]):
                    same = False
                    break
            if same:
                return number
        spot = (spot + 1) & mask
    number, used = int(totals[STRINGS]), int(totals[USED])
    lookup[spot] = number
    spans[2 * number] = used
    spans[2 * number + 1] = size
    for i in range(size):
        strings[used + i] = buf[at + i]
    totals[STRINGS] = number + 1
    totals[USED] = used + size
    return number


@jit
def put(scratch: MutableSequence[int], at: int, number: int) -> int:
    """Write two bytes; where the next go."""
    scratch[at] = number >> 8
    scratch[at + 1] = number & 0xFF
    return at + 2


@jit
def essence(buf: Sequence[int], at: int, end: int, scratch: MutableSequence[int], totals: MutableSequence[int]) -> int:
    """Write the essence of the record buf[at:end] into `scratch`; its length, or -1 where the hello is unusual. `totals` gets the host name's place."""
    totals[NAME_AT] = 0
    totals[NAME_SIZE] = NO_NAME
    if end - at < 48 or int(buf[at]) != 0x16 or int(buf[at + 1]) != 3 or at + 5 + two(buf, at + 3) != end or int(buf[at + 5]) != 1:
        return -1
    if ((int(buf[at + 6]) << 16) | two(buf, at + 7)) != end - at - 9:
        return -1
    spot = put(scratch, 0, two(buf, at + 9))
    place = at + 44 + int(buf[at + 43])
    if int(buf[at + 43]) > 32 or place + 2 > end:
        return -1
    length = two(buf, place)
    place += 2
    if length & 1 or length > 2 * MOST or place + length + 1 > end:
        return -1
    mark, ciphers = spot, 0
    spot += 2
    for i in range(place, place + length, 2):
        cipher = two(buf, i)
        if not grease(cipher):
            spot = put(scratch, spot, cipher)
            ciphers += 1
    put(scratch, mark, ciphers)
    place += length
    place += 1 + int(buf[place])
    if place + 2 > end or two(buf, place) != end - place - 2:
        return -1
    place += 2
    mark, kinds = spot, 0
    spot += 2
    first = spot
    signatures, alpn, versions, encrypted = -1, -1, -1, 0
    while place + 4 <= end:
        kind, size = two(buf, place), two(buf, place + 2)
        place += 4
        if place + size > end or kinds >= MOST:
            return -1
        if kind == SERVER_NAME:
            if totals[NAME_SIZE] != NO_NAME or size < 5 or int(buf[place + 2]) != 0 or two(buf, place + 3) != size - 5:
                return -1
            totals[NAME_AT] = place + 5
            totals[NAME_SIZE] = size - 5
        elif kind == SIGNATURES:
            if signatures >= 0:
                return -1
            signatures = place
        elif kind == ALPN:
            if alpn >= 0:
                return -1
            alpn = place
        elif kind == VERSIONS:
            if versions >= 0:
                return -1
            versions = place
        elif kind in (ECH, ESNI):
            encrypted += 1
        if not grease(kind):
            # insert in order of type: clients shuffle their extensions
            i = spot
            while i > first and two(scratch, i - 2) > kind:
                put(scratch, i, two(scratch, i - 2))
                i -= 2
            put(scratch, i, kind)
            spot += 2
            kinds += 1
        place += size
    if place != end or encrypted > 1:
        return -1
    put(scratch, mark, kinds)
    for which in (signatures, alpn, versions):
        if which < 0:
            spot = put(scratch, spot, ABSENT)
            continue
        size = two(buf, which - 2)
        if size > 1024:
            return -1
        spot = put(scratch, spot, size)
        for i in range(size):
            scratch[spot + i] = buf[which + i]
        spot += size
    return spot


@jit
def reindex_strings(strings: Sequence[int], spans: Sequence[int], count: int, lookup: MutableSequence[int]) -> None:
    """Fill an empty hash table with the strings."""
    mask = len(lookup) - 1
    for number in range(count):
        at, size = int(spans[2 * number]), int(spans[2 * number + 1])
        mark = size
        for i in range(size):
            mark = ((mark * 31) ^ int(strings[at + i])) & 0xFFFFFFFFFF
            mark ^= mark >> 23
        spot = (mark ^ (mark >> 17)) & mask
        while int(lookup[spot]) >= 0:
            spot = (spot + 1) & mask
        lookup[spot] = number
