"""Writing captures: pcap with nanoseconds, and pcapng with interfaces, comments, directions and drop counts.

Rules of this file:
- A packet is on its way to the file when `packet` returns; `flush` after it and an interrupted run keeps what there is.
- Both writers only append, so they work on pipes.
- draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng, little-endian; section numbers are the latter's.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack
from typing import BinaryIO, Literal

from dpiprobe.capture.records import MAX_RECORD
from dpiprobe.errors import UsageError

Direction = Literal["inbound", "outbound"]
_DIRECTIONS = {"inbound": 1, "outbound": 2}  # section 4.3.1: bits 0 and 1 of epb_flags


class PcapWriter:
    """A pcap file with nanosecond times, one link type."""

    def __init__(self, file: BinaryIO, link: int, snap: int = MAX_RECORD) -> None:
        self._file = file
        file.write(pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snap, link))

    def packet(self, time: int, frame: bytes, wire_length: int | None = None) -> None:
        """One frame captured at `time` (ns since 1970, up to 2106); `wire_length` where the frame was longer than what was captured."""
        seconds, nanoseconds = divmod(time, 1_000_000_000)
        self._file.write(pack("<IIII", seconds, nanoseconds, len(frame), len(frame) if wire_length is None else wire_length) + frame)

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()


class PcapngWriter:
    """One section of a pcapng file. Interfaces are added before their first packet; times are in nanoseconds."""

    def __init__(self, file: BinaryIO, comment: str | Iterable[str] = (), application: str = "dpiprobe") -> None:
        self._file = file
        self._interfaces = 0
        comments = [comment] if isinstance(comment, str) else list(comment)
        options = b"".join(_option(1, c.encode()) for c in comments if c) + _option(4, application.encode())
        self._block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options + _END)

    def interface(self, link: int, name: str = "", snap: int = MAX_RECORD, description: str = "") -> int:
        """Describe an interface (section 4.2); the number that its packets carry."""
        options = (_option(2, name.encode()) if name else b"") + (_option(3, description.encode()) if description else b"")
        self._block(1, pack("<HHI", link, 0, snap) + options + _option(9, b"\x09") + _END)
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self, time: int, frame: bytes, interface: int = 0, *, wire_length: int | None = None, comment: str = "", direction: Direction | None = None
    ) -> None:
        """One frame (section 4.3) captured at `time` (ns since 1970)."""
        size = len(frame)
        head = pack("<IIIII", interface, time >> 32, time & 0xFFFFFFFF, size, size if wire_length is None else wire_length)
        options = _option(1, comment.encode()) if comment else b""
        if direction:
            options += _option(2, pack("<I", _DIRECTIONS[direction]))
        self._block(6, head + frame + bytes(-size % 4) + (options + _END if options else b""))

    def statistics(self, time: int, interface: int = 0, *, received: int | None = None, dropped: int | None = None) -> None:
        """Counters of an interface since the capture began (section 4.6), as the capturing program knows them."""
        options = b"" if received is None else _option(4, pack("<Q", received))
        options += b"" if dropped is None else _option(7, pack("<Q", dropped))
        self._block(5, pack("<III", interface, time >> 32, time & 0xFFFFFFFF) + options + _END)

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()

    def _block(self, kind: int, body: bytes) -> None:
        length = len(body) + 12
        self._file.write(pack("<II", kind, length) + body + pack("<I", length))


_END = bytes(4)


def _option(code: int, value: bytes) -> bytes:
    """One option (section 3.5)."""
    if len(value) > 65535:
        raise UsageError(f"a pcapng option holds at most 65,535 bytes and this one has {len(value)}; keep it in a file beside the capture.")
    return pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
