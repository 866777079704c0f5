"""Hellos that were skimmed while reading (see `skim_loop`) -> the `Trigger` of each flow, made from its essence and its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import unpack_from

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT_HELLO, UNKNOWN, Skimmed, Trigger
from dpiprobe.flow.numbers import numbers
from dpiprobe.flow.skim_loop import ABSENT, ALPN, SIGNATURES, VERSIONS
from dpiprobe.tls import hello as tls_hello
from dpiprobe.tls.fingerprint import ja4

Ints = npt.NDArray[np.int64]

MOST = 100_000
"""Triggers that are kept for further flows."""


@dataclass(slots=True)
class Hellos:
    """Of each flow by the table's number: the string that is its hello's essence (-1: not skimmed), one more than its name's (0: none), its length."""

    strings: list[bytes]
    essence: npt.NDArray[np.int32]
    name: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    _fingerprints: dict[int, tuple[list[str] | None, str, str | None]] = field(default_factory=dict)
    _made: dict[tuple[int, int, int], Trigger] = field(default_factory=dict)

    def triggers(self, flows: Ints) -> Skimmed:
        """The triggers of these flows, None where a flow's hello has to be read yet. Equal hellos share one, which nobody changes."""
        made = self._made
        if len(made) > MOST:
            made.clear()
        essence, name, length = self.essence[flows], self.name[flows], self.length[flows]
        of, first = numbers(numbers(essence.astype(np.int64) << 32 | name)[0] << 32 | length)
        each: list[Trigger | None] = []
        for key in zip(essence[first].tolist(), name[first].tolist(), length[first].tolist(), strict=True):
            trigger = made.get(key)
            if trigger is None and key[0] >= 0:
                trigger = made[key] = self._make(*key)
            each.append(trigger)
        return Skimmed(each, of, np.where(essence[first] >= 0, length[first].astype(np.int64), UNKNOWN))

    def _make(self, essence: int, name: int, length: int) -> Trigger:
        found = self._fingerprints.get(essence)
        if found is None:
            found = self._fingerprints[essence] = read_essence(self.strings[essence])
        alpn, fingerprint, ech = found
        text = tls_hello.printable_name(self.strings[name - 1]) if name else None
        return Trigger(CLIENT_HELLO, text or None, alpn, fingerprint, ech, length, True, [] if text is None else [text])


def read_essence(data: bytes) -> tuple[list[str] | None, str, str | None]:
    """(alpn, ja4, ech) of all hellos with this essence, as `trigger.read_trigger` has them."""
    version, count = unpack_from(">HH", data)
    ciphers = unpack_from(f">{count}H", data, 4)
    at = 4 + 2 * count
    (count,) = unpack_from(">H", data, at)
    kinds = unpack_from(f">{count}H", data, at + 2)
    at += 2 + 2 * count
    bodies: dict[int, bytes] = {}
    for kind in (SIGNATURES, ALPN, VERSIONS):
        (size,) = unpack_from(">H", data, at)
        at += 2
        if size != ABSENT:
            bodies[kind] = data[at : at + size]
            at += size
    hello = tls_hello.ClientHello(version, ciphers=ciphers, extensions=tuple(tls_hello.Extension(kind, bodies.get(kind, b"")) for kind in kinds))
    return [tls_hello.printable_name(p) for p in hello.alpn] or None, ja4(hello), hello.ech
