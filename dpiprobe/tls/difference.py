"""What tells two hellos apart, field by field.

Alone responsible for that comparison and its words.

Rules of this file: equal hellos (byte for byte on the wire) give no difference, others at least one. Extensions of one type are compared in their
order: the first with the first. A changed order is one difference, not one for each extension.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dpiprobe.tls.dissect import describe_body
from dpiprobe.tls.fingerprint import ja3, ja4
from dpiprobe.tls.hello import ClientHello
from dpiprobe.tls.registry import CIPHERS, EXTENSIONS, named


@dataclass(frozen=True, slots=True)
class Difference:
    """One field; `left` and `right` as text, None: not there."""

    field: str
    left: str | None
    right: str | None


def differences(left: ClientHello, right: ClientHello) -> list[Difference]:
    """All of them, in the order of the stream; fingerprints last."""
    found = [d for d in _fields(left, right) if d.left != d.right]
    found += _lists("cipher suites", left.ciphers, right.ciphers, CIPHERS)
    found += _extensions(left, right)
    if found:
        found += [Difference(name, a, b) for name, a, b in (("JA3", ja3(left), ja3(right)), ("JA4", ja4(left), ja4(right))) if a != b]
    return found


def _fields(left: ClientHello, right: ClientHello) -> Iterator[Difference]:
    readers: tuple[tuple[str, Callable[[ClientHello], str]], ...] = (
        ("records before the hello", lambda x: x.prefix.hex() or "none"),
        ("records", lambda x: ", ".join([f"type {r.type} 0x{r.version:04x} {r.length} bytes" for r in x.records]) or "none"),
        ("declared length", lambda x: "right" if x.declared_length is None else str(x.declared_length)),
        ("legacy_version", lambda x: f"0x{x.legacy_version:04x}"),
        ("random", lambda x: x.random.hex()),
        ("session_id", lambda x: x.session_id.hex() or "empty"),
        ("compression_methods", lambda x: x.compression.hex() or "empty"),
        ("declared length of the extensions", lambda x: "right" if x.declared_extensions is None else str(x.declared_extensions)),
        ("extension block", lambda x: "absent" if x.extensions is None else "present"),
        ("unread bytes", lambda x: f"{x.tail.hex()} (stopped at {x.stopped_at})" if x.tail or x.stopped_at else "none"),
        ("behind the hello", lambda x: x.extra.hex() or "none"),
        ("complete", lambda x: "yes" if x.complete else "no"),
    )
    for field, of in readers:
        yield Difference(field, of(left), of(right))


def _extensions(left: ClientHello, right: ClientHello) -> list[Difference]:
    kinds = [[e.type for e in x.extensions or ()] for x in (left, right)]
    found = _lists("extensions", kinds[0], kinds[1], EXTENSIONS)
    bodies: list[dict[int, list[bytes]]] = []
    for x in (left, right):
        table: dict[int, list[bytes]] = defaultdict(list)
        for kind, data in x.extensions or ():
            table[kind].append(data)
        bodies.append(table)
    for kind, mine in bodies[0].items():
        for a, b in zip(mine, bodies[1].get(kind, []), strict=False):
            if a != b:
                told = describe_body(kind, a), describe_body(kind, b)
                found.append(Difference(named(kind, EXTENSIONS), *(told if told[0] != told[1] else (a.hex(), b.hex()))))
    return found


def _lists(field: str, left: Sequence[int], right: Sequence[int], names: Mapping[int, str]) -> list[Difference]:
    """What only one of two lists holds, and where both hold the same, their order."""
    if list(left) == list(right):
        return []
    only = [_without(left, right), _without(right, left)]
    if not only[0] and not only[1]:
        return [Difference(f"order of the {field}", *[" ".join([named(n, names) for n in x]) for x in (left, right)])]
    out = [Difference(field, *[", ".join([named(n, names) for n in x]) or None for x in only])]
    shared = [_without(x, o) for x, o in zip((left, right), only, strict=True)]
    if shared[0] != shared[1]:
        out.append(Difference(f"order of the {field}", *[" ".join([named(n, names) for n in x]) for x in (left, right)]))
    return out


def _without(numbers: Sequence[int], others: Sequence[int]) -> list[int]:
    """The numbers less the others, each as often as it stands there."""
    left = list(others)
    out: list[int] = []
    for n in numbers:
        if n in left:
            left.remove(n)
        else:
            out.append(n)
    return out
