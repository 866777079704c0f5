"""`read_capture`: any capture file, pipe or bytes -> `Capture`.

Rules of this file:
- The caller is wrong (missing, empty, not a capture): InputError. The file is damaged: what can be read is read, the rest is said.
- Reading is: source -> window -> batches of frames -> decoder. No step needs the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from dpiprobe.capture.model import Capture
from dpiprobe.capture.pcap import MAGICS, read_pcap
from dpiprobe.capture.pcapng import SECTION_MAGIC, read_pcapng
from dpiprobe.capture.records import CHUNK, Account, Window
from dpiprobe.capture.source import Source, open_source
from dpiprobe.errors import InputError
from dpiprobe.wire.decode import Decoder, Records
from dpiprobe.wire.links import link_name
from dpiprobe.wire.packets import Packets

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
    with Reading(open_source(source, name, data)) as reading:
        decoder = Decoder()
        for batch in reading.frames():
            decoder.append(batch)
        return reading.capture(decoder, decoder.finish())


class Reading:
    """One capture while it is read: `frames()` to the end, then `capture(...)`. Closes its source; memory that runs out is an InputError.

    walker: the compiled record walk, where it pays · chunk: bytes read at once
    """

    def __init__(self, stream: Source, walker: ModuleType | None = None, chunk: int = CHUNK) -> None:
        self.stream = stream
        self.account = Account()
        self._window = Window(stream, walker, chunk)

    @property
    def name(self) -> str:
        """What the capture is called."""
        return self.stream.name

    def frames(self) -> Iterator[Records]:
        """Batches of frames. Raises InputError where this is no capture."""
        stream = self.stream
        if stream.empty:
            what = "standard input" if stream.name == "-" else stream.name
            raise InputError(f"{what} is empty; the capture was never written, or is still buffered by the program that writes it.")
        self._window.need(4)
        return _frames(self._window, stream.name, self.account, stream.damage)

    def sha256(self) -> str:
        """The hash of the capture's bytes as given; waits for it where a thread is at it."""
        return self.stream.sha256()

    def capture(self, decoder: Decoder, packets: Packets, hashed: bool = True) -> Capture:
        """What was read, once it is at its end; `decoder` has seen all frames and given up its fragments. `hashed`: else the hash stays empty, and
        `sha256` is asked for later."""
        account = self.account
        damage = account.damage + self.stream.damage
        return capture_of(self.name, self.sha256() if hashed else "", decoder, packets, damage, account.drops, account.comments)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.stream.close()
        if isinstance(error, MemoryError):
            raise InputError(f"{self.stream.name} needs more memory than there is; cut it into parts with 'editcap -c 1000000'.") from None


def capture_of(name: str, sha256: str, decoder: Decoder, packets: Packets, damage: list[str], drops: int, comments: list[str]) -> Capture:
    """A capture from what its decoder counted and what reading said of it."""
    return Capture(
        name=name,
        sha256=sha256,
        packets=packets,
        frames=decoder.frames,
        undecoded=sum(decoder.reasons.values()),
        undecoded_reasons=dict(sorted(decoder.reasons.items())),
        other=decoder.other,
        fragments=decoder.fragments,
        damage=damage,
        links=list(dict.fromkeys(link_name(link) for link in decoder.links)),
        drops=drops,
        comments=comments,
    )


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
