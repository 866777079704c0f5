"""The names of link types, and which of them the decode loop reads.

Numbers and names: https://www.tcpdump.org/linktypes.html
"""

from __future__ import annotations

from dpiprobe.wire import loop

LINK_NAMES: dict[int, str] = {
    loop.NULL: "bsd loopback",
    loop.ETHERNET: "ethernet",
    6: "token ring",
    loop.PPP: "ppp",
    10: "fddi",
    11: "atm rfc1483",
    loop.RAW_BSD: "raw ip",
    loop.RAW_OPENBSD: "raw ip",
    loop.PPP_HDLC: "ppp in hdlc",
    loop.PPPOE: "pppoe",
    loop.RAW: "raw ip",
    loop.C_HDLC: "cisco hdlc",
    105: "802.11",
    107: "frame relay",
    loop.LOOP: "openbsd loopback",
    loop.LINUX_SLL: "linux cooked v1",
    117: "pf log",
    119: "802.11 with prism header",
    127: "802.11 with radiotap header",
    loop.USER2: "apple packet tap",
    loop.IPV4: "raw ipv4",
    loop.IPV6: "raw ipv6",
    loop.NFLOG: "netfilter log",
    loop.PKTAP: "apple packet tap",
    loop.LINUX_SLL2: "linux cooked v2",
}

READ_LINKS: frozenset[int] = frozenset(
    (
        loop.NULL, loop.ETHERNET, loop.PPP, loop.RAW_BSD, loop.RAW_OPENBSD, loop.PPP_HDLC, loop.PPPOE, loop.RAW, loop.C_HDLC, loop.LOOP,
        loop.LINUX_SLL, loop.USER2, loop.IPV4, loop.IPV6, loop.NFLOG, loop.PKTAP, loop.LINUX_SLL2,
    )
)  # fmt: skip
"""Link types in which packets are found; frames of all others are counted as undecoded."""


def link_name(link: int) -> str:
    """A link type in plain words; `link type 147` where it has no name here."""
    return LINK_NAMES.get(link, f"link type {link}")
