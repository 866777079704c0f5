"""How a hello was asked for: client, name, variations, seed; and the hello itself, made from that.

Alone responsible for the one way from a recipe to bytes, which `hello build`, the probe's plan and replay all take.

Rules of this file: the same recipe gives the same bytes. Two recipes that differ in the name alone give hellos that differ in what depends on the name
alone. `builtin` is the client of `craft.py`; the recorded clients load only where one is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from typing import Any

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.freshen import freshened
from dpiprobe.tls.hello import PADDING, PRE_SHARED_KEY, SERVER_NAME, ClientHello, Extension, build_message, parse
from dpiprobe.tls.rename import reframed
from dpiprobe.tls.vary.catalogue import variation
from dpiprobe.tls.vary.variation import Varied, apply, check_together

BUILTIN = "builtin"
_LEAST_PADDING = 1  # an empty one hangs some servers (RFC 7685 section 4)
_FILLER = 0x1A1A  # RFC 8701 section 3.1: clients may send GREASE extensions with any body
_FEW = 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """client: `builtin`, or one of `clients.names()` · name: text as `printable_name` writes it; None: no server_name extension
    variations: recipes as `vary.catalogue.variation` reads them · seed: decides all that looks random
    beside: all names that are compared: where their hellos, varied, would not be equally long, each is filled up behind the name to a little more
    than the longest; (): as the client sends it"""

    client: str = BUILTIN
    name: str | None = None
    variations: Sequence[str] = ()
    seed: bytes = b""
    beside: tuple[str, ...] = ()

    def make(self) -> Varied:
        """The hello and what goes on the wire. UsageError where client or variation are unknown or do not go together."""
        chosen = [variation(text) for text in self.variations]
        hello = template(self.client, self.name, self.seed)
        if not self.beside:
            return apply(hello, chosen)
        check_together(chosen)
        first, then = [v for v in chosen if v.stage == "hello"], [v for v in chosen if v.stage != "hello"]
        sizes = {_size(self.client, name, tuple(self.variations), self.seed) for name in self.beside}
        hello = apply(hello, first).hello
        return apply(_filled(hello, max(sizes) + 4 + _LEAST_PADDING) if len(sizes) > 1 else hello, then)


@lru_cache(maxsize=256)
def _size(client: str, name: str, variations: tuple[str, ...], seed: bytes) -> int:
    """Bytes of the message for a name, varied."""
    first = [v for v in map(variation, variations) if v.stage == "hello"]
    return len(build_message(apply(template(client, name, seed), first).hello))


def _filled(hello: ClientHello, length: int) -> ClientHello:
    """The message filled up to `length` bytes behind the name: by the padding extension, which is made where there is none, last but before
    pre_shared_key; where one stands before the name, by a GREASE extension, as a second one is not allowed. One or two extensions are not added to:
    that they are alone is what is tested."""
    extensions = list(hello.extensions or ())
    missing = length - len(build_message(hello))
    kinds = [e.type for e in extensions]
    name = kinds.index(SERVER_NAME) if SERVER_NAME in kinds else -1
    padding = kinds.index(PADDING) if PADDING in kinds else -1
    if padding > name:
        extensions[padding] = Extension(PADDING, bytes(len(extensions[padding].data) + missing))
    elif len(extensions) < _FEW or missing < 4:
        return hello
    else:
        last = len(extensions) - (1 if kinds[-1] == PRE_SHARED_KEY else 0)
        extensions.insert(last, Extension(PADDING if padding < 0 else _FILLER, bytes(missing - 4)))
    return reframed(replace(hello, extensions=tuple(extensions)))


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
        advice = f"did you mean {near[0]!r}?" if near else "'dpiprobe hello list client' prints those there are"
        raise UsageError(f"there is no client {client!r}; {advice}")
    recorded: ClientHello = _recorded().hello_of(client, name)
    return freshened(recorded, seed)
