"""Captures at the ends of the lab: what really was on the client's and on the server's interface, as pcapng with the kernel's timestamps.

Rules of this file:
- Its own process, which only reads. The file arrives as an open descriptor, so it belongs to whoever asked.
- Every tap captures (into its ring) before the caller is told that it runs. Frames the kernel dropped are counted and written into the file.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Sequence

from dpiprobe.capture.ring import Ring
from dpiprobe.lab import namespaces

_MEGABYTES = 16  # of each ring: ten thousand full frames, or 2.5 s without a turn (capture.ring)
_QUIET = 0.05  # seconds without a frame after which a stopped capture has everything; the ring hands a block over after 20 ms


class Tap:
    """One interface of the node this process is in, and the file its frames go to."""

    def __init__(self, node: str, interface: str, fd: int) -> None:
        self.node, self.interface = node, interface
        self.file = open(fd, "wb")  # noqa: SIM115 (a descriptor; closed by finish)
        self.ring = Ring(interface, megabytes=_MEGABYTES)
        self.frames = 0

    def begin(self) -> None:
        """Write the head of the file."""
        from dpiprobe.capture.write import PcapngWriter

        self.writer = PcapngWriter(self.file, application="dpiprobe lab")
        self.writer.interface(self.ring.link_type, f"{self.node}.{self.interface}")

    def drain(self) -> int:
        """Take every waiting frame; how many there were."""
        frames = self.ring.read(0)
        for frame in frames:
            self.writer.packet(frame.time, frame.data, wire_length=frame.length, direction="outbound" if frame.outgoing else "inbound")
        if frames:
            self.writer.flush()
        self.frames += len(frames)
        return len(frames)

    def finish(self) -> dict[str, int]:
        """Write the statistics and close; frames written and frames dropped."""
        dropped = self.ring.losses().dropped
        self.writer.statistics(time.time_ns(), received=self.frames + dropped, dropped=dropped)
        self.writer.flush()
        self.ring.close()
        self.file.close()
        return {"frames": self.frames, "dropped": dropped}


def run(taps: Sequence[Tap], control: int) -> dict[str, dict[str, int]]:
    """Capture until `control` can be read (or hangs up); frames and drops by node."""
    namespaces.tight_timers()
    namespaces.first_in_line()
    for tap in taps:
        tap.begin()
    watched: list[Ring | socket.socket | int] = [*(tap.ring for tap in taps), control]
    while control not in select.select(watched, [], [])[0]:
        for tap in taps:
            tap.drain()
    os.read(control, 64)  # unread, it would reset the pipe and take our answer with it
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < _QUIET:
        if sum(tap.drain() for tap in taps):
            quiet_since = time.monotonic()
        time.sleep(0.005)
    return {tap.node: tap.finish() for tap in taps}
