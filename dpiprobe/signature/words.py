"""The closed word lists of the project: mechanisms, techniques, outcomes, verdicts and the words around them.

Rules of this file:
- It is the one place where these words are spelt; checks, signatures, verdicts and reports take them from here.
- Mechanisms are OONI's taxonomy v1, plus the words the project needs until the taxonomy has them (`BEYOND_OONI`). They are dotted,
  and every dotted parent is a word too: who cannot support the whole word says the parent.
"""

from __future__ import annotations


def with_parents(words: tuple[str, ...]) -> frozenset[str]:
    """The words and all their dotted parents: `tls.reset.sni` brings `tls.reset` and `tls`."""
    return frozenset(".".join(parts[: i + 1]) for word in words for parts in (word.split("."),) for i in range(len(parts)))


OONI = (
    "dns.injection", "dns.nxdomain", "dns.refused", "dns.timeout", "tcp.reset", "tcp.timeout", "tcp.refused", "tls.reset", "tls.reset.sni",
    "tls.reset.other", "tls.timeout", "tls.mitm", "tls.mitm.self_signed", "tls.mitm.ca_signed", "tls.throttle.sni", "http.blockpage",
    "http.redirect", "http.error", "http.reset.host", "http.timeout", "ip.unreachable",
)  # fmt: skip
BEYOND_OONI = (
    "tls.timeout.sni", "tls.close", "tls.close.sni", "tls.alert", "tls.alert.sni", "tls.stall", "http.timeout.host", "http.close.host",
    "quic.timeout", "quic.timeout.sni",
)  # fmt: skip
MECHANISMS: frozenset[str] = with_parents(OONI + BEYOND_OONI)

TECHNIQUES: dict[str, str] = {
    "rst": "forged reset(s), position not determined",
    "rst.on-path": "forged resets beside traffic that passes: an ACK of the end of the hello, a genuine answer, the server's own reset later",
    "rst.in-path": "forged resets, and the hello (or the answer) swallowed",
    "rst.rewrite": "the server's own packet turned into a reset (seen from both ends)",
    "fin": "forged close",
    "data": "forged payload of any kind",
    "data.blockpage": "forged page",
    "data.redirect": "forged redirect",
    "data.alert": "forged TLS alert",
    "drop": "silence",
    "drop.hello": "the end of the hello is never acknowledged; which direction is dropped stays open",
    "drop.answer": "the hello is acknowledged but never answered",
    "drop.stall": "works, then stops after a number of bytes or packets",
    "proxy": "a terminating proxy (split round trips) refuses the name",
    "proxy.close": "a terminating proxy closes or resets",
    "proxy.alert": "a terminating proxy answers with a TLS alert",
    "proxy.drop": "a terminating proxy swallows the hello",
    "mitm": "a terminating middlebox completes TLS with a certificate of its own",
    "throttle": "slow",
    "throttle.police": "slow by drops",
    "throttle.shape": "slow by queueing",
    "address": "the address or port, whatever the name",
    "address.rst": "the SYN is answered by a reset",
    "address.drop": "the SYN is never answered",
    "address.icmp": "the SYN is answered by an ICMP error",
    "icmp": "ICMP unreachable or prohibited in answer to the hello",
    "residual": "punished because of an earlier connection, not this one",
    "residual.drop": "an earlier connection's punishment: silence",
    "residual.rst": "an earlier connection's punishment: resets",
    "quic": "QUIC, however it is stopped",
    "quic.drop": "Initials with the name unanswered",
}

VERDICTS = ("ok", "contested", "blocked", "down", "insufficient")
BECAUSE = (
    "no-trigger", "no-control", "too-few-trials", "truncated", "one-direction", "mid-stream", "ttl-limited", "capture-loss",
    "server-or-third-party", "whose-proxy",
)  # fmt: skip
OUTCOMES = (
    "worked", "reset", "closed", "alert", "page", "stalled", "slow", "silent", "refused", "unanswered", "unreachable", "aborted", "unseen",
)  # fmt: skip
TRIGGERED_BY = ("name", "address", "port", "protocol", "extension", "earlier-flow", "unknown")
DIRECTIONS = ("to-server", "to-client", "both", "unknown")
POSITIONS = ("on-path", "in-path", "endpoint", "unknown")
CONFIDENCES = ("low", "medium", "high")
STATUSES = ("experimental", "tested", "stable", "deprecated")
ENDS = ("client", "server", "both")
BOTH_ENDS: dict[str, str] = {
    "rewritten": "the client got a reset where the server sent something else",
    "forged-to-client": "the client, and it alone, got packets in the other's name that were never sent",
    "forged-to-server": "the server, and it alone, got packets in the other's name that were never sent",
    "forged-to-both": "both got packets in the other's name that were never sent",
}
"""What the captures of both ends show together."""
CONTROL_STATES = ("completes", "fails", "absent")
TRIGGER_KINDS: dict[str, int] = {"syn": 0, "client_hello": 1, "http_request": 2, "quic_initial": 3}
"""What a signature may name as trigger, and the `trigger_kind` of the suspect table it stands for (`syn`: no trigger was sent)."""
