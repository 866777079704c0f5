"""Residual punishment: which later connections suffer for an earlier one, and until when.

Rules of this file: pure; the connection that triggered is never punished by it (what happens to that one is `then`).
"""

from __future__ import annotations

from dpiprobe.signature.emulation import Residual

Key = tuple[bytes, int, bytes, int]
Entry = tuple[bytes | int, ...]
Culprit = tuple[Key, int | None]
"""A connection: its addresses and ports, and the client's first sequence number, which tells it from a later one with the same ports."""


class Punishments:
    """Who is being punished."""

    def __init__(self, residual: Residual | None) -> None:
        self.residual = residual
        self.until: dict[Entry, tuple[int, Culprit]] = {}

    def note(self, now: int, key: Key, base: int | None) -> None:
        """A connection triggered at `now`. Copies of the hello that a kernel goes on sending do not renew its punishment."""
        if self.residual is not None and self.until.get(self._entry(key), (0, None))[1] != (key, base):
            self.until[self._entry(key)] = (now + self.residual.duration, (key, base))

    def applies(self, now: int, side: str, key: Key, base: int | None) -> str | None:
        """`drop`, `rst`, or None for a connection that is let alone; `side` is where the packet comes from."""
        if self.residual is None:
            return None
        entry = self._entry(key)
        until, culprit = self.until.get(entry, (0, (key, base)))
        if now >= until or (key, base) == culprit:
            return None
        if self.residual.renewed:
            self.until[entry] = (now + self.residual.duration, culprit)
        return self.residual.what if self.residual.both or side == "client" else None

    def _entry(self, key: Key) -> Entry:
        assert self.residual is not None
        parts: dict[str, bytes | int] = {"client": key[0], "client_port": key[1], "server": key[2], "port": key[3]}
        return tuple(parts[word] for word in self.residual.same)
