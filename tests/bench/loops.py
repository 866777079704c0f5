"""What one writes by hand: a loop over packets with dpkt or scapy that takes addresses, flags and server names. `loops.py dpkt|scapy FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def with_dpkt(path: str) -> tuple[int, int, int]:
    """Packets, flows, and names that dpkt finds in single segments."""
    import dpkt

    packets, names, flows = 0, 0, set()
    with Path(path).open("rb") as file:
        for _, frame in dpkt.pcap.Reader(file):
            packets += 1
            ip: Any = dpkt.ethernet.Ethernet(frame).data
            tcp = getattr(ip, "data", None)
            if not isinstance(tcp, dpkt.tcp.TCP):
                continue
            flows.add(frozenset(((ip.src, tcp.sport), (ip.dst, tcp.dport))))
            if tcp.flags & dpkt.tcp.TH_RST or not tcp.data.startswith(b"\x16\3"):
                continue
            try:
                hello = dpkt.ssl.TLSHandshake(dpkt.ssl.TLSRecord(tcp.data).data).data
                names += any(kind == 0 for kind, _ in getattr(hello, "extensions", ()))
            except (dpkt.dpkt.Error, IndexError):
                continue
    return packets, len(flows), names


def with_scapy(path: str) -> tuple[int, int, int]:
    """Packets, flows and resets."""
    from scapy.layers.inet import TCP
    from scapy.layers.inet6 import IPv6  # noqa: F401 (so that it is dissected)
    from scapy.utils import PcapReader

    packets, resets, flows = 0, 0, set()
    with PcapReader(path) as reader:
        for packet in reader:
            packets += 1
            tcp = packet.getlayer(TCP)
            if tcp is None:
                continue
            ip = tcp.underlayer
            flows.add(frozenset(((ip.src, tcp.sport), (ip.dst, tcp.dport))))
            resets += bool(int(tcp.flags) & 4)
    return packets, len(flows), resets


if __name__ == "__main__":
    print(*{"dpkt": with_dpkt, "scapy": with_scapy}[sys.argv[1]](sys.argv[2]))
