"""The decode loop: frames of one chunk of records -> rows of integers. Nothing else in the house reads a packet header byte by byte.

Rules of this file:
- It is written once and runs in two ways: plain Python over `bytes` with `array('q')` columns, and compiled over uint8 and int64 arrays
  (the module is then executed a second time with `jit` in its globals, and with `int` as numpy.int64: compiled, int(uint8) is a uint64, which
  beside an int64 becomes a float). So every element goes through `int()`, and there are no dicts, objects, slices or exceptions inside.
- It imports numbers only, which the compiled form freezes; what it calls stands in this file.
- Lengths are IP's; where the IP length is zero (segmentation offload, RFC 2675 jumbograms) the rest of the frame counts.
- No read outside [start, end) of a frame, whatever the bytes say.

A row of `out` has WIDTH values in the order of the constants below, -1 where the packet has no such thing. `SOURCE` and `DESTINATION`
hold where the address starts in the buffer, `QUOTE` where the quoted packet starts; `decode.py` turns them into indices.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

from dpiprobe.wire import packets

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """What `jit` is: something that takes a function and gives one with the same signature."""

    def __call__(self, function: F, /) -> F: ...


def _plain(function: F, /) -> F:
    return function


jit: Decorator = globals().get("jit", _plain)

# Places in a row; the order of wire.packets.PACKET_COLUMNS without number and time (a test holds both equal).
VERSION, PROTOCOL, SOURCE, DESTINATION, SOURCE_PORT, DESTINATION_PORT, TTL, IP_ID, DF, TOS, IP_LENGTH, IP_OPTIONS = range(12)
FLAGS, SEQ, ACK, WINDOW, URGENT, OPTIONS, TS_VALUE, TS_ECHO, MSS, WINDOW_SCALE, TCP_HEADER_LENGTH = range(12, 23)
PAYLOAD_LENGTH, PAYLOAD_OFFSET, PAYLOAD_CAPTURED, ICMP_TYPE, ICMP_CODE, QUOTE = range(23, 29)
WIDTH = 29

# What became of a frame (`status`). From CUT_LINK on: undecoded, for the reason that decode.REASONS names.
ROW, OTHER, FRAGMENT = 0, 1, 2
CUT_LINK, UNKNOWN_LINK, CUT_IP, BAD_IP, CUT_TRANSPORT, BAD_TRANSPORT, BAD_LINK = range(3, 10)
# https://www.tcpdump.org/linktypes.html
NULL, ETHERNET, PPP, RAW_BSD, RAW_OPENBSD, PPP_HDLC, PPPOE, RAW, C_HDLC, LOOP, LINUX_SLL, USER2, IPV4, IPV6, NFLOG, PKTAP, LINUX_SLL2 = (
    0, 1, 9, 12, 14, 50, 51, 101, 104, 108, 113, 149, 228, 229, 239, 258, 276,
)  # fmt: skip


@jit
def by_ethertype(buf: Sequence[int], at: int, end: int, kind: int) -> int:
    """Where the IP header starts behind an EtherType `kind` whose payload starts at `at`; else minus the status.

    Walks VLAN tags (802.1Q 0x8100, 802.1ad 0x88a8, the older QinQ 0x9100), MPLS labels, PPPoE sessions (RFC 2516) and LLC/SNAP (RFC 1042).
    """
    while kind in (0x8100, 0x88A8, 0x9100):
        if at + 4 > end:
            return -CUT_LINK
        kind = (int(buf[at + 2]) << 8) | int(buf[at + 3])
        at += 4
    if kind in (0x0800, 0x86DD):
        return at
    if kind in (0x8847, 0x8848):
        return by_mpls(buf, at, end)
    if kind == 0x8864:
        if at + 6 > end:
            return -CUT_LINK
        return by_ppp(buf, at + 6, end)
    if kind <= 1500 and at + 8 <= end and int(buf[at]) == 0xAA and int(buf[at + 1]) == 0xAA and int(buf[at + 2]) == 3:
        if int(buf[at + 3]) | int(buf[at + 4]) | int(buf[at + 5]):
            return -OTHER
        kind = (int(buf[at + 6]) << 8) | int(buf[at + 7])
        if kind in (0x0800, 0x86DD):
            return at + 8
    return -OTHER


@jit
def by_ppp(buf: Sequence[int], at: int, end: int) -> int:
    """Where the IP header starts in a PPP frame, with or without address and control (RFC 1662), protocol compressed or not (RFC 1661)."""
    if at + 2 <= end and int(buf[at]) == 0xFF and int(buf[at + 1]) == 0x03:
        at += 2
    if at >= end:
        return -CUT_LINK
    protocol = int(buf[at])
    if protocol & 1:
        at += 1
    else:
        if at + 2 > end:
            return -CUT_LINK
        protocol = (protocol << 8) | int(buf[at + 1])
        at += 2
    if protocol in (0x21, 0x57):
        return at
    if protocol in (0x281, 0x283):
        return by_mpls(buf, at, end)
    return -OTHER


@jit
def by_mpls(buf: Sequence[int], at: int, end: int) -> int:
    """Where the IP header starts behind a stack of MPLS labels (RFC 3032); the first nibble tells IP from pseudowires (RFC 4928)."""
    while at + 4 < end:
        last = int(buf[at + 2]) & 1
        at += 4
        if last:
            return at if int(buf[at]) >> 4 in (4, 6) else -OTHER
    return -CUT_LINK


@jit
def by_nflog(buf: Sequence[int], at: int, end: int) -> int:
    """Where the packet starts in a Linux netfilter log frame: 4 bytes, then type-length-value fields of which type 9 is the packet
    (https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html; lengths and types in the capturing host's order, taken to be little-endian)."""
    if at < end and int(buf[at]) not in (2, 10):
        return -OTHER
    at += 4
    while at + 4 < end:
        length = int(buf[at]) | (int(buf[at + 1]) << 8)
        if int(buf[at + 2]) == 9 and int(buf[at + 3]) == 0:
            return at + 4
        if length < 4:
            return -BAD_LINK
        at += (length + 3) & ~3
    return -CUT_LINK


@jit
def network_layer(buf: Sequence[int], at: int, end: int, link: int) -> int:
    """Where the IP header of a frame of this link type starts; else minus the status."""
    if link in (PKTAP, USER2):
        # Apple's packet tap: its own length, a record type (1 is a packet) and the link type of what follows, little-endian
        if at + 12 > end:
            return -CUT_LINK
        length = int(buf[at]) | (int(buf[at + 1]) << 8) | (int(buf[at + 2]) << 16) | (int(buf[at + 3]) << 24)
        link = int(buf[at + 8]) | (int(buf[at + 9]) << 8) | (int(buf[at + 10]) << 16) | (int(buf[at + 11]) << 24)
        if length < 12 or int(buf[at + 4]) != 1:
            return -BAD_LINK
        at += length
    if link in (RAW, RAW_BSD, RAW_OPENBSD, IPV4, IPV6):
        return at if at < end else -CUT_LINK
    size, tag = 0, 0
    if link == ETHERNET:
        size, tag = 14, 12
    elif link == LINUX_SLL:
        size, tag = 16, 14
    elif link == LINUX_SLL2:
        size, tag = 20, 0
    elif link == C_HDLC or (link == PPP_HDLC and at < end and int(buf[at]) in (0x0F, 0x8F)):
        size, tag = 4, 2  # Cisco HDLC, which link type 50 may hold as well, told by its address byte
    if size:
        if at + size > end:
            return -CUT_LINK
        return by_ethertype(buf, at + size, end, (int(buf[at + tag]) << 8) | int(buf[at + tag + 1]))
    if link in (NULL, LOOP):
        if at + 4 > end:
            return -CUT_LINK
        # The family is the capturing host's number in its byte order (NULL) or in network order (LOOP, and files that mix them up).
        family = int(buf[at]) | int(buf[at + 3]) if int(buf[at + 1]) == 0 and int(buf[at + 2]) == 0 else -1
        # AF_INET is 2 everywhere; AF_INET6 is 24 (NetBSD, OpenBSD), 28 (FreeBSD), 30 (Darwin), 10 (Linux)
        if family in (2, 24, 28, 30, 10):
            return at + 4
        return -OTHER
    if link in (PPP, PPP_HDLC):
        return by_ppp(buf, at, end)
    if link == PPPOE:
        # a PPPoE header (RFC 2516): version and type 0x11, code, session, length; code 0 is a session packet
        if at + 6 > end:
            return -CUT_LINK
        if int(buf[at]) != 0x11:
            return -BAD_LINK
        if int(buf[at + 1]) != 0:
            return -OTHER
        return by_ppp(buf, at + 6, end)
    if link == NFLOG:
        return by_nflog(buf, at, end)
    return -OTHER if link < 0 else -UNKNOWN_LINK  # below 0: a record that is no packet at all


@jit
def tcp_options(buf: Sequence[int], at: int, stop: int, end: int, out: MutableSequence[int], base: int) -> int:
    """Read the options in [at, stop), of which the bytes before `end` were captured; writes the values, gives the OPT_* bits.

    Options that the snap length cut off count as broken: that they are absent cannot be said.
    """
    bits = 0
    while at < stop:
        if at >= end:
            return bits | packets.OPT_BROKEN
        kind = int(buf[at])
        if kind == 0:
            return bits | packets.OPT_EOL
        if kind == 1:
            bits |= packets.OPT_NOP
            at += 1
            continue
        if at + 1 >= stop or at + 1 >= end:
            return bits | packets.OPT_BROKEN
        length = int(buf[at + 1])
        if length < 2 or at + length > stop or at + length > end:
            return bits | packets.OPT_BROKEN
        if kind == 8:
            if length != 10:
                return bits | packets.OPT_BROKEN
            bits |= packets.OPT_TIMESTAMPS
            out[base + TS_VALUE] = (int(buf[at + 2]) << 24) | (int(buf[at + 3]) << 16) | (int(buf[at + 4]) << 8) | int(buf[at + 5])
            out[base + TS_ECHO] = (int(buf[at + 6]) << 24) | (int(buf[at + 7]) << 16) | (int(buf[at + 8]) << 8) | int(buf[at + 9])
        elif kind == 2:
            if length != 4:
                return bits | packets.OPT_BROKEN
            bits |= packets.OPT_MSS
            out[base + MSS] = (int(buf[at + 2]) << 8) | int(buf[at + 3])
        elif kind == 3:
            if length != 3:
                return bits | packets.OPT_BROKEN
            bits |= packets.OPT_WSCALE
            out[base + WINDOW_SCALE] = int(buf[at + 2])
        elif kind == 4:
            bits |= packets.OPT_SACK_OK
        elif kind == 5:
            bits |= packets.OPT_SACK
        elif kind == 19:
            bits |= packets.OPT_MD5
        elif kind == 34:
            bits |= packets.OPT_FAST_OPEN
        else:
            bits |= packets.OPT_OTHER
        at += length
    return bits


@jit
def decode_frames(
    buf: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    links: Sequence[int],
    count: int,
    out: MutableSequence[int],
    status: MutableSequence[int],
) -> None:
    """Decode `count` frames buf[starts[i]:ends[i]] of link type links[i] into out[i * WIDTH:], which the caller filled with -1.

    `status[i]` says what became of frame i. Of a FRAGMENT the row holds only where its IP header starts, in PAYLOAD_OFFSET.
    """
    for row in range(count):
        at = int(starts[row])
        end = int(ends[row])
        link = int(links[row])
        base = row * WIDTH
        kind = 0
        if link == ETHERNET and at + 14 <= end:
            kind = (int(buf[at + 12]) << 8) | int(buf[at + 13])
        ip = at + 14 if kind in (0x0800, 0x86DD) else network_layer(buf, at, end, link)
        if ip < 0 or ip >= end:
            status[row] = -ip if ip < 0 else CUT_LINK
            continue
        first = int(buf[ip])
        version = first >> 4
        out[base + VERSION] = version
        out[base + PAYLOAD_OFFSET] = ip
        if version == 4:
            if ip + 20 > end:
                status[row] = CUT_IP
                continue
            header = (first & 15) << 2
            total = (int(buf[ip + 2]) << 8) | int(buf[ip + 3])
            if total == 0:
                total = end - ip
            if header < 20 or total < header:
                status[row] = BAD_IP
                continue
            if ip + header > end:
                status[row] = CUT_IP
                continue
            word = (int(buf[ip + 6]) << 8) | int(buf[ip + 7])
            if word & 0x3FFF:
                status[row] = FRAGMENT
                continue
            protocol = int(buf[ip + 9])
            at = ip + header
            limit = ip + total
            extra = 1 if header > 20 else 0
        elif version == 6:
            if ip + 40 > end:
                status[row] = CUT_IP
                continue
            total = (int(buf[ip + 4]) << 8) | int(buf[ip + 5])
            total = end - ip if total == 0 else total + 40
            word = -1
            protocol = int(buf[ip + 6])
            at = ip + 40
            limit = ip + total
            extra = 0
        else:
            status[row] = BAD_IP
            continue

        # IPv6 extension headers (RFC 8200, RFC 7045) and, in both versions, the authentication header (RFC 4302)
        verdict = ROW
        while protocol == 51 or (version == 6 and protocol in (0, 43, 44, 60, 135, 139, 140)):
            if at + 8 > limit:
                verdict = BAD_IP
                break
            if at + 8 > end:
                verdict = CUT_IP
                break
            extra = 1
            length = (int(buf[at + 1]) + 1) << 3
            if protocol == 44:
                length = 8
                if ((int(buf[at + 2]) << 8) | int(buf[at + 3])) & 0xFFF9:
                    verdict = FRAGMENT
                    break
            elif protocol == 51:
                length = (int(buf[at + 1]) + 2) << 2
            protocol = int(buf[at])
            at += length
        if verdict != ROW:
            status[row] = verdict
            continue

        if protocol == 6:
            if at + 20 > limit:
                status[row] = BAD_TRANSPORT
                continue
            if at + 20 > end:
                status[row] = CUT_TRANSPORT
                continue
            bits = (int(buf[at + 12]) << 8) | int(buf[at + 13])
            header = (bits >> 12) << 2
            if header < 20 or at + header > limit:
                status[row] = BAD_TRANSPORT
                continue
            out[base + SOURCE_PORT] = (int(buf[at]) << 8) | int(buf[at + 1])
            out[base + DESTINATION_PORT] = (int(buf[at + 2]) << 8) | int(buf[at + 3])
            out[base + SEQ] = (int(buf[at + 4]) << 24) | (int(buf[at + 5]) << 16) | (int(buf[at + 6]) << 8) | int(buf[at + 7])
            out[base + ACK] = (int(buf[at + 8]) << 24) | (int(buf[at + 9]) << 16) | (int(buf[at + 10]) << 8) | int(buf[at + 11])
            out[base + FLAGS] = bits & 0xFFF
            out[base + WINDOW] = (int(buf[at + 14]) << 8) | int(buf[at + 15])
            out[base + URGENT] = (int(buf[at + 18]) << 8) | int(buf[at + 19])
            out[base + TCP_HEADER_LENGTH] = header
            out[base + OPTIONS] = 0 if header == 20 else tcp_options(buf, at + 20, at + header, end, out, base)
            at += header
        elif protocol == 17:
            if at + 8 > limit:
                status[row] = BAD_TRANSPORT
                continue
            if at + 8 > end:
                status[row] = CUT_TRANSPORT
                continue
            out[base + SOURCE_PORT] = (int(buf[at]) << 8) | int(buf[at + 1])
            out[base + DESTINATION_PORT] = (int(buf[at + 2]) << 8) | int(buf[at + 3])
            length = (int(buf[at + 4]) << 8) | int(buf[at + 5])
            if length >= 8 and at + length < limit:
                limit = at + length
            at += 8
        elif (protocol == 1 and version == 4) or (protocol == 58 and version == 6):
            if at + 4 > limit:
                status[row] = BAD_TRANSPORT
                continue
            if at + 4 > end:
                status[row] = CUT_TRANSPORT
                continue
            kind = int(buf[at])
            out[base + ICMP_TYPE] = kind
            out[base + ICMP_CODE] = int(buf[at + 1])
            # errors that quote (RFC 792: 3 4 5 11 12; RFC 4443: 1 2 3 4), not echoes
            error = kind in (3, 4, 5, 11, 12) if protocol == 1 else kind in (1, 2, 3, 4)
            at = at + 8 if at + 8 <= limit else limit
            if error and at < limit and at < end:
                out[base + QUOTE] = at
        else:
            status[row] = OTHER
            continue

        out[base + PROTOCOL] = protocol
        if version == 4:
            out[base + SOURCE] = ip + 12
            out[base + DESTINATION] = ip + 16
            out[base + TTL] = int(buf[ip + 8])
            out[base + IP_ID] = (int(buf[ip + 4]) << 8) | int(buf[ip + 5])
            out[base + DF] = (word >> 14) & 1
            out[base + TOS] = int(buf[ip + 1])
        else:
            out[base + SOURCE] = ip + 8
            out[base + DESTINATION] = ip + 24
            out[base + TTL] = int(buf[ip + 7])
            out[base + TOS] = ((first & 15) << 4) | (int(buf[ip + 1]) >> 4)
        out[base + IP_LENGTH] = total
        out[base + IP_OPTIONS] = extra
        out[base + PAYLOAD_LENGTH] = limit - at
        out[base + PAYLOAD_OFFSET] = at if at < end else end
        stop = limit if limit < end else end
        out[base + PAYLOAD_CAPTURED] = stop - at if stop > at else 0
        status[row] = ROW
