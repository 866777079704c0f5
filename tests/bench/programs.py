"""The programs that dpiprobe is measured beside: what each does with a capture, how it is called, which version is here.

Rules of this file: a program that is missing is named with the package that brings it; nothing is installed here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FIELDS = (
    "frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.ttl", "ip.id", "tcp.srcport", "tcp.dstport", "tcp.flags",
    "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.len", "tcp.stream", "tls.handshake.extensions_server_name",
)
"""What one asks tshark for to look for interference by hand: seventeen fields."""


@dataclass(frozen=True, slots=True)
class Program:
    """One alternative. `does`: in a few words · `command`: before the capture's path · `package`: Debian's, or Python's · `share`: of the capture that it
    is given, since some would take hours · `needed`: without it the table is no result."""

    name: str
    does: str
    command: tuple[str, ...]
    version: tuple[str, ...]
    package: str
    needed: bool = False
    small_only: bool = False

    @property
    def missing(self) -> bool:
        """It is not on this machine."""
        if self.command[0] == sys.executable:
            return subprocess.run([sys.executable, "-c", f"import {self.package}"], capture_output=True, check=False).returncode != 0
        return shutil.which(self.command[0]) is None

    def version_here(self) -> str:
        """Its version, as far as it says one."""
        done = subprocess.run(self.version, capture_output=True, text=True, check=False)
        found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
        return found[0] if found else "?"


def _python(package: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import importlib.metadata as m; print(m.version('{package}'))")


LOOPS = str(Path(__file__).with_name("loops.py"))
PROGRAMS = (
    Program("cat", "reads the bytes", ("cat",), ("cat", "--version"), "coreutils", needed=True),
    Program("capinfos -c", "counts packets", ("capinfos", "-c"), ("capinfos", "--version"), "wireshark-common"),
    Program("tcptrace -n", "TCP connections", ("tcptrace", "-n"), ("tcptrace", "-v"), "tcptrace"),
    Program("ndpiReader -q", "flows, protocols, names", ("ndpiReader", "-q", "-i"), ("ndpiReader", "-h"), "libndpi-bin", needed=True),
    Program(
        "tshark -T fields", f"{len(FIELDS)} fields of each packet", ("tshark", "-n", "-T", "fields", *(a for f in FIELDS for a in ("-e", f)), "-r"),
        ("tshark", "--version"), "tshark", needed=True,
    ),
    Program("dpkt loop", "addresses, flags, names", (sys.executable, LOOPS, "dpkt"), _python("dpkt"), "dpkt"),
    Program("scapy PcapReader", "addresses, flags", (sys.executable, LOOPS, "scapy"), _python("scapy"), "scapy", small_only=True),
)


def missing() -> list[Program]:
    """Programs that are not here."""
    return [program for program in PROGRAMS if program.missing]


def how_to_install(lacking: list[Program]) -> str:
    """One sentence that names what to install."""
    debian = sorted({program.package for program in lacking if program.command[0] != sys.executable})
    python = sorted({program.package for program in lacking if program.command[0] == sys.executable})
    ways = [f"apt-get install {' '.join(debian)} (as root: make bench-tools)"] * bool(debian) + [f"pip install {' '.join(python)}"] * bool(python)
    return f"not on this machine: {', '.join(program.name for program in lacking)}; {'; '.join(ways)}"
