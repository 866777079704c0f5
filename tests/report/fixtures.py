"""Hand-made records as section 7 of the design documents them."""

from __future__ import annotations

from typing import Any


def flow(number: int, **fields: Any) -> dict[str, Any]:
    """A flow line; blocked by three forged resets unless told otherwise."""
    return {
        "format": "dpiprobe/1", "kind": "flow", "capture": "client.pcap", "flow": number, "transport": "tcp",
        "client": "192.0.2.1:39432", "server": "198.51.100.7:443", "first_packet": 60, "packets": 14,
        "start": "2026-11-23T19:30:05.036376000Z", "start_ns": 1795462205036376000, "trigger_kind": "client_hello",
        "server_name": "blocked.example", "alpn": ["h2"], "ja4": None, "ech": None, "outcome": "reset", "verdict": "blocked",
        "because": None, "could_be": [], "mechanism": "tls.reset.sni", "technique": "rst.on-path", "techniques": ["rst.on-path"],
        "trigger": "name", "direction": "unknown", "position": "on-path", "confidence": "high", "signature": "some-box",
        "matches": [{"signature": "some-box", "clauses": {
            "resets": {"state": "held", "packets": [64, 65, 66]}, "later": {"state": "not_visible", "packets": []}}}],
        "observations": [{"kind": "reset", "packets": [64, 65, 66]}],
        "reasons": ["3 resets 20.6 ms after the ClientHello; smallest round trip 50.9 ms"],
    } | fields


def name(flows: list[int], **fields: Any) -> dict[str, Any]:
    """A name line that leaves everything but the verdict to its flows."""
    return {
        "format": "dpiprobe/1", "kind": "name", "capture": "client.pcap", "server": "198.51.100.7:443", "server_name": "blocked.example",
        "controls": {"names": ["allowed.example"], "ok": 4, "failed": 0}, "verdict": "blocked",
        "trials": {"ok": 0, "contested": 0, "blocked": len(flows), "down": 0, "insufficient": 0}, "flows": flows,
    } | fields


def capture(**fields: Any) -> dict[str, Any]:
    """The line that ends a capture."""
    return {
        "format": "dpiprobe/1", "kind": "capture", "capture": "client.pcap", "sha256": "00" * 32, "packets": 412, "undecoded": 0,
        "damage": [], "links": ["ethernet"], "complete": True, "tool": "0.1.0", "signatures": "11" * 32,
    } | fields


OK_FLOW = {
    "server_name": "allowed.example", "outcome": "worked", "verdict": "ok", "mechanism": None, "technique": None, "techniques": [],
    "signature": None, "matches": [], "observations": [], "reasons": ["the server answered"], "position": "unknown", "confidence": "high",
}
