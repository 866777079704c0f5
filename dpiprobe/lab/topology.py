"""Where everything in the lab is: client - r1 - box - r2 - server, each a network namespace, joined by veth pairs.

Rules of this file:
- Addresses are 198.18.0.0/15, set aside for benchmarks (RFC 2544, RFC 6890): no packet of the lab can be mistaken for real traffic.
- Neighbours are fixed, so that no capture holds ARP and the first packet is not slower than the second.
- r1, r2 and the ends are real kernels. The box forwards in user space (`link.py`), so its kernel must not forward; it decrements TTL like the others.

Hops as the client counts them: r1 is 1, box is 2, r2 is 3, the server 4.
What starts at the box with TTL 64 reaches the client with 63, what starts at the server with 61.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from dpiprobe.lab import namespaces

NODES = ("client", "r1", "box", "r2", "server")
CLIENT, SERVER = "198.18.1.2", "198.18.4.2"
R1, BOX, R2 = "198.18.1.1", "198.18.2.2", "198.18.3.2"  # the addresses that a trace from the client shows
BOX_RIGHT = "198.18.3.1"


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a link: node, interface name, address, and its hardware address."""

    node: str
    interface: str
    address: str
    mac: str


LINKS: tuple[tuple[Port, Port], ...] = (
    (Port("client", "eth0", CLIENT, "02:00:c6:12:01:02"), Port("r1", "left", R1, "02:00:c6:12:01:01")),
    (Port("r1", "right", "198.18.2.1", "02:00:c6:12:02:01"), Port("box", "left", BOX, "02:00:c6:12:02:02")),
    (Port("box", "right", BOX_RIGHT, "02:00:c6:12:03:01"), Port("r2", "left", R2, "02:00:c6:12:03:02")),
    (Port("r2", "right", "198.18.4.1", "02:00:c6:12:04:01"), Port("server", "eth0", SERVER, "02:00:c6:12:04:02")),
)

# node -> (destination, gateway)
_ROUTES: dict[str, tuple[tuple[str, str], ...]] = {
    "client": (("default", R1),),
    "r1": (("198.18.3.0/24", BOX), ("198.18.4.0/24", BOX)),
    "box": (("198.18.1.0/24", "198.18.2.1"), ("198.18.4.0/24", R2)),
    "r2": (("198.18.1.0/24", BOX_RIGHT), ("198.18.2.0/24", BOX_RIGHT)),
    "server": (("default", "198.18.4.1"),),
}
CAPTURE_INTERFACE = "eth0"  # of client and server


@dataclass(slots=True)
class Network:
    """The built namespaces; `fds` keeps them alive, node by node."""

    fds: dict[str, int] = field(default_factory=dict)

    def enter(self, node: str) -> None:
        """Move this process into one node."""
        namespaces.setns(self.fds[node])


def build() -> Network:
    """Make the five namespaces and the four links. This process ends in the client's namespace."""
    from pyroute2 import IPRoute

    network = Network({node: namespaces.new_network() for node in NODES})
    netlink = {}
    for node, fd in network.fds.items():
        namespaces.setns(fd)
        netlink[node] = IPRoute()
        _kernel_settings(node)
    index: dict[Port, int] = {}
    for near, far in LINKS:
        ip = netlink[near.node]
        ip.link(
            "add", ifname=near.interface, kind="veth", address=near.mac,
            peer={"ifname": far.interface, "address": far.mac, "net_ns_fd": network.fds[far.node]},
        )
        for port in (near, far):
            index[port] = netlink[port.node].link_lookup(ifname=port.interface)[0]
    for link in LINKS:
        for port, other in (link, link[::-1]):
            ip = netlink[port.node]
            network.enter(port.node)
            namespaces.offloads_off(port.interface)
            ip.addr("add", index=index[port], address=port.address, prefixlen=24)
            ip.link("set", index=index[port], state="up")
            ip.neigh("add", dst=other.address, lladdr=other.mac, ifindex=index[port], state=0x80)  # NUD_PERMANENT
    for node, routes in _ROUTES.items():
        netlink[node].link("set", index=1, state="up")  # lo is always 1
        for destination, gateway in routes:
            netlink[node].route("add", dst=destination, gateway=gateway)
    for ip in netlink.values():
        ip.close()
    network.enter("client")
    return network


def _kernel_settings(node: str) -> None:
    """Sysctls of the namespace this process is in."""
    for scope in ("all", "default"):
        namespaces.sysctl(f"net.ipv6.conf.{scope}.disable_ipv6", 1, optional=True)  # no neighbour or router chatter in captures
        namespaces.sysctl(f"net.ipv4.conf.{scope}.rp_filter", 0, optional=True)
    namespaces.sysctl("net.ipv4.ip_forward", int(node in ("r1", "r2")))
    namespaces.sysctl("net.ipv4.icmp_ratelimit", 0, optional=True)  # it would eat the answers to a trace
    namespaces.sysctl("net.ipv4.tcp_congestion_control", "cubic", optional=True)  # bbr may be inherited
    namespaces.sysctl("net.ipv4.tcp_no_metrics_save", 1, optional=True)  # one connection must not teach the next


def mac_bytes(mac: str) -> bytes:
    """02:00:... as six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def port(node: str, interface: str) -> Port:
    """The end of a link by node and interface name."""
    return next(p for link in LINKS for p in link if (p.node, p.interface) == (node, interface))


def peer(of: Port) -> Port:
    """The other end of a link."""
    for one, two in LINKS:
        if of in (one, two):
            return two if of == one else one
    raise KeyError(of)


def close(network: Network) -> None:
    """Let go of the namespaces; the kernel removes each with its last process."""
    for fd in network.fds.values():
        os.close(fd)
