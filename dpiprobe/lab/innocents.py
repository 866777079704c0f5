"""Networks and servers without any interference that fail all the same: what must never be called blocked or contested (design section 5).

Rules of this file:
- A table: what the server does for the name in question, for names it does not know, or for all; and how its front looks.
- Nothing here drops, forges or rewrites a packet because of a name on its way. `lab matrix` holds every verdict on them to `ok`, `down`, `insufficient`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpiprobe.lab.virtual import ALLOWED, BLOCKED, ServerSide


@dataclass(frozen=True, slots=True)
class Innocent:
    """port: 80 for HTTP · body: bytes of the page, None for the hello alone"""

    name: str
    says: str
    server: ServerSide
    port: int = 443
    body: int | None = 24_000


def _for_one(what: str) -> ServerSide:
    return ServerSide({BLOCKED: what})


def _for_unknown(what: str) -> ServerSide:
    return ServerSide({ALLOWED: "ok", None: what})


def _for_all(what: str) -> ServerSide:
    return ServerSide({None: what})


_ONE = ("slow", "late", "paced", "reset", "reset-unread", "close", "alert", "hang", "hang-then-close", "hang-then-reset", "page", "stall", "half", "retry")
_UNKNOWN = ("reset", "close", "alert", "hang", "page", "late")
_ALL = ("slow", "reset", "hang", "retry", "late", "stall")
_FRONT = 250  # a balancer with initial TTL 255 some hops nearer than its servers

INNOCENTS: tuple[Innocent, ...] = (
    Innocent("free", "nobody does anything", ServerSide()),
    Innocent("free-hello", "nobody does anything; the hello alone is sent", ServerSide(), body=None),
    Innocent("free-http", "nobody does anything, HTTP", ServerSide(), port=80),
    *(Innocent(f"{what}-one", f"the server does `{what}` for the name in question", _for_one(what)) for what in _ONE),
    *(Innocent(f"{what}-unknown", f"the server does `{what}` for every name it does not know", _for_unknown(what)) for what in _UNKNOWN),
    *(Innocent(f"{what}-all", f"the server does `{what}` for every name", _for_all(what)) for what in _ALL),
    *(
        Innocent(f"{what}-one-http", f"the server does `{what}` for the name in question, HTTP", _for_one(what), port=80)
        for what in ("slow", "reset", "close", "hang", "late", "alert")
    ),
    *(
        Innocent(f"{what}-one-hello", f"the server does `{what}` for the name in question; the hello alone is sent", _for_one(what), body=None)
        for what in ("reset", "close", "alert", "hang", "late")
    ),
    Innocent("balancer", "a load balancer answers SYNs with a TTL of its own", ServerSide(front_ttl=_FRONT)),
    *(
        Innocent(f"balancer-{what}", f"a load balancer, and a server behind that does `{what}` for the name", ServerSide({BLOCKED: what}, front_ttl=_FRONT))
        for what in ("reset", "close")
    ),
    Innocent("windows", "a server whose packets start at TTL 128 resets the name", ServerSide({BLOCKED: "reset"}, ttl=128)),
    Innocent("plain-tcp", "a server without TCP timestamps closes for the name", ServerSide({BLOCKED: "close"}, timestamps=False)),
    Innocent("plain-tcp-reset", "a server without TCP timestamps resets the name", ServerSide({BLOCKED: "reset"}, timestamps=False)),
    Innocent("restarts", "the server's port is closed for 10 s in every 30 s", ServerSide(closed=(20_000, 10_000))),
    Innocent("overloaded", "one connection in five fails in some way, whatever the name", ServerSide(failing=0.2)),
    Innocent("rate-limit-drop", "a server that ignores SYNs for 20 s after six connections within 10 s", ServerSide(limit=(6, "drop"))),
    Innocent("rate-limit-reset", "a server that refuses SYNs for 20 s after six connections within 10 s", ServerSide(limit=(6, "reset"))),
    *(
        Innocent(f"certificate-{whose}", f"TLS 1.2, certificates: {says}", ServerSide(certificates=whose))
        for whose, says in (("one", "one for all names"), ("each", "one a name, of one issuer"), ("own", "one a name, each signed by itself"))
    ),
)  # fmt: skip
