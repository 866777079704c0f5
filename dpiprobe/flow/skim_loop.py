"""ClientHellos skimmed while a capture is read: what fingerprint, protocols and name need, as strings that are kept once.

Most hellos of a capture are alike but for randomness and name. Of each that lies whole in one record, and well formed in every length, the
*essence* is taken: version, ciphers, sorted extension types (GREASE left out), and the bodies of the extensions that `Trigger` asks. Hellos of equal
essence have equal fingerprints. Anything unusual is left to `trigger.py`, which reads what is kept of the flow.

Rules of this file (as in `wire/loop.py`): written once as plain Python over arrays of integers, compiled for large captures.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence

from dpiprobe.wire.loop import Decorator, _plain

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)

SERVER_NAME, SIGNATURES, ALPN, VERSIONS, ECH, ESNI = 0, 13, 16, 43, 0xFE0D, 0xFFCE
ABSENT = 0xFFFF
MOST = 128
"""Ciphers, and extensions, of a hello that is skimmed at most."""
STRINGS, USED, NAME_AT, NAME_SIZE, KINDS = 3, 4, 5, 6, 7
"""Places in `totals`: strings kept, bytes that they fill; where the host name of the hello just read begins, and its length (NO_NAME without one); the
types of its extensions so far, in order."""
TOTALS = KINDS + MOST
NO_NAME = -1
MIX, MASK = 1000003, (1 << 40) - 1


@jit
def two(buf: Sequence[int], at: int) -> int:
    """Two bytes, most significant first."""
    return (int(buf[nth(at)]) << 8) | int(buf[nth(at + 1)])


@jit
def four(buf: Sequence[int], at: int) -> int:
    """Four bytes, most significant first."""
    return (int(buf[nth(at)]) << 24) | (int(buf[nth(at + 1)]) << 16) | (int(buf[nth(at + 2)]) << 8) | int(buf[nth(at + 3)])


@jit
def grease(number: int) -> bool:
    """RFC 8701: 0x?A?A with equal bytes."""
    return (number & 0x0F0F) == 0x0A0A and (number >> 8) == (number & 0xFF)


@jit
def mark(buf: Sequence[int], at: int, size: int) -> int:
    """A number below 2^40 that equal strings share."""
    value, other, i = size, 0, 0
    while i + 8 <= size:  # two by two: neither waits for the other
        value = ((value ^ four(buf, at + i)) * MIX) & MASK
        other = ((other ^ four(buf, at + i + 4)) * MIX) & MASK
        value ^= value >> 17
        other ^= other >> 17
        i += 8
    value = ((value ^ (other >> 3)) * MIX) & MASK
    if i + 4 <= size:
        value = ((value ^ four(buf, at + i)) * MIX) & MASK
        value ^= value >> 17
        i += 4
    while i < size:
        value = ((value ^ int(buf[nth(at + i)])) * MIX) & MASK
        i += 1
    return value ^ (value >> 19)


@jit
def intern(
    buf: Sequence[int], at: int, size: int, strings: MutableSequence[int], spans: MutableSequence[int], lookup: MutableSequence[int],
    totals: MutableSequence[int],
) -> int:  # fmt: skip
    """The number of the string buf[nth(at:at + size)]; entered where it is new. The tables have room."""
    mask = len(lookup) - 1
    spot = mark(buf, at, size) & mask
    while True:
        number = int(lookup[nth(spot)])
        if number < 0:
            break
        if int(spans[nth(2 * number + 1)]) == size:
            begin, apart = int(spans[nth(2 * number)]), 0
            for i in range(size):  # to the end, without a look at each: many bytes are compared at once so, and nearly all are equal
                apart |= int(strings[nth(begin + i)]) ^ int(buf[nth(at + i)])
            if not apart:
                return number
        spot = (spot + 1) & mask
    number, used = int(totals[STRINGS]), int(totals[USED])
    lookup[nth(spot)] = number
    spans[nth(2 * number)] = used
    spans[nth(2 * number + 1)] = size
    for i in range(size):
        strings[nth(used + i)] = buf[nth(at + i)]
    totals[STRINGS] = number + 1
    totals[USED] = used + size
    return number


@jit
def put(scratch: MutableSequence[int], at: int, number: int) -> int:
    """Write two bytes; where the next go."""
    scratch[nth(at)] = number >> 8
    scratch[nth(at + 1)] = number & 0xFF
    return at + 2


@jit
def essence(buf: Sequence[int], at: int, end: int, scratch: MutableSequence[int], totals: MutableSequence[int]) -> int:
    """Write the essence of the record buf[nth(at:end)] into `scratch`; its length, or -1 where the hello is unusual. `totals` gets the host name's place."""
    totals[NAME_AT] = 0
    totals[NAME_SIZE] = NO_NAME
    if end - at < 48 or int(buf[nth(at)]) != 0x16 or int(buf[nth(at + 1)]) != 3 or at + 5 + two(buf, at + 3) != end or int(buf[nth(at + 5)]) != 1:
        return -1
    if ((int(buf[nth(at + 6)]) << 16) | two(buf, at + 7)) != end - at - 9:
        return -1
    spot = put(scratch, 0, two(buf, at + 9))
    place = at + 44 + int(buf[nth(at + 43)])
    if int(buf[nth(at + 43)]) > 32 or place + 2 > end:
        return -1
    length = two(buf, place)
    place += 2
    if length & 1 or length > 2 * MOST or place + length + 1 > end:
        return -1
    counted, ciphers = spot, 0
    spot += 2
    for i in range(place, place + length, 2):
        cipher = two(buf, i)
        if not grease(cipher):
            spot = put(scratch, spot, cipher)
            ciphers += 1
    put(scratch, counted, ciphers)
    place += length
    place += 1 + int(buf[nth(place)])
    if place + 2 > end or two(buf, place) != end - place - 2:
        return -1
    place += 2
    kinds = 0
    signatures, alpn, versions, encrypted = -1, -1, -1, 0
    while place + 4 <= end:
        kind, size = two(buf, place), two(buf, place + 2)
        place += 4
        if place + size > end or kinds >= MOST:
            return -1
        if kind == SERVER_NAME:
            if totals[NAME_SIZE] != NO_NAME or size < 5 or int(buf[nth(place + 2)]) != 0 or two(buf, place + 3) != size - 5:
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
            i = KINDS + kinds
            while i > KINDS and int(totals[nth(i - 1)]) > kind:
                totals[nth(i)] = totals[nth(i - 1)]
                i -= 1
            totals[nth(i)] = kind
            kinds += 1
        place += size
    if place != end or encrypted > 1:
        return -1
    spot = put(scratch, spot, kinds)
    for i in range(kinds):
        spot = put(scratch, spot, int(totals[nth(KINDS + i)]))
    for which in (signatures, alpn, versions):
        if which < 0:
            spot = put(scratch, spot, ABSENT)
            continue
        size = two(buf, which - 2)
        if size > 1024:
            return -1
        spot = put(scratch, spot, size)
        for i in range(size):
            scratch[nth(spot + i)] = buf[nth(which + i)]
        spot += size
    return spot


@jit
def reindex_strings(strings: Sequence[int], spans: Sequence[int], count: int, lookup: MutableSequence[int]) -> None:
    """Fill an empty hash table with the strings."""
    mask = len(lookup) - 1
    for number in range(count):
        spot = mark(strings, int(spans[nth(2 * number)]), int(spans[nth(2 * number + 1)])) & mask
        while int(lookup[nth(spot)]) >= 0:
            spot = (spot + 1) & mask
        lookup[nth(spot)] = number
