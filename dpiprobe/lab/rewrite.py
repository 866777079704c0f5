"""The server's own packet turned into another: its header kept (TTL, IP ID, sequence number), its payload cut off or replaced, its flags changed.

Rules of this file: pure. What is rewritten keeps its place and time on the path, so neither TTL nor timing shows it (facts: a TSPU turns the answer
into RST+ACK, and its ACK numbers may be wrong).
"""

from __future__ import annotations

from dataclasses import replace

from dpiprobe.lab import segment
from dpiprobe.lab.segment import Segment
from dpiprobe.signature.emulation import Rewrite


def rewritten(seen: Segment, rule: Rewrite) -> bytes | None:
    """The packet as it leaves, None where it is not one that the rule is about."""
    if rule.packets == "data" and not seen.payload:
        return None
    ack = 0 if rule.ack is None else seen.ack + rule.ack
    return segment.build(replace(seen, flags=rule.flags, ack=ack, payload=rule.payload, options=seen.options if rule.keep_options else b""))
