"""Agreement with tshark: the same packets in as many TCP flows, and the same names between the same endpoints.

Over the corpus where DPIPROBE_CORPUS is set, one run of tshark a file: all of clean, field and boxes; of hostile the crafted ones, every
twentieth of the rest (all with DPIPROBE_TSHARK_ALL=1), and all that stand in the tables. Where we differ on purpose stands in the tables, each with its
reason; an entry that no longer differs fails, so that the tables stay true.

Differences that are no file's own and hold everywhere:
- A packet that an ICMP error quotes is a flow and a request for tshark; here the error joins the flow that it quotes.
- tshark names every hello and request of a connection; here the first that a filter can read is the trigger, so ours are among
  tshark's (of two Host headers or two server_name extensions the first, as servers read them).
- Host is compared without its port; names as tshark prints them, which shows an empty name as no name.
"""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.errors import InputError
from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL
from dpiprobe.flow.settle import settle
from dpiprobe.wire.packets import PACKET_COLUMNS, TCP, Packets
from tests.conftest import require

LIMIT = 5000  # frames a capture
SAMPLE = 1 if os.environ.get("DPIPROBE_TSHARK_ALL") else 20  # every so many-th of the hostile captures beside the crafted ones
SUFFIXES = {".pcap", ".pcapng", ".cap", ".gz", ".zst"}

TUNNEL = "TCP inside a tunnel (AH, GRE, Geneve, VXLAN, sFlow samples): what tunnels carry is not read here; the capture counts their frames as other"
LINK = "a link type that is not read here; the capture says so"
FRAGMENT = "the first fragment of a datagram that never became whole is no packet here (the capture counts it), tshark reads its TCP header"
HEADER = "the TCP header's own length, or IP's, leaves no whole TCP header: undecoded here, a frame of its flow for tshark"
FLOWS = {
    "rst_variants.pcap": "the resets of a third address are strays of the client's flow, not a flow of their own",
    "bigtcp-ipv6.pcap": "an IPv6 datagram of payload length 0 as large offloads leave it: tshark reads no TCP in it",
    **dict.fromkeys(("ip_totlen39.pcap", "tcp_doff0.pcap", "tcp_doff1.pcap", "tcp_doff4.pcap"), HEADER),
    **dict.fromkeys(
        ("bgp-bgp_capabilities_print-oobr-1.pcap", "bgp-bgp_capabilities_print-oobr-2.pcap", "bgp_pmsi_tunnel-oobr.pcap", "rpki-rtr-oobr.pcap"), FRAGMENT
    ),
    **dict.fromkeys(
        (
            "filter~arcnet-rfc1051-arp-icmp-http.pcap", "filter~arcnet-rfc1201-arp-icmp-http.pcap", "arcnet-rfc1051-arp-icmp-http.pcap",
            "arcnet-rfc1201-arp-icmp-http.pcap", "filter~http_PPI.pcap", "bgp-aigp.pcap", "ipoib.pcap",
        ),
        LINK,
    ),
    **dict.fromkeys(
        (
            "filter~AH-IPcomp-IPv4.pcap", "filter~AH-IPcomp-IPv6.pcap", "filter~geneve.pcap", "geneve.pcap", "geneve-gcp.pcap",
            "sflow_expanded.pcap", "wccp_redirect_gre.pcap",
            *(f"gso-ipv{outer}-{kind}-ipv{inner}.pcap" for outer in (4, 6) for kind in ("geneve", "vxlan") for inner in (4, 6)),
        ),
        TUNNEL,
    ),
}  # fmt: skip
"""Captures in which tshark counts another number of TCP flows."""

NAMES = {
    "ch_extlen_lie.pcap": "the extension block lies about its length: tshark gives up, the name stands before that",
    "ch_list_lie.pcap": "the list of names lies about its length: tshark gives up, the name is whole",
    "ch_http_no_crlf.pcap": "a request whose head never ends: a filter has read its Host all the same",
    "quic_vn.pcap": "a connection after a version negotiation: the name stands in the second Initial, which tshark does not decrypt",
    "quic_server_anon.pcap": "one Initial sent again from other ports: tshark knows the connection by its id and shows its name once",
    "sni_escape.pcap": "control characters are escaped here",
    "sni_newline.pcap": "control characters are escaped here",
    "sni_nonutf8.pcap": "bytes that are no UTF-8 are escaped here",
    "sni_nul.pcap": "tshark ends the name at the zero byte",
    "sni_space.pcap": "control characters are escaped here",
    "sni_unicode_rtl.pcap": "direction marks are escaped here",
    "tcp_reverse_segments.pcap": "tshark does not put a hello together whose segments came in reverse order, unless told to",
}
"""Captures in which tshark sees other names (those of FLOWS may as well)."""

FIELDS = (
    "frame.number", "tcp.stream", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
    "tls.handshake.extensions_server_name", "http.host", "http.request.method", "icmp.type", "icmpv6.type",
)  # fmt: skip

Ends = tuple[tuple[str, int], tuple[str, int]]


@dataclass
class Seen:
    """frames: numbers of TCP frames · flows: how many TCP flows · names: (client, server) -> names"""

    frames: set[int] = field(default_factory=set)
    flows: int = 0
    names: dict[Ends, set[str]] = field(default_factory=lambda: defaultdict(set))


def corpus_files() -> list[Path]:
    folder = os.environ.get("DPIPROBE_CORPUS")
    if not folder:
        return []

    def captures(part: str) -> list[Path]:
        return sorted(p for p in (Path(folder) / part).rglob("*") if p.suffix in SUFFIXES and p.is_file())

    hostile = captures("hostile")
    others = [p for p in hostile if p.parent.name != "crafted"]
    chosen = {*others[::SAMPLE], *(p for p in hostile if p.parent.name == "crafted" or p.name in FLOWS or p.name in NAMES)}
    return [*captures("clean"), *captures("field"), *captures("boxes"), *sorted(chosen)]


def by_tshark(tshark: str, path: Path) -> Seen:
    arguments = [a for name in FIELDS for a in ("-e", name)]
    run = subprocess.run([tshark, "-n", "-r", str(path), "-c", str(LIMIT), "-T", "fields", *arguments], capture_output=True, check=False)
    seen, streams = Seen(), set()
    for line in run.stdout.decode("utf-8", "replace").splitlines():
        values = dict(zip(FIELDS, line.split("\t"), strict=False))
        if not values.get("icmpv6.type") == values.get("icmp.type") == "":
            continue
        if values["tcp.stream"]:
            seen.frames.add(int(values["frame.number"]))
            streams |= set(values["tcp.stream"].split(","))
        ports = (values["tcp.srcport"] or values["udp.srcport"], values["tcp.dstport"] or values["udp.dstport"])
        if not all(ports):
            continue
        ends = (end(values["ip.src"] or values["ipv6.src"], ports[0]), end(values["ip.dst"] or values["ipv6.dst"], ports[1]))
        names = values["tls.handshake.extensions_server_name"].split(",")
        if values["http.request.method"] and values["tcp.stream"]:  # not SSDP
            names += [host.rpartition(":")[0] or host for host in values["http.host"].split(",")]
        if any(names):
            seen.names[ends] |= {name for name in names if name}
    seen.flows = len(streams)
    return seen


def end(address: str, port: str) -> tuple[str, int]:
    return address.rsplit(",", maxsplit=1)[-1], int(port.rsplit(",", maxsplit=1)[-1])


def here(path: Path) -> Seen:
    try:
        packets = read_capture(path).packets
    except InputError:
        return Seen()
    count = int(np.searchsorted(packets.number, LIMIT, "right"))
    columns = {name: getattr(packets, name)[:count] for name in PACKET_COLUMNS}
    flows = settle(Packets(**columns, addresses=packets.addresses, arena=packets.arena, quotes=packets.quotes))
    rows = flows.row[packets.protocol[flows.row] == TCP]
    seen = Seen(set(packets.number[rows].tolist()), int((flows.transport == TCP).sum()))
    for f, trigger in enumerate(flows.triggers):
        if trigger is not None and trigger.kind in (CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL) and any(trigger.names):
            address = [str(ip_address(packets.addresses[side[f]])) for side in (flows.client, flows.server)]
            ends = ((address[0], int(flows.client_port[f])), (address[1], int(flows.server_port[f])))
            seen.names[ends] |= {name for name in trigger.names if name}
    return seen


def other_names(ours: Seen, theirs: Seen) -> dict[Ends, tuple[set[str], set[str]]]:
    """Where names differ: ours that tshark does not see, and its where we see none."""
    wrong = {}
    for ends in ours.names.keys() | theirs.names.keys():
        mine, its = ours.names.get(ends, set()), theirs.names.get(ends, set())
        if mine - its or (its and not mine):
            wrong[ends] = (mine, its)
    return wrong


FILES = corpus_files()


def name_of(path: Path) -> str:
    return "/".join(path.parts[-3:])


@pytest.mark.parametrize("path", FILES or [None], ids=name_of if FILES else None)
def test_flows_and_names_are_as_for_tshark(tshark: str, path: Path | None) -> None:
    if path is None:
        require("corpus", "DPIPROBE_CORPUS is not set")
    theirs, ours = by_tshark(tshark, path), here(path)
    assert (ours.frames != theirs.frames or ours.flows != theirs.flows) == (path.name in FLOWS), (ours.flows, theirs.flows, ours.frames ^ theirs.frames)
    wrong = other_names(ours, theirs)
    assert bool(wrong) == (path.name in NAMES) or path.name in FLOWS, wrong
