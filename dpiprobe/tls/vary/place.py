"""Variations of where the name stands in the hello: first, last, behind 1.4 kB, behind 16 kB.

Rules of this file: nothing but the place changes; what pushes the name back is a padding extension (RFC 7685) or an extension nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import PADDING, PRE_SHARED_KEY, SERVER_NAME, ClientHello, Extension
from dpiprobe.tls.position import server_name_at, stream_offset
from dpiprobe.tls.rename import reframed
from dpiprobe.tls.vary.extensions import extensions_of, with_extensions
from dpiprobe.tls.vary.names import name_of
from dpiprobe.tls.vary.variation import Value, Variation


def _apart(hello: ClientHello) -> tuple[list[Extension], list[Extension]]:
    """The server_name extensions and the others."""
    name_of(hello)
    extensions = extensions_of(hello)
    return [e for e in extensions if e.type == SERVER_NAME], [e for e in extensions if e.type != SERVER_NAME]


def first(hello: ClientHello) -> ClientHello:
    """server_name before all other extensions."""
    names, others = _apart(hello)
    return with_extensions(hello, [*names, *others])


def last(hello: ClientHello) -> ClientHello:
    """server_name behind all other extensions (but before pre_shared_key, which must be last)."""
    names, others = _apart(hello)
    at = len(others) - (1 if others and others[-1].type == PRE_SHARED_KEY else 0)
    return with_extensions(hello, [*others[:at], *names, *others[at:]])


def behind(hello: ClientHello, offset: int, number: int) -> ClientHello:
    """A first extension of type `number`, as long as it takes for the name to begin at byte `offset` of the stream."""
    names, others = _apart(hello)
    if number == PADDING:
        others = [e for e in others if e.type != PADDING]

    def pushed(size: int) -> ClientHello:
        from dataclasses import replace

        return reframed(replace(hello, extensions=(Extension(number, bytes(size)), *names, *others)))

    size = 0
    for _ in range(3):  # a record header more may come in between
        made = pushed(size)
        at = server_name_at(made)
        gap = offset - stream_offset(made, (at or 0) + 5)
        if gap == 0:
            return made
        size += gap
        if not 0 <= size <= 65_535 - 1024:
            raise UsageError(f"the name cannot begin at byte {offset}; choose an offset between {offset - gap} and 64000")
    raise UsageError(f"the name cannot begin at byte {offset}, where a record begins; choose an offset a few bytes away")


def _of(name: str, tests: str, make: Callable[..., ClientHello], source: str = "dpiprobe", /, **parameters: Value) -> Variation:
    return Variation(f"place-{name}", "place", tests, make, parameters, decides="place of the name", source=source)


VARIATIONS: tuple[Variation, ...] = (
    _of("first", "Is the name found where server_name is the first extension?", first, "strategies e1, added"),
    _of("last", "Is the name found where server_name is the last extension?", last, "strategies e1, added"),
    _of("behind-1400", "Is the name found where it begins behind 1.4 kB, in the second segment?", behind, "issue", offset=1500, number=PADDING),
    _of("behind-4096", "Is the name found where it begins behind 4 kB, in the third segment?", behind, offset=4400, number=PADDING),
    _of("behind-16384", "Is the name found where it begins behind 16 kB, in the second record?", behind, "issue", offset=16_500, number=PADDING),
    _of("behind-32768", "Is the name found where it begins behind 32 kB, in the third record?", behind, offset=33_000, number=PADDING),
)  # fmt: skip
