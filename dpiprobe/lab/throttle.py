"""Slow by queueing and slow by dropping: what a rate limiter does to one flow's packets, as a pure function of time.

Rules of this file: no clock; `when` is called in the order in which packets reach the limiter.
"""

from __future__ import annotations

from dpiprobe.signature.emulation import Throttle

QUEUE = 256 * 1024  # bytes a shaper holds before it drops; 30 s at 8 kB/s, more than a lab's client waits for
BURST = 6000  # bytes a policer lets through at once: four full segments, so that a handshake survives


class Limiter:
    """One flow's share."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle = throttle
        self.free_at = 0  # shape: when the last queued packet is out
        self.tokens, self.filled_at = float(BURST), 0  # police

    def when(self, now: int, size: int) -> int | None:
        """When a packet of `size` IP bytes leaves, None where it is dropped."""
        rate = self.throttle.rate
        if self.throttle.how == "shape":
            start = max(now, self.free_at)
            if (start - now) * rate / 1e9 > QUEUE:
                return None
            self.free_at = start + round(size / rate * 1e9)
            return self.free_at
        if self.filled_at:
            self.tokens = min(BURST, self.tokens + (now - self.filled_at) * rate / 1e9)
        self.filled_at = now
        if self.tokens < size:
            return None
        self.tokens -= size
        return now
