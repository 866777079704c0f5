"""The pcap format: both byte orders, micro- and nanoseconds, and its relatives.

Rules of this file:
- draft-ietf-opsawg-pcap; libpcap's sf-pcap.c and Wireshark's wiretap/libpcap.c for the relatives.
- A record whose length cannot be true ends the reading with a sentence; all before it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from dpiprobe.capture.records import Account, Window, batch, largest
from dpiprobe.errors import InputError
from dpiprobe.wire.decode import Records

MICRO, NANO, KUZNETZOV, IXIA_HARDWARE, IXIA_SOFTWARE = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34, 0x1C0001AC, 0x1C0001AB
REFUSED = {0xA1E2CB12: "Navtel", 0xA12B3C4D: "Fmesquita"}
"""Relatives that no test file was found for."""
MAGICS = {m.to_bytes(4, order): (m, order) for m in (MICRO, NANO, KUZNETZOV, IXIA_HARDWARE, IXIA_SOFTWARE, *REFUSED) for order in ("little", "big")}


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
    scale = 1 if magic == NANO or ixia else 1000
    record = Struct(sign + ("IIIIIHBB" if magic == KUZNETZOV else "IIII"))
    size, unpack, bound = record.size, record.unpack_from, largest(link)
    while True:
        buf, at, stop = window.buf, window.at, len(window.buf)
        frames = batch(buf)
        starts, ends, times = frames.starts, frames.ends, frames.times
        assert isinstance(starts, list) and isinstance(ends, list) and isinstance(times, list)
        lie = -1
        while at + size <= stop:
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
        account.frames += len(starts)
        window.at = at
        if starts:
            frames.links = [link] * len(starts)
            yield frames
        if lie >= 0:
            account.damage.append(f"frame {account.frames + 1} claims {lie} bytes, more than the {bound} that a frame can have; reading ended there")
            return
        if not window.more():
            if len(window.buf) > window.at:
                account.damage.append(f"the file ends inside frame {account.frames + 1}")
            return
