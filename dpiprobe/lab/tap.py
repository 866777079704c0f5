"""Captures at the ends of the lab: what really was on the client's and on the server's interface, as pcapng with the kernel's timestamps.

Rules of this file:
- Its own process, which may only read. The file arrives as an open descriptor, so it belongs to whoever asked.
- Timestamps are the kernel's (SO_TIMESTAMPNS), never the time at which Python read.
- Frames the kernel dropped are counted and written into the file's statistics block.
- pcapng as in draft-ietf-opsawg-pcapng: section header, interface description (ns resolution), enhanced packets, interface statistics.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Sequence

from dpiprobe.lab import namespaces

_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/if_packet.h
_FLUSH = 1 << 16


class Tap:
    """One interface and the file its frames go to."""

    def __init__(self, node: str, interface: str, fd: int) -> None:
        self.node, self.fd = node, fd
        self.frames = self.dropped = 0
        self.buffer = bytearray()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((interface, _ETH_P_ALL))
        self.socket.setblocking(False)
        self.buffer += _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _option(4, b"dpiprobe lab") + _option(0, b""))
        self.buffer += _block(1, struct.pack("<HHI", 1, 0, 0) + _option(2, f"{node}.{interface}".encode()) + _option(9, b"\x09") + _option(0, b""))

    def drain(self) -> None:
        """Read every waiting frame."""
        while True:
            try:
                frame, extra, _, _ = self.socket.recvmsg(65_600, 64)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue
            stamp = 0
            for level, kind, data in extra:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("qq", data)
                    stamp = seconds * 1_000_000_000 + nanoseconds
            self.frames += 1
            self.buffer += _block(6, struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame)) + frame + bytes(-len(frame) % 4))
            if len(self.buffer) > _FLUSH:
                self.flush()

    def flush(self) -> None:
        """Write out what is buffered."""
        view = memoryview(bytes(self.buffer))
        self.buffer.clear()
        while view:
            view = view[os.write(self.fd, view) :]

    def finish(self) -> None:
        """Drain, write the statistics, close."""
        self.drain()
        self.dropped = struct.unpack("II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
        now = time.time_ns()
        counts = _option(4, struct.pack("<Q", self.frames + self.dropped)) + _option(5, struct.pack("<Q", self.dropped)) + _option(0, b"")
        self.buffer += _block(5, struct.pack("<III", 0, now >> 32, now & 0xFFFFFFFF) + counts)
        self.flush()
        self.socket.close()
        os.close(self.fd)


def run(taps: Sequence[Tap], control: int) -> dict[str, dict[str, int]]:
    """Capture until `control` can be read (or hangs up); returns frames and drops by node."""
    namespaces.tight_timers()
    watched: list[socket.socket | int] = [*(tap.socket for tap in taps), control]
    while True:
        ready = select.select(watched, [], [], 0.2)[0]
        for tap in taps:
            tap.drain()
            if not ready:
                tap.flush()
        if control in ready:
            break
    os.read(control, 64)  # unread, it would reset the pipe and take our answer with it
    for tap in taps:
        tap.finish()
    return {tap.node: {"frames": tap.frames, "dropped": tap.dropped} for tap in taps}


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)
