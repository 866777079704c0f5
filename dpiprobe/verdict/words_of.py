"""From a technique to the words around it: mechanism, precedence, position. Tables, no rules."""

from __future__ import annotations

from functools import lru_cache

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL

WORDS = 1024
"""Answers that are kept: techniques are words, few of which come together; policy."""

PRECEDENCE = (
    "residual",
    "data",
    "rst",
    "proxy.close",
    "proxy.alert",
    "fin",
    "icmp",
    "mitm",
    "proxy",
    "drop",
    "quic.drop",
    "throttle",
    "address",
)
"""Which of several techniques names the flow (design section 4). Residual leads only where the flow carried no trigger."""

_TLS = {
    "rst": "tls.reset.sni", "fin": "tls.close.sni", "proxy.close": "tls.close.sni", "proxy.alert": "tls.alert.sni", "proxy": "tls.timeout.sni",
    "data.alert": "tls.alert.sni", "data.blockpage": "http.blockpage", "data.redirect": "http.redirect", "data": "tls.reset.other",
    "drop.stall": "tls.stall", "drop": "tls.timeout.sni", "icmp": "tls.timeout.sni", "mitm": "tls.mitm", "throttle": "tls.throttle.sni",
}  # fmt: skip
_HTTP = {
    "rst": "http.reset.host", "fin": "http.close.host", "proxy.close": "http.close.host", "proxy": "http.timeout.host",
    "data.blockpage": "http.blockpage", "data.redirect": "http.redirect", "data": "http", "drop": "http.timeout.host",
    "icmp": "http.timeout.host", "throttle": "http",
}  # fmt: skip
_QUIC = {"quic.drop": "quic.timeout.sni", "drop": "quic.timeout.sni"}
_ADDRESS = {
    "address.rst": "tcp.refused", "address.drop": "tcp.timeout", "address.icmp": "ip.unreachable", "residual.drop": "tcp.timeout",
    "residual.rst": "tcp.reset", "rst": "tcp.reset", "address": "tcp", "residual": "tcp",
}  # fmt: skip


@lru_cache(WORDS)
def mechanism_of(technique: str, trigger_kind: int, by_name: bool) -> str | None:
    """The deepest mechanism that a technique supports in a flow of this kind; `.sni` and `.host` only where the name was shown to matter."""
    table = {CLIENT_HELLO: _TLS, HTTP_REQUEST: _HTTP, QUIC_INITIAL: _QUIC}.get(trigger_kind, _ADDRESS)
    word = lookup(table, technique) or lookup(_ADDRESS, technique)
    if word is not None and not by_name:
        for suffix in (".sni", ".host"):
            word = word.removesuffix(suffix)
    return word


@lru_cache(WORDS)
def around(technique: str, trigger_kind: int, by_name: bool) -> tuple[str | None, str, str, str]:
    """Mechanism, trigger, direction and position of a technique."""
    trigger = "earlier-flow" if technique.startswith("residual") else "address" if technique.startswith("address") else "name" if by_name else "unknown"
    direction = "to-server" if technique == "rst.in-path" else "unknown"
    return mechanism_of(technique, trigger_kind, by_name), trigger, direction, position_of(technique)


def lookup(table: dict[str, str], technique: str) -> str | None:
    """The entry of a technique or of its nearest parent."""
    while technique:
        if technique in table:
            return table[technique]
        technique = technique.rpartition(".")[0]
    return None


@lru_cache(WORDS)
def rank(technique: str) -> int:
    """Place of a technique in the precedence, smaller first."""
    for place, word in enumerate(PRECEDENCE):
        if technique == word or technique.startswith(word + "."):
            return place
    return len(PRECEDENCE)


@lru_cache(WORDS)
def related(a: str, b: str) -> bool:
    """Equal, or one above the other in the dotted tree."""
    return a == b or a.startswith(b + ".") or b.startswith(a + ".")


@lru_cache(WORDS)
def position_of(technique: str) -> str:
    """What a technique says about the box's place."""
    if technique.endswith("on-path"):
        return "on-path"
    inside = ("in-path", "rewrite", "drop.", "quic.drop", "proxy", "mitm", "throttle", "residual.drop", "icmp")
    return "in-path" if any(word in technique for word in inside) else "unknown"


@lru_cache(WORDS)
def in_order(techniques: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, by precedence, the more exact first; without those that another one says more exactly."""
    return tuple(deepest(sorted(set(techniques), key=lambda t: (rank(t), -t.count("."), t))))


def deepest(techniques: list[str]) -> list[str]:
    """Without those that another one says more exactly."""
    return [t for t in techniques if not any(other != t and other.startswith(t + ".") for other in techniques)]
