"""From a description to a box that can stand on the path.

Rules of this file: pure; the description is the `emulate:` block as plain data (it came over the control socket), None for a plain router,
or a list of those.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from ipaddress import ip_address

from dpiprobe.errors import UsageError
from dpiprobe.lab import topology
from dpiprobe.lab.box import Box, EmulatedBox, NoBox
from dpiprobe.lab.chain import Chain, Turned
from dpiprobe.lab.mitm import MitmBox
from dpiprobe.lab.proxy import ProxyBox
from dpiprobe.signature.emulation import parse_emulation


def make(node: object, names: Iterable[str], addresses: Iterable[str], rng: random.Random, *, real_tls: bool = True) -> Box:
    """The box of an `emulate:` block that acts on these names, and, where the trigger is a SYN or SYN/ACK, on these addresses.

    A list of blocks is a path with several boxes, the first nearest to the client. `real_tls` False: an intercepting box only shows its certificate.
    """
    if isinstance(node, list):
        return Chain([make(one, names, addresses, rng, real_tls=real_tls) for one in node])
    if node is None:
        return NoBox()
    emulation, problems = parse_emulation(node)
    if emulation is None:
        raise UsageError("; ".join(f"emulate.{'.'.join(map(str, path))}: {message}" for path, message in problems))
    own = [ip_address(address).packed for address in (topology.BOX, topology.BOX6)]
    lower = frozenset(name.lower().rstrip(".") for name in names)
    hit = frozenset(ip_address(address).packed for address in addresses)

    def one() -> Box:
        if emulation.proxy is not None:
            return ProxyBox(emulation, lower, rng)
        if emulation.mitm is not None:
            return MitmBox(emulation, lower, rng, real=real_tls)
        return EmulatedBox(emulation, lower, hit, rng, own)

    match emulation.trigger.direction:
        case "inbound":
            return Turned(one())
        case "both":
            return Chain([one(), Turned(one())])
    return one()
