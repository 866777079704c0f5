"""Capture files for the tests of this folder, made from their fields so that every byte is free."""

from __future__ import annotations

from struct import pack

from dpiprobe.wire.build import ethernet, tcp_packet
from tests.wire.packets import CLIENT, SERVER

FRAME = ethernet(tcp_packet(CLIENT, SERVER, 40000, 443, seq=5, payload=b"hello"))
SECOND = 1_000_000_000


def pcap(
    frames: list[bytes], *, order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1, minor: int = 4, record: bytes = b"", header: bytes = b""
) -> bytes:
    """A pcap file with a frame a second from 1000 s, each 250 units late. `record` and `header` are appended to each record's and the file's header."""
    records = (pack(order + "IIII", 1000 + i, 250, len(frame), len(frame)) + record + frame for i, frame in enumerate(frames))
    return pack(order + "IHHiIII", magic, 2, minor, 0, 0, 65535, link) + header + b"".join(records)


def block(kind: int, body: bytes, order: str = "<", length: int | None = None) -> bytes:
    """One pcapng block."""
    body += bytes(-len(body) % 4)
    total = len(body) + 12 if length is None else length
    return pack(order + "II", kind, total) + body + pack(order + "I", total)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """One pcapng option."""
    return pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", options: bytes = b"", major: int = 1) -> bytes:
    """A section header block."""
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, major, 0, -1) + options, order)


def interface(order: str = "<", link: int = 1, options: bytes = b"", snap: int = 0) -> bytes:
    """An interface description block."""
    return block(1, pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(frame: bytes = FRAME, units: int = 0, order: str = "<", index: int = 0, captured: int | None = None, wire: int | None = None) -> bytes:
    """An enhanced packet block."""
    head = pack(order + "IIIII", index, units >> 32, units & 0xFFFFFFFF, len(frame) if captured is None else captured, len(frame) if wire is None else wire)
    return block(6, head + frame, order)


def simple(frame: bytes = FRAME, order: str = "<", wire: int | None = None) -> bytes:
    """A simple packet block."""
    return block(3, pack(order + "I", len(frame) if wire is None else wire) + frame, order)


def obsolete(frame: bytes = FRAME, units: int = 0, drops: int = 0xFFFF, order: str = "<") -> bytes:
    """An obsolete packet block."""
    return block(2, pack(order + "HHIIII", 0, drops, units >> 32, units & 0xFFFFFFFF, len(frame), len(frame)) + frame, order)
