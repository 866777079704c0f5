"""The TCP options of the lab's endpoints, read and written as Linux orders and pads them.

Rules of this file: pure; RFC 9293 section 3.1 (MSS), RFC 7323 (window scale, timestamps), RFC 2018 (SACK). A damaged list is read up to its damage.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from dpiprobe.lab import selective

_NOP = b"\x01"


@dataclass(slots=True)
class Options:
    """What a segment carries; None where it does not. stamp: the sender's own clock (TSval)"""

    mss: int | None = None
    scale: int | None = None
    permits_selective: bool = False
    stamp: int | None = None
    held: list[selective.Range] = field(default_factory=list)


def read(raw: bytes) -> Options:
    """The options of a segment."""
    found, at = Options(), 0
    while at < len(raw) and raw[at] != 0:
        if raw[at] == 1:
            at += 1
            continue
        size = raw[at + 1] if at + 1 < len(raw) else 0
        if size < 2 or at + size > len(raw):
            break
        value = raw[at + 2 : at + size]
        match raw[at], size:
            case 2, 4:
                found.mss = int.from_bytes(value, "big")
            case 3, 3:
                found.scale = min(14, value[0])
            case 4, 2:
                found.permits_selective = True
            case 5, _:
                found.held = selective.read(value)
            case 8, 10:
                found.stamp = int.from_bytes(value[:4], "big")
        at += size
    return found


def stamps(value: int, echo: int) -> bytes:
    """The timestamps option without padding."""
    return struct.pack("!BBII", 8, 10, value & 0xFFFFFFFF, echo)


def of_syn(mss: int, stamp: bytes, scale: int | None, *, knows_selective: bool) -> bytes:
    """Of a SYN or SYN/ACK: MSS, SACK permitted, timestamps, window scale; `stamp` is empty where there are none."""
    permitted = b"\x04\x02" if knows_selective else _NOP * 2 if stamp else b""
    lone = _NOP * 2 if permitted and not stamp else b""
    return struct.pack("!BBH", 2, 4, mss) + (lone + permitted if lone else permitted + stamp) + (b"" if scale is None else _NOP + bytes((3, 3, scale)))


def of_segment(stamp: bytes, held: list[selective.Range]) -> bytes:
    """Of any other segment."""
    return (_NOP * 2 + stamp if stamp else b"") + selective.option(held)
