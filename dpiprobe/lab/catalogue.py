"""The boxes of the lab by name, each the `emulate:` block of a signature.

Rules of this file:
- A box is asked for by the id of a signature (any signature with an `emulate:` block) or by a short name that stands for one. `none` is the free path.
- The blocks below are what the lab falls back to where the signature database has no such id; a signature's own block always wins.
- A name says what the box *does*. Nothing that judges a capture may import this file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from dpiprobe.errors import UsageError


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `lab list`. `block` is what drives it (None: nothing, or real software); `lacks`: what is missing on this machine."""

    name: str
    signature: str | None
    technique: str | None
    says: str
    block: Mapping[str, object] | None
    lacks: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One box: `signature` is the id whose block drives it, `default` the block to fall back to; without a signature its own block drives it (None: the
    free path)."""

    name: str
    signature: str | None
    says: str
    default: Mapping[str, object] | None
    technique: str | None = None


CATALOGUE: tuple[Entry, ...] = (
    Entry("none", None, "the free path: a router that only forwards", None),
    Entry(
        "in-path-reset", "netfilter-reject",
        "swallows the hello and answers it with the reset of a Linux kernel (netfilter REJECT --reject-with tcp-reset)",
        # net/ipv4/netfilter/nf_reject_ipv4.c: R, seq = the trigger's ack, ack 0, window 0, no options, ID 0, DF; measured on Linux 6.18
        {"trigger": "client_hello", "hello": "drop",
         "send": [{"to": "client", "flags": "R", "ack": "zero", "ipid": 0, "df": "set", "ttl": 64, "window": 0}]},
    ),
    Entry(
        "on-path-resets", "gfw-reset-triple",
        "lets the hello pass and races the answer with three identical reset+acks",
        # Bock et al. 2021 and later measurements: three RST+ACKs at once, exact sequence number; TTL and delay of the lab are of no device (unverified)
        {"trigger": "client_hello", "hello": "pass", "delay": "2 ms",
         "send": [{"to": "client", "flags": "RA", "copies": 3, "spacing": "100 us", "ack": "hello_end", "ipid": "random_same", "df": "set",
                   "ttl": {"random": [39, 238]}, "window": "random_same"},
                  {"to": "server", "flags": "R", "copies": 1, "ipid": "random", "ttl": 64}]},
    ),
    Entry(
        "drop-hello", "drop.hello", "swallows the hello and every copy of it, and says nothing",
        {"trigger": "client_hello", "hello": "drop"},
    ),
    Entry(
        "proxy-close", "proxy.close", "terminates every connection, relays allowed names, closes those that ask for a blocked one",
        {"trigger": "client_hello", "proxy": {"answer": "close"}},
    ),
    Entry(
        "throttle-shape", "throttle.shape", "queues what the server sends in flows with a blocked name, 8 kB/s",
        {"trigger": "client_hello", "throttle": {"rate": "8 kB/s", "how": "shape"}},
    ),
    Entry(
        "throttle-police", "throttle.police", "drops what exceeds 16 kB/s in flows with a blocked name",
        {"trigger": "client_hello", "throttle": {"rate": "16 kB/s", "how": "police"}},
    ),
    Entry(
        "residual-drop", "residual.drop", "swallows the hello and for 20 s everything else between this client and that server's port",
        {"trigger": "client_hello", "hello": "drop", "residual": {"what": "drop", "for": "20 s", "same": ["client", "server", "port"]}},
    ),
    Entry(
        "rewrite-answer", None, "turns the server's own answer to a blocked hello into a reset+ack: TTL, IP ID, time and options stay the server's",
        # facts of the vendor of TSPU boxes (net4people, 2021 training): the filter waits for the return packet and replaces its content
        {"trigger": "client_hello", "rewrite": {"flags": "RA"}}, "rst.rewrite",
    ),
    Entry(
        "rewrite-answer-wrong-ack", None, "the same with an acknowledgement number that is wrong",
        # zapret readme: "wrong ACK numbers in RST,ACK packets sent by russian DPI"; by how much is not said (unverified)
        {"trigger": "client_hello", "rewrite": {"flags": "RA", "ack": {"plus": -1000}}}, "rst.rewrite",
    ),
    Entry(
        "stall-both-ways", None, "lets five to eight more packets of either side pass, then none (as reported of TSPU, SNI-II)",
        {"trigger": "client_hello", "then": {"to_server": "drop", "to_client": "drop", "after": {"packets": {"random": [5, 8]}, "from": "both"}}}, "drop.stall",
    ),
)


def entries() -> tuple[Entry, ...]:
    """All named boxes."""
    return CATALOGUE


def rows() -> list[Row]:
    """Every box there is, with a sentence that says what it is: the named ones, the signatures', real software."""
    from dpiprobe.lab.real.shelf import PROGRAMS
    from dpiprobe.signature.database import load

    try:
        signatures = {signature.id: signature for signature in load().signatures}
    except UsageError:
        signatures = {}
    blocks = {identity: signature.emulate for identity, signature in signatures.items() if signature.emulate is not None}
    named = {entry.signature for entry in CATALOGUE}
    found = []
    for entry in CATALOGUE:
        technique = signatures[entry.signature].technique if entry.signature in signatures else entry.technique
        found.append(Row(entry.name, entry.signature, technique, entry.says, block(entry.name, blocks)))
    found += [Row(name, name, signatures[name].technique, signatures[name].title, blocks[name]) for name in sorted(blocks) if name not in named]
    return found + [Row(program.name, None, program.technique, program.says, None, program.lacks()) for program in PROGRAMS]


def says(name: str) -> str:
    """What a box is, in words; its name where nobody says more."""
    return next((row.says for row in rows() if name in (row.name, row.signature)), name)


def from_database() -> dict[str, Mapping[str, object]]:
    """The `emulate:` blocks of the signatures that come with the program, by id; SignatureError where a file of them is wrong."""
    from dpiprobe.signature.database import load

    try:
        return {signature.id: signature.emulate for signature in load().signatures if signature.emulate is not None}
    except UsageError:  # an installation without signatures still has its lab
        return {}


def block(name: str, signatures: Mapping[str, Mapping[str, object]] | None = None) -> Mapping[str, object] | None:
    """The `emulate:` block of a box, None for the free path; `signatures` are the blocks of the database by id.

    Raises UsageError for a name that is neither in the catalogue nor a signature with a block.
    """
    known = signatures or {}
    for entry in CATALOGUE:
        if name in (entry.name, entry.signature):
            return entry.default if entry.signature is None else known.get(entry.signature, entry.default)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, {*(entry.name for entry in CATALOGUE), *known}, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"there is no box {name!r}; {hint}`dpiprobe lab list` shows those there are")
