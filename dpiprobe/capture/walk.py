"""The record walk: where the frames of a buffer lie, for the plain records of both file formats. What is not plain is left to `pcap.py`, `pcapng.py`.

Rules of this file (as in `wire/loop.py`): written once as plain Python over integers, compiled for large captures; every element goes
through `int()`; no dicts, objects, slices or exceptions.

`starts`, `ends`, `times` have room for as many frames as may come; `state` tells what was found: AT (where the walk stopped), COUNT (frames
written), LIE (the length that cannot be true, else -1), RUN (frames of no length and no time since the last other one, kept from call to call).
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence

from dpiprobe.wire.loop import Decorator, _plain

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)

AT, COUNT, LIE, RUN = range(4)
STATE = 4


@jit
def number(buf: Sequence[int], at: int, big: int) -> int:
    """Four bytes in the file's order."""
    if big:
        return (int(buf[nth(at)]) << 24) | (int(buf[nth(at + 1)]) << 16) | (int(buf[nth(at + 2)]) << 8) | int(buf[nth(at + 3)])
    return int(buf[nth(at)]) | (int(buf[nth(at + 1)]) << 8) | (int(buf[nth(at + 2)]) << 16) | (int(buf[nth(at + 3)]) << 24)


@jit
def pcap_records(
    buf: Sequence[int], stop: int, big: int, size: int, bound: int, scale: int, check: int, minor: int, most_zeros: int,
    starts: MutableSequence[int], ends: MutableSequence[int], times: MutableSequence[int], room: int, state: MutableSequence[int],
) -> None:  # fmt: skip
    """Walk pcap records from state[AT] on: as far as they are whole, their length can be true and they are not `most_zeros` zeros in a row."""
    at, count, run = int(state[AT]), 0, int(state[RUN])
    state[LIE] = -1
    while at + size <= stop and count < room and run < most_zeros:
        seconds, fraction = number(buf, at, big), number(buf, at + 4, big)
        captured, wire = number(buf, at + 8, big), number(buf, at + 12, big)
        if minor < 3 or (minor == 3 and captured > wire):
            captured, wire = wire, captured  # the fields stood the other way round before version 2.4
        if captured > bound:
            state[LIE] = captured
            break
        start = at + size
        if start + captured > stop:
            break
        at = start + captured
        starts[nth(count)] = start
        ends[nth(count)] = at if check == 0 or captured <= wire - check else start + max(0, wire - check)
        times[nth(count)] = seconds * 1000000000 + fraction * scale
        run = run + 1 if captured == 0 and seconds == 0 and fraction == 0 else 0
        count += 1
    state[AT] = at
    state[COUNT] = count
    state[RUN] = run


@jit
def enhanced_blocks(
    buf: Sequence[int], stop: int, big: int, interfaces: Sequence[int], known: int, bound: int,
    starts: MutableSequence[int], ends: MutableSequence[int], links: MutableSequence[int], times: MutableSequence[int], room: int,
    state: MutableSequence[int],
) -> None:  # fmt: skip
    """Walk pcapng's enhanced packet blocks from state[AT] on, as far as they are whole, sound, and of interfaces whose time is plain.

    interfaces: three numbers for each of `known`: link type, ns of one unit of time (0 where it is not plain), ns to add
    """
    at, count = int(state[AT]), 0
    while at + 32 <= stop and count < room:
        if number(buf, at, big) != 6:
            break
        total = number(buf, at + 4, big)
        if total < 32 or total & 3 or at + total > stop or total > bound + 65536 or number(buf, at + total - 4, big) != total:
            break
        which = number(buf, at + 8, big)
        captured = number(buf, at + 20, big)
        if which >= known or captured > total - 32 or captured > bound:
            break
        high = number(buf, at + 12, big)
        unit = int(interfaces[nth(3 * which + 1)])
        if unit == 0 or high >= (1 << 19 if unit == 1000 else 1 << 29):
            break
        time = ((high << 32) | number(buf, at + 16, big)) * unit
        starts[nth(count)] = at + 28
        ends[nth(count)] = at + 28 + captured
        links[nth(count)] = interfaces[nth(3 * which)]
        times[nth(count)] = time + int(interfaces[nth(3 * which + 2)])
        count += 1
        at += total
    state[AT] = at
    state[COUNT] = count
