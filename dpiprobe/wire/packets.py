"""Packets as columns: the one shape in which everything behind the capture sees a packet.

Rules of this file:
- One row is one TCP, UDP, ICMP or ICMPv6 packet (a datagram that was put together from fragments is one row, at the
  number of its last fragment). Frames that are something else, or cannot be decoded, have no row; the capture counts them.
- Columns are numpy int64 and hold plain values; "not there" is -1 (IP ID and DF in IPv6, the option that was not sent),
  never 0. `known` masks are therefore `column >= 0`.
- Lengths are IP's, never the frame's: Ethernet padding is not payload, zero bytes inside the IP length are.
- `number` is the frame's number in the capture as Wireshark shows it, counted from 1.
- The payload bytes lie in one arena; offsets into a file would not survive gzip, pipes or fragments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.int64]

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58  # IANA protocol numbers

# TCP header bits as they stand in the 16-bit offset/flags word (RFC 9293 section 3.1, RFC 3168, AE/NS: RFC 3540, historic)
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS = 0x001, 0x002, 0x004, 0x008, 0x010, 0x020, 0x040, 0x080, 0x100
RESERVED = 0xE00  # the three bits that RFC 9293 still calls reserved; `flags` keeps all twelve bits

# Bits of the `options` column: which TCP option kinds a segment carries (IANA TCP Option Kind Numbers)
OPTION_BITS = {2: 1, 3: 2, 4: 4, 5: 8, 8: 16, 19: 32, 34: 64, 1: 128, 0: 256}  # MSS WS SACKOK SACK TS MD5 TFO NOP EOL
OPT_MSS, OPT_WSCALE, OPT_SACK_OK, OPT_SACK, OPT_TIMESTAMPS, OPT_MD5, OPT_FAST_OPEN, OPT_NOP, OPT_EOL = (1 << i for i in range(9))
OPT_OTHER = 512  # any other kind
OPT_BROKEN = 1024  # an option length that lies outside the header

TEXT, SPACE, FIRST_LETTER, LAST_LETTER = 9, 0x20, 0x61, 0x7A
"""Letters of ASCII and spaces in a row that count as text (`octet | SPACE` makes letters small): of nine there are some in one of a thousand random
payloads, and no shorter text is asked of TLS."""


@dataclass(slots=True)
class Quotes:
    """What ICMP errors quote of the packet that caused them; row i belongs to the packet whose `quote` is i.

    Addresses are indices into `Packets.addresses`. `sequence` is -1 where the quoted TCP header was cut before it
    (RFC 792 guarantees 8 bytes, which hold ports and sequence number). `ttl` is as quoted, that is as the router saw it.
    """

    version: Column
    protocol: Column
    source: Column
    destination: Column
    source_port: Column
    destination_port: Column
    sequence: Column
    ttl: Column
    ip_id: Column
    ip_length: Column


@dataclass(slots=True)
class Packets:
    """n packets in capture order. All columns have length n and type int64; units as named.

    number: frame number from 1 · time: ns since 1970 (integer, as the capture says) · version: 4 or 6 · protocol: IANA number
    source, destination: indices into `addresses` · source_port, destination_port (-1 for ICMP)
    ttl: IPv4 TTL or IPv6 hop limit · ip_id, df: -1 in IPv6 · tos: the whole DS/ECN byte · ip_length: bytes of the IP datagram, header included
    ip_options: 1 where an IPv4 header has options or an IPv6 one extension headers
    flags: TCP bits (constants above) · seq, ack: raw 32-bit fields · window: raw 16-bit field · urgent · options: OPT_* bits
    ts_value, ts_echo, mss, window_scale: option values or -1 · tcp_header_length: bytes
    payload_length: bytes by IP's length · payload_offset, payload_captured: where in `arena`, and how many bytes the capture holds
    icmp_type, icmp_code · quote: row in `quotes` or -1
    kept, elsewhere: in a large capture the arena holds only so many bytes of each payload, at least its first six; `elsewhere` reads all of some
    (rows, sizes) · wordless: 1 where such a payload is known to hold no TEXT letters or spaces in a row
    """

    number: Column
    time: Column
    version: Column
    protocol: Column
    source: Column
    destination: Column
    source_port: Column
    destination_port: Column
    ttl: Column
    ip_id: Column
    df: Column
    tos: Column
    ip_length: Column
    ip_options: Column
    flags: Column
    seq: Column
    ack: Column
    window: Column
    urgent: Column
    options: Column
    ts_value: Column
    ts_echo: Column
    mss: Column
    window_scale: Column
    tcp_header_length: Column
    payload_length: Column
    payload_offset: Column
    payload_captured: Column
    icmp_type: Column
    icmp_code: Column
    quote: Column
    addresses: list[bytes] = field(default_factory=list)
    arena: bytes = b""
    quotes: Quotes = field(default_factory=lambda: empty_quotes())  # noqa: PLW0108
    kept: Column | None = None
    elsewhere: Callable[[Column, Column], list[bytes]] | None = None
    wordless: Column | None = None

    def __len__(self) -> int:
        return len(self.number)

    def payload(self, row: int) -> bytes:
        """The captured payload bytes of one packet."""
        start = int(self.payload_offset[row])
        size = int(self.payload_captured[row])
        if self.kept is not None and self.elsewhere is not None and self.kept[row] < size:
            return self.elsewhere(np.array([row]), np.array([size]))[0]
        return self.arena[start : start + size]

    def payloads(self, rows: Column) -> list[bytes]:
        """The same of several, in their order."""
        sizes, starts, arena = self.payload_captured[rows], self.payload_offset[rows], self.arena
        far = np.flatnonzero(self.kept[rows] < sizes) if self.kept is not None else np.empty(0, np.int64)
        if self.elsewhere is not None and len(far) == len(rows):
            return self.elsewhere(rows, sizes)
        out = [arena[a:b] for a, b in zip(starts.tolist(), (starts + sizes).tolist(), strict=True)]
        if self.elsewhere is not None and len(far):
            for i, body in zip(far.tolist(), self.elsewhere(rows[far], sizes[far]), strict=True):
                out[i] = body
        return out


PACKET_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Packets) if f.name not in ("addresses", "arena", "quotes", "kept", "elsewhere", "wordless"))
QUOTE_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Quotes))


def pieces(arena: bytes, begin: Column, size: int) -> npt.NDArray[np.uint8]:
    """So many bytes of an arena from each of these places on, all of which it must hold; shape (n, size). numpy copies each as one item."""
    if not len(begin):
        return np.empty((0, size), np.uint8)
    every = np.ndarray((len(arena) - size + 1,), np.dtype((np.void, size)), arena, 0, (1,))
    return every[begin].view(np.uint8).reshape(-1, size)


def empty_quotes() -> Quotes:
    """A quote table with no rows."""
    return Quotes(**{name: np.empty(0, np.int64) for name in QUOTE_COLUMNS})


def from_rows(
    rows: Sequence[dict[str, int]], addresses: list[bytes], arena: bytes, quotes: Sequence[dict[str, int]] = ()
) -> Packets:
    """Columns from one dict a packet; a column that a dict leaves out is -1. Meant for tests and small builders."""
    columns: dict[str, Any] = {name: np.array([row.get(name, -1) for row in rows], np.int64) for name in PACKET_COLUMNS}
    quoted = {name: np.array([q.get(name, -1) for q in quotes], np.int64) for name in QUOTE_COLUMNS}
    return Packets(**columns, addresses=addresses, arena=arena, quotes=Quotes(**quoted))
