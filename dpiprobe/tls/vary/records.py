"""Variations of how TLS records carry the hello: cut by sizes, or at symbolic positions, each record in a TCP segment of its own or not.

Rules of this file: the message stays as it is, byte for byte; the record version of the hello's first record is the version of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import ClientHello, build, build_message
from dpiprobe.tls.position import message_offset, resolve_all
from dpiprobe.tls.record import HANDSHAKE, HEADER, MAX_FRAGMENT, Record
from dpiprobe.tls.rename import check_whole, reframed
from dpiprobe.tls.sending import Sending, cut, sizes_to_edges
from dpiprobe.tls.vary.variation import Stage, Value, Variation


def cut_message(hello: ClientHello, edges: Sequence[int]) -> ClientHello:
    """The message in records that end at these offsets, and at its end; none longer than 2^14 bytes."""
    check_whole(hello)
    if not hello.records:
        raise UsageError("this hello stands in no record (QUIC), so there is none to cut; leave that variation out")
    size = len(build_message(hello))
    wrong = [edge for edge in edges if not 0 < edge < size]
    if wrong:
        raise UsageError(f"a record cannot end at byte {wrong[0]} of a message of {size}; choose a position between 1 and {size - 1}")
    version = hello.records[0].version
    records: list[Record] = []
    for start, end in pairwise([0, *sorted(set(edges)), size]):
        records += [Record(HANDSHAKE, version, min(MAX_FRAGMENT, end - at)) for at in range(start, end, MAX_FRAGMENT)]
    return reframed(replace(hello, records=tuple(records), extra=b""))


def by_sizes(hello: ClientHello, sizes: tuple[int, ...]) -> ClientHello:
    """Records of these sizes, then one with the rest. Sizes that the message has no room for are left out."""
    if any(size < 1 for size in sizes):
        raise UsageError("a record of a handshake message has at least one byte; give sizes of at least 1")
    return cut_message(hello, sizes_to_edges(sizes, len(build_message(hello))))


def of_size(hello: ClientHello, size: int) -> ClientHello:
    """Every record of this size, the last with the rest."""
    if size < 1:
        raise UsageError("a record of a handshake message has at least one byte; give a size of at least 1")
    return cut_message(hello, range(size, len(build_message(hello)), size))


def at_positions(hello: ClientHello, at: str) -> ClientHello:
    """Records that end at these positions (see `tls/position.py`), with commas."""
    return cut_message(hello, [message_offset(hello, position) for position in at.split(",")])


def per_record(hello: ClientHello, sizes: tuple[int, ...], delay: float) -> Sending:
    """`by_sizes`, each record in a TCP segment of its own."""
    return segment_per_record(by_sizes(hello, sizes), delay)


def segment_per_record(hello: ClientHello, delay: float) -> Sending:
    """Each record, those before the hello too, in a TCP segment of its own; `delay` seconds between them."""
    stream = build(hello)
    edges: list[int] = []
    at = 0
    while at < len(stream):
        if at:
            edges.append(at)
        at += HEADER + int.from_bytes(stream[at + 3 : at + 5], "big")
    return cut(stream, edges, delay=delay)


def at_and_cut(hello: ClientHello, at: str, cut_at: str, delay: float) -> Sending:
    """Records that end at `at`, and TCP segments that end at `cut_at`."""
    stream = build(at_positions(hello, at))
    return cut(stream, resolve_all(stream, cut_at), delay=delay)


def _of(
    name: str, tests: str, make: Callable[..., ClientHello | Sending], source: str, stage: Stage = "records", **parameters: Value
) -> Variation:
    decides = "records" if stage == "records" else "records, segments"
    return Variation(f"record-{name}", "records", tests, make, parameters, stage, decides, source)


_THREE, _EIGHT, _SIXTEEN = (64, 95), (16,) * 7, (16,) * 15
"""CenDPI's sizes: bytes 0-64, 64-159, rest; 8 and 16 records of 16 bytes, the last with the rest"""
_PLACES = ("midsld", "sniext+1", "sniext+4")
"""tpws --tlsrec as zapret's blockcheck tries it"""

VARIATIONS: tuple[Variation, ...] = (
    *(_of(f"{count}", f"Is a hello over {count} records put together?", by_sizes, "CenDPI", sizes=sizes)
      for count, sizes in ((3, _THREE), (8, _EIGHT), (16, _SIXTEEN))),
    *(_of(f"{count}-segments", f"Is a hello over {count} records, each in its own segment, put together?", per_record, "CenDPI", "segments",
          sizes=sizes, delay=0.0) for count, sizes in ((3, _THREE), (8, _EIGHT), (16, _SIXTEEN))),
    _of("size-20", "Is a hello in records of 20 bytes put together?", of_size, "DPYProxy", size=20),
    _of("size-1", "Is a hello in records of one byte put together?", of_size, "dpiprobe", size=1),
    *(_of(f"at-{place}", f"Is a hello whose record ends at {place} put together?", at_positions, "zapret tpws --tlsrec", at=place) for place in _PLACES),
    *(_of(f"at-{place}-cut-{cut_at.replace(',', '-')}", f"Is a hello whose record ends at {place} and segments at {cut_at} put together?",
          at_and_cut, "zapret tpws --tlsrec --split-pos", "segments", at=place, cut_at=cut_at, delay=0.0)
      for place in _PLACES for cut_at in ("midsld", "1,midsld")),
    _of("header", "Is a first record that ends inside the handshake header put together?", by_sizes, "dpiprobe", sizes=(1,)),
    _of("behind-name", "Is the first of two records enough where it holds the whole name?", at_positions, "dpiprobe", at="endhost"),
)  # fmt: skip
