"""Where everything in the lab is: client - r1 - box - r2 - server, each a network namespace, joined by veth pairs.

Rules of this file:
- Addresses are of 198.18.0.0/15 and 2001:2::/48, set aside for benchmarks (RFC 2544, RFC 5180, RFC 6890): no packet of the lab can be mistaken for
  real traffic. IPv6 is there where it is asked for; without it no capture holds a packet of it.
- Neighbours are fixed, so that no capture holds ARP and the first packet is not slower than the second.
- r1, r2 and the ends are real kernels. The box forwards in user space (`link.py`), so its kernel must not forward; it decrements TTL like the others.

Hops as the client counts them: r1 is 1, box is 2, r2 is 3, the server 4.
What starts at the box with TTL 64 reaches the client with 63, what starts at the server with 61.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from dpiprobe.lab import namespaces

NODES = ("client", "r1", "box", "r2", "server")
CLIENT, SERVER = "198.18.1.2", "198.18.4.2"
R1, BOX, R2 = "198.18.1.1", "198.18.2.2", "198.18.3.2"  # the addresses that a trace from the client shows
BOX_RIGHT = "198.18.3.1"
CLIENT6, SERVER6, BOX6 = "2001:2::1:2", "2001:2::4:2", "2001:2::2:2"
OUTSIDE = "198.18.3.77"  # the client's address where the box's side translates


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a link: node, interface name, address, and its hardware address."""

    node: str
    interface: str
    address: str
    mac: str

    @property
    def address6(self) -> str:
        """Its IPv6 address: 198.18.N.M is 2001:2::N:M, on a /112."""
        _, _, subnet, host = self.address.split(".")
        return f"2001:2::{subnet}:{host}"


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
_PERMANENT, _NODAD, _INET6 = 0x80, 0x02, 10  # NUD_PERMANENT, IFA_F_NODAD, AF_INET6
CAPTURE_INTERFACE = "eth0"  # of client and server


@dataclass(slots=True)
class Network:
    """The built namespaces; `fds` keeps them alive, node by node."""

    fds: dict[str, int] = field(default_factory=dict)

    def enter(self, node: str) -> None:
        """Move this process into one node."""
        namespaces.setns(self.fds[node])


def build(*, ipv6: bool = False, kernel_routers: Sequence[str] = ("r1", "r2")) -> Network:
    """Make the five namespaces and the four links. This process ends in the client's namespace.

    kernel_routers: the nodes whose kernels forward; the others between client and server need a `link.Line`.
    """
    from pyroute2 import IPRoute

    network = Network({node: namespaces.new_network() for node in NODES})
    netlink = {}
    for node, fd in network.fds.items():
        namespaces.setns(fd)
        netlink[node] = IPRoute()
        _kernel_settings(node, forwards=node in kernel_routers, ipv6=ipv6)
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
            ip.neigh("add", dst=other.address, lladdr=other.mac, ifindex=index[port], state=_PERMANENT)
            if ipv6:
                ip.addr("add", index=index[port], address=port.address6, prefixlen=112, family=_INET6, flags=_NODAD)
                ip.neigh("add", dst=other.address6, lladdr=other.mac, ifindex=index[port], state=_PERMANENT, family=_INET6)
    for node, routes in _ROUTES.items():
        netlink[node].link("set", index=1, state="up")  # lo is always 1
        for destination, gateway in routes:
            netlink[node].route("add", dst=destination, gateway=gateway)
            if ipv6:
                netlink[node].route("add", dst=_in_ipv6(destination, "0/112"), gateway=_in_ipv6(gateway, ""), family=_INET6)
    netlink["r2"].route("add", dst=f"{OUTSIDE}/32", gateway=BOX_RIGHT)
    for ip in netlink.values():
        ip.close()
    network.enter("client")
    return network


def _in_ipv6(text: str, host: str) -> str:
    """198.18.N.M as 2001:2::N:M, 198.18.N.0/24 as 2001:2::N:0/112, default as it is."""
    if text == "default":
        return "default"
    _, _, subnet, last = text.split(".")
    return f"2001:2::{subnet}:{host or last}"


def _kernel_settings(node: str, *, forwards: bool, ipv6: bool) -> None:
    """Sysctls of the namespace this process is in."""
    for scope in ("all", "default"):
        namespaces.sysctl(f"net.ipv6.conf.{scope}.disable_ipv6", int(not ipv6), optional=True)  # no neighbour or router chatter in captures
        namespaces.sysctl(f"net.ipv4.conf.{scope}.rp_filter", 0, optional=True)
        if ipv6:
            namespaces.sysctl(f"net.ipv6.conf.{scope}.accept_dad", 0)
            namespaces.sysctl(f"net.ipv6.conf.{scope}.router_solicitations", 0)
            namespaces.sysctl(f"net.ipv6.conf.{scope}.forwarding", int(forwards))
    if ipv6:
        namespaces.sysctl("net.ipv6.icmp.ratelimit", 0, optional=True)
    namespaces.sysctl("net.ipv4.ip_forward", int(forwards))
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
