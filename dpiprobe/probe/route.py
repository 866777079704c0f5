"""Where a probe goes: the server's address, the interface towards it and this machine's address there.

Rules of this file:
- A name that does not resolve is the caller's to mend (or the resolver's, where it does not answer); a machine without a route says so.
- The route is asked of the kernel (rtnetlink), not guessed from tables: policy routes and several uplinks are met as connect() meets them.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import Any

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.plan.plan import endpoint

_RTM_GETROUTE, _NLM_F_REQUEST, _NLMSG_ERROR = 26, 1, 2  # linux/rtnetlink.h, linux/netlink.h
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7


@dataclass(frozen=True, slots=True)
class Target:
    """A server that was found. text: as the user wrote it · address: canonical · sockaddr: for connect()."""

    text: str
    address: str
    port: int
    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    @property
    def endpoint(self) -> str:
        """`address:port` as in plans and records."""
        return endpoint(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Route:
    """The way out: interface name, and the source address with its zone as bind() wants them."""

    interface: str
    source: str
    sockaddr: tuple[Any, ...]


def split_server(text: str, port: int) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; `port` where none is given."""
    host, given = text.strip(), ""
    if host.startswith("["):
        host, bracket, given = host[1:].partition("]")
        if not bracket or (given and not given.startswith(":")):
            raise UsageError(f"{text!r} is not a server; write an IPv6 address with port as [2001:db8::1]:443")
        given = given[1:]
    elif host.count(":") == 1:
        host, _, given = host.partition(":")
    if given and (not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536):
        raise UsageError(f"{given!r} is not a port; give one from 1 to 65535")
    if not host or any(c.isspace() or c == "/" for c in host):
        raise UsageError(f"{text!r} is not a server; give a host name or an address, with :port where it is not {port}")
    return host, int(given) if given else port


def resolve(text: str, port: int = 443, version: int | None = None) -> Target:
    """The first address of the server, of IP `version` 4 or 6 where one is asked for. Looks names up in the system's resolver.

    Raises UsageError for a name that does not exist, EnvironmentError_ where the resolver does not answer."""
    host, port = split_server(text, port)
    family = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[version]
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise EnvironmentError_(f"{host} does not resolve, the resolver gives no answer; give the server's address instead") from None
        kind = f" to IPv{version}" if version else ""
        raise UsageError(f"{host} does not resolve{kind}; check the spelling, or give the server's address") from None
    except (UnicodeError, OverflowError):
        raise UsageError(f"{host!r} is not a host name; give one such as www.example.org, or an address") from None
    kind_, _, _, _, sockaddr = found[0]
    address = str(ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]))
    return Target(text, address, port, kind_, sockaddr)


def check_interface(name: str) -> None:
    """Raises UsageError where this machine has no such interface."""
    try:
        socket.if_nametoindex(name)
    except (OSError, ValueError):
        known = ", ".join(known for _, known in socket.if_nameindex())
        raise UsageError(f"there is no interface {name!r}; choose one of {known}") from None


def route_to(target: Target, interface: str | None = None) -> Route:
    """How this machine reaches the target. `interface` overrides the one that the kernel names, for capture and connection alike.

    Raises EnvironmentError_ where there is no route, UsageError where there is no such interface."""
    if interface is not None:
        check_interface(interface)
    with socket.socket(target.family, socket.SOCK_DGRAM) as asking:
        try:
            if interface is not None and socket.if_nametoindex(interface) != 1:
                asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            asking.connect(target.sockaddr)
        except OSError as error:
            raise EnvironmentError_(f"there is no way to {target.address} from here ({error.strerror}); check the network, or use another IP version") from None
        source = asking.getsockname()
    name = interface or _interface(target)
    return Route(name, str(source[0]).partition("%")[0], (source[0], 0, *source[2:]))


def _interface(target: Target) -> str:
    """The interface that the kernel would send to this address through (RTM_GETROUTE)."""
    packed = socket.inet_pton(target.family, target.address)
    body = struct.pack("=BBBBBBBBI", target.family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0)  # struct rtmsg
    body += struct.pack("=HH", 4 + len(packed), _RTA_DST) + packed
    if target.family == socket.AF_INET6 and target.sockaddr[3]:
        body += struct.pack("=HHI", 8, _RTA_OIF, target.sockaddr[3])
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:  # NETLINK_ROUTE
        netlink.send(struct.pack("=IHHII", 16 + len(body), _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0) + body)
        answer = netlink.recv(1 << 16)
    length, kind = struct.unpack_from("=IH", answer)
    if kind != _NLMSG_ERROR:
        at = 16 + 12
        while at + 4 <= min(length, len(answer)):
            size, attribute = struct.unpack_from("=HH", answer, at)
            if attribute == _RTA_OIF:
                return socket.if_indextoname(struct.unpack_from("=i", answer, at + 4)[0])
            at += max(4, (size + 3) & ~3)
    raise EnvironmentError_(f"the kernel does not say which interface leads to {target.address}; name it with --interface")
