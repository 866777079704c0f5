"""Residual punishment: which later connections suffer for an earlier one, and until when.

Rules of this file: pure; the connection that triggered is never punished by it (what happens to that one is `then`).
"""

from __future__ import annotations

from dpiprobe.signature.emulation import Residual

Key = tuple[bytes, int, bytes, int]
Entry = tuple[bytes | int, ...]


class Punishments:
    """Who is being punished."""

    def __init__(self, residual: Residual | None) -> None:
        self.residual = residual
        self.until: dict[Entry, tuple[int, Key]] = {}

    def note(self, now: int, key: Key) -> None:
        """A connection triggered at `now`. Copies of the hello that a kernel goes on sending do not renew its punishment."""
        if self.residual is not None and self.until.get(self._entry(key), (0, None))[1] != key:
            self.until[self._entry(key)] = (now + self.residual.duration, key)

    def applies(self, now: int, key: Key) -> str | None:
        """`drop`, `rst`, or None for a connection that is let alone."""
        if self.residual is None:
            return None
        until, culprit = self.until.get(self._entry(key), (0, key))
        return self.residual.what if now < until and key != culprit else None

    def _entry(self, key: Key) -> Entry:
        assert self.residual is not None
        parts: dict[str, bytes | int] = {"client": key[0], "server": key[2], "port": key[3]}
        return tuple(parts[word] for word in self.residual.same)
