"""The pcap format: both byte orders, micro- and nanoseconds, and its relatives.

Rules of this file:
- draft-ietf-opsawg-pcap; libpcap's sf-pcap.c and Wireshark's wiretap/libpcap.c for the relatives.
- Relatives that share a magic number are told apart by their first records.
- A record whose length cannot be true ends the reading with a sentence; all before it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct

import numpy as np

from dpiprobe.capture.records import Account, Room, Window, batch, largest
from dpiprobe.errors import InputError
from dpiprobe.wire.decode import Records

MICRO, NANO, KUZNETZOV, IXIA_HARDWARE, IXIA_SOFTWARE = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34, 0x1C0001AC, 0x1C0001AB
REFUSED = {0xA12B3C4D: "Navtel", 0xA1B234CD: "Fmesquita"}
"""Relatives that libpcap's sf-pcap.c names and nobody describes."""
MAGICS = {m.to_bytes(4, order): (m, order) for m in (MICRO, NANO, KUZNETZOV, IXIA_HARDWARE, IXIA_SOFTWARE, *REFUSED) for order in ("little", "big")}
STANDARD_HEADERS = (16, 20, 24)
"""Bytes before each frame: pcap; Nokia's and the ss990417 patch's, which kept the magic number (Wireshark's wiretap/libpcap.h)."""
KUZNETZOV_HEADERS = (24, 28)
"""The ss991029 patch, and ss990915 (SuSE 6.3)."""

ZEROS = 50_000
"""Frames of no length and no time, one after the other, that are taken for a file filled with zeros (our own bound)."""

Unpack = Callable[[bytes, int], tuple[int, ...]]


def read_pcap(window: Window, name: str, account: Account) -> Iterator[Records]:
    """Batches of frames, from the start of the file. Raises InputError where the file header is not one."""
    magic, order = MAGICS[window.buf[window.at : window.at + 4]]
    if magic in REFUSED:
        raise InputError(f"{name} is a {REFUSED[magic]} variant of pcap, which is not read; convert it with 'editcap -F pcapng'.")
    sign = "<" if order == "little" else ">"
    ixia = magic in (IXIA_HARDWARE, IXIA_SOFTWARE)
    header = Struct(sign + ("IHHiIIII" if ixia else "IHHiIII"))
    if not window.need(header.size):
        raise InputError(f"{name} ends inside the pcap file header; it is not a capture, or only the first bytes of one.")
    fields = header.unpack_from(window.buf, window.at)
    major, minor, linktype = fields[1], fields[2], fields[6]
    if major != 2:
        raise InputError(f"{name} says it is pcap version {major}.{minor}, of which only 2 exists; the file header is damaged.")
    window.at += header.size
    link = linktype & 0xFFFF
    check = ((linktype >> 28) << 1) if linktype & 0x04000000 else 0  # length of the frame check sequence, in 16-bit words
    scale = 1 if magic in (NANO, IXIA_HARDWARE) else 1000
    bound = largest(link)
    unpack = Struct(sign + "IIII").unpack_from
    size = _record_header(window, unpack, KUZNETZOV_HEADERS if magic == KUZNETZOV else STANDARD_HEADERS if magic == MICRO else (16,), bound)
    run = 0
    walked = _Walked(window, order == "big", size, bound, scale, check, minor) if window.walker is not None else None
    while True:
        if walked is not None:
            frames, lie, run = walked.batch(link)
        else:
            frames, lie, run = _walk(window, unpack, size, bound, scale, check, minor, run)
            frames.links = [link] * len(frames)
        account.frames += len(frames)
        if len(frames):
            yield frames
        if run >= ZEROS:
            account.damage.append(f"from frame {account.frames - run + 1} on the file is zeros; reading ended there")
            return
        if lie >= 0:
            account.damage.append(f"frame {account.frames + 1} claims {lie} bytes, more than the {bound} that a frame can have; reading ended there")
            return
        if not window.more():
            if len(window.buf) > window.at:
                account.damage.append(f"the file ends inside frame {account.frames + 1}")
            return


def _walk(window: Window, unpack: Unpack, size: int, bound: int, scale: int, check: int, minor: int, run: int) -> tuple[Records, int, int]:
    """The whole records of a window; the length that cannot be true, or -1; and how many zeros in a row were last."""
    buf, at, stop = window.buf, window.at, len(window.buf)
    frames = batch(window)
    starts, ends, times = frames.starts, frames.ends, frames.times
    assert isinstance(starts, list) and isinstance(ends, list) and isinstance(times, list)
    lie = -1
    while at + size <= stop and run < ZEROS:
        fields = unpack(buf, at)
        captured, wire = fields[2], fields[3]
        if minor < 3 or (minor == 3 and captured > wire):
            captured, wire = wire, captured  # the fields stood the other way round before version 2.4
        if captured > bound:
            lie = captured
            break
        start = at + size
        if start + captured > stop:
            break
        at = start + captured
        starts.append(start)
        ends.append(at if not check or captured <= wire - check else start + max(0, wire - check))
        times.append(fields[0] * 1_000_000_000 + fields[1] * scale)
        run = 0 if captured or times[-1] else run + 1
    window.at = at
    return frames, lie, run


class _Walked:
    """The same by the compiled walk."""

    def __init__(self, window: Window, big: bool, size: int, bound: int, scale: int, check: int, minor: int) -> None:
        self._window = window
        self._fixed = int(big), size, bound, scale, check, minor, ZEROS
        self._room = Room()

    def batch(self, link: int) -> tuple[Records, int, int]:
        """The whole records of the window, as `_walk` gives them."""
        window, room = self._window, self._room
        assert window.walker is not None
        most = room.of(len(window.buf))
        room.state[0] = window.at
        window.walker.pcap_records(
            np.frombuffer(window.buf, np.uint8), len(window.buf), *self._fixed, room.starts, room.ends, room.times, most, room.state
        )
        at, count, lie, run = room.state.tolist()
        window.at = at
        room.links[:count] = link
        return Records(window.buf, room.starts[:count], room.ends[:count], room.links[:count], room.times[:count], window.origin), lie, run


def _record_header(window: Window, unpack: Unpack, sizes: tuple[int, ...], bound: int) -> int:
    """Bytes of the header before each frame: the first size unless the first three records contradict it and fit another."""
    for size in sizes:
        at, seen = window.at, 0
        while seen < 3 and at + size <= len(window.buf):
            _, fraction, captured, wire = unpack(window.buf, at)
            if captured > bound or captured > wire or fraction >= 1_000_000:
                break
            at += size + captured
            seen += 1
        else:
            if seen == 3 or at == len(window.buf):
                return size
    return sizes[0]
