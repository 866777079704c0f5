"""From a description to a box that can stand on the path.

Rules of this file: pure; the description is the `emulate:` block as plain data (it came over the control socket), or None for a plain router.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from dpiprobe.errors import UsageError
from dpiprobe.lab import topology
from dpiprobe.lab.box import Box, EmulatedBox, NoBox
from dpiprobe.lab.proxy import ProxyBox
from dpiprobe.signature.emulation import parse_emulation


def make(node: object, names: Iterable[str], addresses: Iterable[str], rng: random.Random) -> Box:
    """The box of an `emulate:` block that acts on these names, and, where the trigger is a SYN, on these IPv4 addresses."""
    if node is None:
        return NoBox()
    emulation, problems = parse_emulation(node)
    if emulation is None:
        raise UsageError("; ".join(f"emulate.{'.'.join(map(str, path))}: {message}" for path, message in problems))
    lower = frozenset(name.lower().rstrip(".") for name in names)
    if emulation.proxy is not None:
        return ProxyBox(emulation, lower, rng)
    return EmulatedBox(emulation, lower, frozenset(socket.inet_aton(address) for address in addresses), rng, socket.inet_aton(topology.BOX))
