"""`read_capture`: any capture file, pipe or bytes -> `Capture`.

Rules of this file:
- The caller is wrong (missing, empty, not a capture): InputError. The file is damaged: what can be read is read, the rest is said.
- Reading is: source -> window -> batches of frames -> decoder. No step needs the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dpiprobe.capture.model import Capture
from dpiprobe.capture.pcap import MAGICS, read_pcap
from dpiprobe.capture.pcapng import SECTION_MAGIC, read_pcapng
from dpiprobe.capture.records import Account, Window
from dpiprobe.capture.source import open_source
from dpiprobe.errors import InputError
from dpiprobe.wire.decode import Decoder, Records
from dpiprobe.wire.links import link_name

OTHERS = {
    b"\xfd7zXZ\0": "compressed with xz; decompress it with 'xz -dk' first",
    b"BZh": "compressed with bzip2; decompress it with 'bzip2 -dk' first",
    b"PK\3\4": "a zip archive; unpack it first",
    b"snoop\0\0\0": "a snoop capture; convert it with 'editcap -F pcapng'",
    b"TRSNIFF data": "a Sniffer capture; convert it with 'editcap -F pcapng'",
    b"GMBU": "a Network Monitor capture; convert it with 'editcap -F pcapng'",
    b"version https://git-lfs": "a Git LFS pointer, not the capture itself; fetch it with 'git lfs pull'",
}
"""What files that are often taken for captures start with, and what to do about it."""


def read_capture(source: str | Path | BinaryIO, name: str | None = None, data: bytes | None = None) -> Capture:
    """Read one capture to its end or its first damage.

    source: path, "-" for standard input, or a binary file object · name: what to call it instead of the path
    data: the capture's bytes themselves; `source` then only names them
    Raises InputError where there is no capture to read. A capture without packets is fine.
    """
    stream = open_source(source, name, data)
    try:
        if stream.empty:
            what = "standard input" if source == "-" else stream.name
            raise InputError(f"{what} is empty; the capture was never written, or is still buffered by the program that writes it.")
        window = Window(stream)
        window.need(4)
        account = Account()
        decoder = Decoder()
        for batch in _frames(window, stream.name, account, stream.damage):
            decoder.append(batch)
        packets = decoder.finish()
        return Capture(
            name=stream.name,
            sha256=stream.sha256(),
            packets=packets,
            frames=decoder.frames,
            undecoded=sum(decoder.reasons.values()),
            undecoded_reasons=dict(sorted(decoder.reasons.items())),
            other=decoder.other,
            fragments=decoder.fragments,
            damage=account.damage + stream.damage,
            links=list(dict.fromkeys(link_name(link) for link in decoder.links)),
            drops=account.drops,
            comments=account.comments,
        )
    except MemoryError:
        raise InputError(f"{stream.name} needs more memory than there is; cut it into parts with 'editcap -c 1000000'.") from None
    finally:
        stream.close()


def _frames(window: Window, name: str, account: Account, broken: list[str]) -> Iterator[Records]:
    magic = window.buf[window.at : window.at + 4]
    if magic in MAGICS:
        return read_pcap(window, name, account)
    if magic == SECTION_MAGIC:
        return read_pcapng(window, name, account)
    if broken:
        raise InputError(f"{name} cannot be decompressed: {broken[0]}; fetch it again.")
    for start, what in OTHERS.items():
        if window.buf.startswith(start):
            raise InputError(f"{name} is {what}.")
    raise InputError(f"{name} is neither pcap nor pcapng; other formats can be converted with 'editcap -F pcapng'.")
