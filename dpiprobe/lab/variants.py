"""Boxes that are no signature's own: devices with one field perturbed, mixtures, and techniques in other hands.

Rules of this file:
- Each differs from what a signature describes, so no signature of a device may win on it; the technique must be found all the same.
- Names say what the box does; nothing that judges may import this file.
"""

from __future__ import annotations

from collections.abc import Mapping

_RESET = {"to": "client", "flags": "RA", "ipid": "random", "df": "clear", "ttl": 64, "window": 0}
_PAGE = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><body>This site is not available.</body></html>"

VARIANTS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "reject-numbered": ("netfilter's reset with an IP ID of its own", {
        "hello": "drop", "send": [{"to": "client", "flags": "R", "ack": "zero", "ipid": "random"}],
    }),
    "triple-apart": ("three reset+acks whose IP IDs and windows differ", {
        "delay": "5 ms",
        "send": [{"to": "both", "flags": "RA", "copies": 3, "spacing": "100 us", "ipid": "random", "window": "random", "ttl": {"random_each": [39, 238]}}],
    }),
    "killer-narrow": ("two resets, two windows apart", {
        "delay": "5 ms", "send": [{"to": "both", "flags": "R", "windows": [0, 2], "ack": "zero", "ipid": "random", "df": "clear"}],
    }),
    "ladder-other": ("a ladder of resets with other steps", {
        "delay": "2 ms", "send": [{"to": "both", "flags": "R", "seq_offsets": [0, 1000, 2000], "ack": "zero", "ipid": "random", "df": "clear"}],
    }),
    "ident-off-by-one": ("a reset+ack with IP ID 13331, one beside a known device", {
        "hello": "drop", "delay": "2 ms", "send": [{**_RESET, "ipid": 13331, "window": 32120}],
    }),
    "payload-other": ("a reset+ack with ten bytes of another payload", {
        "delay": "2 ms", "send": [{**_RESET, "payload": {"hex": "0a 0b 0c 0d 0e 0f 01 02 03 04"}}],
    }),
    "reset-mimic": ("one reset+ack with the server's TTL and DF, as a careful device would send it", {
        "delay": "3 ms", "send": [{**_RESET, "df": "set", "ttl": "server"}],
    }),
    "reset-late": ("one reset+ack 5 to 9 ms after the hello", {"delay": {"random": ["5 ms", "9 ms"]}, "send": [_RESET]}),
    "reset-server-too": ("a reset to both ends, the hello swallowed", {"hello": "drop", "send": [{**_RESET, "to": "both"}]}),
    "alert-race": ("lets the hello pass and races the answer with a TLS alert", {
        "delay": "2 ms", "send": [{"to": "client", "flags": "PA", "ipid": "random", "df": "clear", "window": 8192, "payload": {"hex": "15 03 03 00 02 02 28"}}],
    }),
    "page-race": ("lets an HTTP request pass and races the answer with a page", {
        "trigger": "http_request", "delay": "1 ms",
        "send": [{"to": "client", "flags": "FPA", "ipid": "random", "df": "clear", "window": 8192, "payload": _PAGE}],
    }),
    "fin-swallow": ("swallows the hello and closes in the server's name", {
        "hello": "drop", "delay": "2 ms", "send": [{"to": "client", "flags": "FA", "ipid": "random", "df": "clear", "window": 8192}],
    }),
    "prohibited": ("swallows the hello and answers with ICMP administratively prohibited", {
        "hello": "drop", "send": [{"to": "client", "icmp": "admin_prohibited"}],
    }),
    "drop-all": ("swallows the hello and all that follows, both ways", {"hello": "drop", "then": {"to_server": "drop", "to_client": "drop"}}),
    "stall-both": ("lets 12 kB through, then nothing, both ways", {"then": {"to_server": "drop", "to_client": "drop", "after": {"bytes": 12000}}}),
    "stall-down": ("lets 10 kB through, then nothing more of the server", {"then": {"to_client": "drop", "after": {"bytes": 10000}}}),
    "shape-4k": ("queues the answer to 4 kB/s", {"throttle": {"rate": "4 kB/s", "how": "shape"}}),
    "police-10k": ("drops what exceeds 10 kB/s", {"throttle": {"rate": "10 kB/s", "how": "police"}}),
    "residual-reset": ("resets, and for 30 s every later connection too", {
        "delay": "2 ms", "send": [_RESET], "residual": {"what": "rst", "for": "30 s", "same": ["client", "server", "port"]},
    }),
}  # fmt: skip
