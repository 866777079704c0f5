"""ClientHellos of real programs, recorded on loopback, as templates: `names()`, `client(name)`, `hello_of(name, server_name)`.

Alone responsible for the package's data (`data/<client>.json`, written by `make hellos`) and for putting a name into a template.

Rules of this package:
- A template is what one program sent once, byte for byte. `Client.varies` says what it draws anew each time; nothing is drawn here.
- A client that imitates another program is of kind `mimicry` and says whom.
- Files are read when they are asked for, once; an unknown client is the caller's error.
"""

from __future__ import annotations

import difflib
from functools import lru_cache

from dpiprobe.errors import UsageError
from dpiprobe.tls.clients.template import Client, read_client
from dpiprobe.tls.hello import ClientHello
from dpiprobe.tls.rename import with_name

__all__ = ["Client", "about", "client", "hello_of", "names"]


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """All recorded clients, in alphabetical order."""
    from importlib.resources import files

    return tuple(sorted(file.name.removesuffix(".json") for file in files(__name__).joinpath("data").iterdir() if file.name.endswith(".json")))


@lru_cache(maxsize=128)
def client(name: str) -> Client:
    """A recorded client. UsageError where there is none of this name."""
    from importlib.resources import files

    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        advice = f"did you mean {near[0]!r}?" if near else "'dpiprobe hello list client' prints those there are"
        raise UsageError(f"there is no client {name!r}; {advice}")
    return read_client(files(__name__).joinpath("data").joinpath(f"{name}.json").read_text(encoding="utf-8"))


def hello_of(name: str, server_name: str | bytes | None) -> ClientHello:
    """What this client would send for another server name: lengths, padding and records as it would make them, every other byte as recorded.

    server_name: text as `printable_name` writes it, or raw bytes; None: the extension is left out. A QUIC client's hello is a bare message
    (no records). UsageError where there is no such client."""
    found = client(name)
    return with_name(found.hello, server_name, pads=found.pads)


def about(name: str) -> str:
    """One line on a client: program, version, settings, and whom it imitates."""
    found = client(name)
    library = found.library if found.library_version is None else f"{found.library} {found.library_version}"
    what = f"{found.program} {found.version}" + (f" ({library})" if library != found.program else "") + f", {found.settings}"
    return what + (f"; imitates {found.imitates}" if found.imitates else "") + ("; QUIC" if found.transport == "quic" else "")
