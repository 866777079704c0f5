"""How a hello was asked for: client, name, variations, seed; and the hello itself, made from that.

Alone responsible for the one way from a recipe to bytes, which `hello build`, the probe's plan and replay all take.

Rules of this file: the same recipe gives the same bytes. Two recipes that differ in the name alone give hellos that differ in what depends on the name
alone. `builtin` is the client of `craft.py`; the recorded clients load only where one is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.freshen import freshened
from dpiprobe.tls.hello import PADDING, PRE_SHARED_KEY, ClientHello, Extension, build_message, parse
from dpiprobe.tls.rename import reframed
from dpiprobe.tls.vary.catalogue import variation
from dpiprobe.tls.vary.variation import Varied, apply

BUILTIN = "builtin"
_LEAST_PADDING = 1  # an empty one hangs some servers (RFC 7685 section 4)


@dataclass(frozen=True, slots=True)
class Recipe:
    """client: `builtin`, or one of `clients.names()` · name: text as `printable_name` writes it; None: no server_name extension
    variations: recipes as `vary.catalogue.variation` reads them · seed: decides all that looks random
    lengths: of the shortest and the longest name among those that are compared: a padding extension makes the hellos of all of them equally long
    where their client would not; None: as the client sends it"""

    client: str = BUILTIN
    name: str | None = None
    variations: Sequence[str] = ()
    seed: bytes = b""
    lengths: tuple[int, int] | None = None

    def make(self) -> Varied:
        """The hello and what goes on the wire. UsageError where client or variation are unknown or do not go together."""
        hello = template(self.client, self.name, self.seed)
        if self.lengths is not None and self.name is not None:
            hello = _levelled(hello, *[template(self.client, "x" * length, self.seed) for length in self.lengths])
        return apply(hello, [variation(text) for text in self.variations])


def client_names() -> tuple[str, ...]:
    """All clients a recipe may name."""
    return (BUILTIN, *(_recorded().names() if _recorded() else ()))


def _recorded() -> Any:
    """The recorded clients; None where they are not installed."""
    try:
        module = import_module("dpiprobe.tls.clients")
    except ImportError:
        return None
    return module if hasattr(module, "names") else None


def template(client: str, name: str | None, seed: bytes) -> ClientHello:
    """This client's hello for a name, its random bytes drawn from the seed."""
    if client == BUILTIN:
        hello = parse(client_hello(name, seed, alpn=BROWSER_ALPN))
        if hello is None:
            raise UsageError("the name makes no ClientHello; give another")
        return hello
    known = client_names()
    if client not in known:
        near = difflib.get_close_matches(client, known, n=1)
        raise UsageError(f"there is no client {client!r}; {f'did you mean {near[0]!r}?' if near else 'give one of ' + ', '.join(known)}")
    recorded: ClientHello = _recorded().hello_of(client, name)
    return freshened(recorded, seed)


def _levelled(hello: ClientHello, shortest: ClientHello, longest: ClientHello) -> ClientHello:
    """As long as the same client's hellos for the other names: unchanged where those are equal, else padded to a little more than the longest."""
    if len(build_message(shortest)) == len(build_message(longest)):
        return hello
    length = len(build_message(_without_padding(longest))) + 4 + _LEAST_PADDING
    bare = _without_padding(hello)
    size = length - len(build_message(bare)) - 4
    if size < _LEAST_PADDING:
        raise UsageError("a name is longer than the longest that the others were levelled to; give the true length of the longest name")
    extensions = list(bare.extensions or ())
    at = next((i for i, e in enumerate(hello.extensions or ()) if e.type == PADDING), None)
    last = len(extensions) - (1 if extensions and extensions[-1].type == PRE_SHARED_KEY else 0)
    extensions.insert(last if at is None else at, Extension(PADDING, bytes(size)))
    return reframed(replace(hello, extensions=tuple(extensions)))


def _without_padding(hello: ClientHello) -> ClientHello:
    return replace(hello, extensions=tuple([e for e in hello.extensions or () if e.type != PADDING]))
