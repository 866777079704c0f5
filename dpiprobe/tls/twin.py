"""The innocuous twin of a sending: the same hello for a name that means nothing, and nothing else to tell them apart by.

Alone responsible for controls that are equal in length, segmentation and checksum: every segment keeps its Internet-checksum sum, so that
even the TCP checksum field is the one of the test.

Rules of this file:
- Only bytes of names change: letters and digits inside the server_name extensions, each for one of its own kind (small, capital, digit). Dots,
  hyphens, other bytes and the last label stay, so the form of the name, its case pattern and its top level do as well.
- Places are changed in groups that a checksum cannot tell apart (same segment, same parity of the offset in it), each group keeping its sum.
- No randomness: the seed decides. A name that cannot be changed under these rules is the caller's error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import SERVER_NAME, ClientHello, parse, read_server_names
from dpiprobe.tls.position import stream_offset
from dpiprobe.tls.sending import Segment, Sending

_KINDS = ((0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39))  # ASCII: small letters, capitals, digits
_TRIES = 32


def innocuous_twin(sending: Sending, seed: bytes, *, same_sum: bool = True) -> Sending:
    """The sending with another name of the same form. same_sum: every segment keeps its checksum sum; False where segments are so short
    that this leaves nothing to change.

    UsageError where the stream is no ClientHello with a name, or its name cannot be changed so."""
    stream = sending.stream
    hello = parse(stream)
    places = free_places(hello) if hello is not None else []
    if hello is None or not places:
        raise UsageError("there is no name in this hello that a twin could change; give a hello with a server name of letters")
    old = dict(zip(_sequences(sending, places), [stream[place] for place in places], strict=True))
    groups = _groups(sending, old) if same_sum else [[place] for place in old]
    for attempt in range(_TRIES):
        drawn = shake_256(b"twin" + bytes((attempt,)) + stream + b"\0" + seed).digest(len(places))
        changes: dict[int, int] = {}
        for group in groups:
            noise, drawn = drawn[: len(group)], drawn[len(group) :]
            changes.update(zip(group, _reshuffled([old[i] for i in group], noise, keep_sum=same_sum), strict=True))
        if changes != old:
            return Sending(tuple([_patched(s, old, changes) for s in sending.segments]))
    raise UsageError("these segments are too short to change the name and keep every checksum; ask for the twin with same_sum=False")


def free_places(hello: ClientHello) -> list[int]:
    """Offsets in the stream of the letters and digits of all names in all server_name extensions, their last labels left out."""
    found: list[int] = []
    at = 4 + 2 + 32 + 1 + len(hello.session_id) + 2 + 2 * len(hello.ciphers) + 1 + len(hello.compression) + 2
    for kind, data in hello.extensions or ():
        if kind == SERVER_NAME:
            offset = at + 4 + 2
            for entry in read_server_names(data):
                found += [stream_offset(hello, offset + 3 + i) for i in _free(entry.name)]
                offset += 3 + len(entry.name)
        at += 4 + len(data)
    return found


def _free(name: bytes) -> Iterable[int]:
    """Which bytes of a name may change."""
    bare = name.rstrip(b".")
    last = bare.rfind(b".")
    return [i for i, byte in enumerate(name[: last if last >= 0 else len(bare)]) if _kind(byte) is not None]


def _kind(byte: int) -> tuple[int, int] | None:
    return next((kind for kind in _KINDS if kind[0] <= byte <= kind[1]), None)


def _sequences(sending: Sending, places: Iterable[int]) -> list[int]:
    """Where places of the stream stand in sequence numbers: urgent bytes take one and are not read."""
    urgent = sorted(s.offset + len(s.data) - 1 for s in sending.segments if s.urgent)
    found: list[int] = []
    for place in places:
        for at in urgent:
            place += at <= place  # noqa: PLW2901
        found.append(place)
    return found


def _carries(segment: Segment, place: int, byte: int) -> bool:
    """Whether the segment holds this byte of the stream (an overlap may hold another in its place)."""
    at = place - segment.offset
    return not segment.decoy and 0 <= at < len(segment.data) and segment.data[at] == byte


def _groups(sending: Sending, old: Mapping[int, int]) -> list[list[int]]:
    """Places that lie in the same segments at offsets of the same parity."""
    groups: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for place, byte in old.items():
        inside = [(n, (place - s.offset) & 1) for n, s in enumerate(sending.segments) if _carries(s, place, byte)]
        groups[tuple(inside)].append(place)
    return list(groups.values())


def _reshuffled(old: list[int], noise: bytes, *, keep_sum: bool) -> list[int]:
    """Other bytes of the same kinds; with the same sum where that is asked for."""
    kinds = [_kind(byte) or (byte, byte) for byte in old]
    new = [low + n % (high - low + 1) for (low, high), n in zip(kinds, noise, strict=True)]
    if not keep_sum:
        return new
    excess = sum(new) - sum(old)
    for i, (low, high) in enumerate(kinds):  # the old bytes themselves show that the sum can be reached
        step = min(max(new[i] - excess, low), high)
        excess -= new[i] - step
        new[i] = step
    return new


def _patched(segment: Segment, old: Mapping[int, int], changes: Mapping[int, int]) -> Segment:
    data = bytearray(segment.data)
    for place, new in changes.items():
        if _carries(segment, place, old[place]):
            data[place - segment.offset] = new
    return replace(segment, data=bytes(data))
