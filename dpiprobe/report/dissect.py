"""A second opinion: what tshark, asked through pyshark, says about single packets.

Rules of this file: tshark judges nothing here and is not needed for any verdict; its words stand beside ours so that a reader can compare.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from dpiprobe.errors import EnvironmentError_
from dpiprobe.report.printable import printable

MOST = 200  # packets; a display filter grows with each, and nobody reads more
TELLING = {
    "ip": ("src", "dst", "ttl", "id", "flags_df", "len"),
    "ipv6": ("src", "dst", "hlim", "plen"),
    "tcp": ("flags_str", "seq", "ack", "window_size_value", "len", "analysis_flags"),
    "icmp": ("type", "code"),
    "tls": ("record_content_type", "handshake_type", "handshake_extensions_server_name", "alert_message_desc"),
    "http": ("response_code", "request_method", "host"),
}
"""Layers and fields of Wireshark that bear on interference (names as in its display filters, dots as underscores)."""


def dissect(path: str, numbers: list[int]) -> Iterator[str]:
    """One line a packet: number, protocols, and the fields that bear on interference, all in Wireshark's own words.

    Raises EnvironmentError_ where pyshark or tshark is absent.
    """
    try:
        import pyshark
    except ImportError:
        raise EnvironmentError_("the second opinion needs pyshark; pip install 'dpiprobe[tshark]' (Python before 3.14)") from None
    if shutil.which("tshark") is None:
        raise EnvironmentError_("the second opinion needs tshark; on Debian or Ubuntu: apt install tshark")
    wanted = numbers[:MOST]
    yield f"tshark's view of packet{'s' * (len(wanted) != 1)} {', '.join(map(str, wanted))}:"
    capture: Any = pyshark.FileCapture(path, display_filter=" || ".join(f"frame.number == {n}" for n in wanted), keep_packets=False)
    try:
        for packet in capture:
            yield _line(packet)
    finally:
        capture.close()
    if len(numbers) > MOST:
        yield f"... and {len(numbers) - MOST} more packets"


def _line(packet: Any) -> str:
    parts = [f"{packet.number:>6}", "/".join(layer.layer_name for layer in packet.layers)]
    for layer in packet.layers:
        for field in TELLING.get(layer.layer_name, ()):
            value = getattr(layer, field, None)
            if value not in (None, ""):
                parts.append(f"{layer.layer_name}.{field.replace('_', '.', 1) if field.startswith('flags_') else field}={value}")
    return printable(" ".join(str(part) for part in parts))
