"""A story told as the innocent cases tell it: over IPv4 and again over IPv6, each time between two names that work at the same address.

    def story(begin: Begin) -> None:
        begin().handshake().hello().acknowledge().server_reset()

    tell(folder, "server-refuses", story)

Rules of this file:
- The surroundings are the hardest there are for an innocent: a control right before, one after, same client, same address, hellos alike.
- Flows of a story with one connection are numbered: 1 allowed.example, 2 odd.example, 3 another.example, and 4 to 6 the same over IPv6.
- The controls are short, since hundreds of cases carry them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from dpiprobe.cases.build import Connection, Tape

V6 = {"client": "2001:db8::10", "server": "2001:db8:1::20"}  # RFC 3849


class Begin(Protocol):
    """Begins a connection of the story: `odd.example` at the story's own time unless told otherwise (`begin`: ms after that)."""

    def __call__(self, name: str = "odd.example", *, begin: float = 0, **settings: Any) -> Connection: ...


def tell(
    folder: Path, seed: str, story: Callable[[Begin], object], *,
    lasts: float = 20_000, copies: int = 1, snap: int = 262144, controls: bool = True, v6: bool = True,
    spoil: Callable[[Tape], None] | None = None, **settings: Any,
) -> None:  # fmt: skip
    """Write `test.pcap` to the case's folder. seed: makes what has to look random; the case's name.

    lasts: ms that a telling takes · copies: how often the capture shows each packet · snap: bytes kept of each · controls: whether other names work around it
    v6: whether it is told over IPv6 too · spoil: what a careless recorder does to the tape · settings: of all connections
    """
    tape = Tape(seed=seed)
    for turn, addresses in enumerate(({}, V6) if v6 else ({},)):
        start = turn * (lasts + 4000)

        def begin(name: str = "odd.example", *, begin: float = 0, _start: float = start, _to: dict[str, str] = addresses, **more: Any) -> Connection:
            return tape.connection(name=name, begin=_start + 1000 + begin, **{**_to, **settings, **more})

        if controls:
            works(begin("allowed.example", begin=-1000))
        story(begin)
        if controls:
            works(begin("another.example", begin=lasts))
    if spoil is not None:
        spoil(tape)
    tape.write(folder / "test.pcap", copies=copies, snap=snap)


def works(talk: Connection) -> Connection:
    """A short connection that works from handshake to close."""
    return talk.handshake().hello().acknowledge().answer(700).close()
