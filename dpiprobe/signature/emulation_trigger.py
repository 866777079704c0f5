"""What makes an emulated device act: the model and the parser of `trigger:` (the grammar stands in emulation.py).

Rules of this file: as in emulation.py; no value raises, every problem is noted with its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dpiprobe.signature.mapping_reader import MappingReader, Problem

KINDS = ("client_hello", "http_request", "syn", "syn_ack")
EXTENSIONS = {"esni": 0xFFCE, "ech": 0xFE0D}
"""draft-ietf-tls-esni-02 section 4 (encrypted_server_name; what the Great Firewall dropped in 2020), and RFC 9849 (encrypted_client_hello)."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """`kind` is what a flow must carry; the others narrow it down. `ports` are the server's, None for all."""

    kind: str = "client_hello"
    names: str = "suffix"
    ports: frozenset[int] | None = None
    direction: str = "outbound"
    reassembly: str = "full"
    extension: int | None = None
    bare_header: bool = False
    handshake: bool = False

    @property
    def by_address(self) -> bool:
        """It acts before any name is sent."""
        return self.kind in ("syn", "syn_ack")


def read_trigger(parent: MappingReader, problems: list[Problem]) -> Trigger:
    """The word alone, or the mapping."""
    if not isinstance(parent.node.get("trigger"), Mapping):
        return Trigger(parent.choice("trigger", KINDS, "client_hello"))
    read = MappingReader(parent.take("trigger"), ("trigger",), problems, "`trigger`")
    kind = read.choice("kind", KINDS, "client_hello")
    ports = read.integers("ports", 1, 65535)
    extension = read.choice("extension", tuple(EXTENSIONS), "")
    trigger = Trigger(
        kind=kind,
        names=read.choice("names", ("suffix", "exact", "substring", "any"), "suffix"),
        ports=None if ports is None else frozenset(ports),
        direction=read.choice("direction", ("outbound", "inbound", "both"), "outbound"),
        reassembly=read.choice("reassembly", ("full", "tcp", "none"), "full"),
        extension=EXTENSIONS.get(extension),
        bare_header=read.choice("tcp_options", ("any", "none"), "any") == "none",
        handshake=read.choice("handshake", ("ignored", "needed"), "ignored") == "needed",
    )
    read.finish()
    if kind != "client_hello" and "extension" in read.node:
        read.problem("extension", "only a client_hello has one; leave this out")
    for key in ("names", "reassembly", "tcp_options", "handshake"):
        if trigger.by_address and key in read.node:
            read.problem(key, f"a {kind} carries no name; leave this out")
    return trigger
