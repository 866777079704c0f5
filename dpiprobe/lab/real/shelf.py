"""All real software that can be a box, by name."""

from __future__ import annotations

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.lab.real.haproxy import HAPROXY
from dpiprobe.lab.real.mitmproxy import MITMPROXY
from dpiprobe.lab.real.netfilter import IPTABLES, NFTABLES
from dpiprobe.lab.real.program import Program
from dpiprobe.lab.real.squid import SQUID
from dpiprobe.lab.real.sslsplit import SSLSPLIT
from dpiprobe.lab.real.tcpkill import TCPKILL

PROGRAMS: tuple[Program, ...] = (*IPTABLES, *NFTABLES, TCPKILL, HAPROXY, SQUID, SSLSPLIT, MITMPROXY)
PREFIX = "real-"


def program(name: str) -> Program:
    """The program of that name; UsageError where there is none, EnvironmentError_ where it is not installed."""
    for entry in PROGRAMS:
        if entry.name == name:
            lacks = entry.lacks()
            if lacks is not None:
                raise EnvironmentError_(f"{name} is {lacks}")
            return entry
    raise UsageError(f"there is no box {name!r}; `dpiprobe lab list` shows those there are")
