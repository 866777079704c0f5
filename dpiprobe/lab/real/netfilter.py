"""Linux' own packet filter as a censor: a name in the packet, or an address. Reset, ICMP error, or silence.

Rules of this file: as an administrator would write it. A match on a name sees single packets only, so it acts on the segment that holds the name and
on its copies. nftables has no string match: one rule for each place where the name may begin compares the raw bytes there (nft(8), raw payload).
"""

from __future__ import annotations

from dpiprobe.lab.real.program import Place, Program, patterns


def by_name(place: Place, *action: str) -> None:
    """Act on packets for port 443 or 80 that hold a blocked name."""
    for name in patterns(place):
        for port in ("443", "80"):
            place.run("iptables", "-A", "FORWARD", "-p", "tcp", "--dport", port, "-m", "string", "--algo", "bm", "--icase", "--string", name, "-j", *action)


_PLACES = range(20, 1480)  # bytes after the start of the TCP header at which a name may begin, up to Ethernet's MTU
_BATCH = 200  # rules in one message to the kernel: some 200 bytes each, and a user's socket takes 208 KiB (net.core.wmem_default)
_LONGEST = 16  # bytes that one raw comparison of nftables takes


def by_bytes(place: Place, action: str) -> None:
    """Act on packets to port 443 that hold a blocked name (of a long one its last sixteen bytes), with nftables alone."""
    names = [name.encode()[-_LONGEST:] for name in patterns(place)]
    rules = [f"add rule ip censor names @th,{8 * at},{8 * len(name)} 0x{name.hex()} {action}" for name in names for at in _PLACES]
    place.run("nft", "-f", "-", text="add table ip censor\nadd chain ip censor names\n")
    for first in range(0, len(rules), _BATCH):
        place.run("nft", "-f", "-", text="\n".join(rules[first : first + _BATCH]) + "\n")
    place.run("nft", "-f", "-", text="""table ip censor {
  chain forward {
    type filter hook forward priority filter;
    tcp dport 443 tcp flags & psh == psh jump names
  }
}
""")


def by_address(place: Place, action: str) -> None:
    """Act on all TCP packets for the server's address."""
    place.run("nft", "-f", "-", text=f"""table ip censor {{
  chain forward {{
    type filter hook forward priority filter;
    ip daddr {place.server} tcp dport {{ 80, 443 }} {action}
  }}
}}
""")


def _reject(place: Place) -> None:
    by_name(place, "REJECT", "--reject-with", "tcp-reset")


def _drop(place: Place) -> None:
    by_name(place, "DROP")


def _prohibit(place: Place) -> None:
    by_name(place, "REJECT", "--reject-with", "icmp-admin-prohibited")


def _name_reject(place: Place) -> None:
    by_bytes(place, "reject with tcp reset")


def _name_drop(place: Place) -> None:
    by_bytes(place, "drop")


def _nft_reject(place: Place) -> None:
    by_address(place, "reject with tcp reset")


def _nft_drop(place: Place) -> None:
    by_address(place, "drop")


def _nft_prohibit(place: Place) -> None:
    by_address(place, "reject with icmp type admin-prohibited")


IPTABLES = tuple(
    Program(f"real-iptables-{name}", technique, f"netfilter: iptables string match on the name, {what}", ("iptables",), "iptables", start)
    for name, technique, what, start in (
        ("reject", "rst.in-path", "REJECT --reject-with tcp-reset", _reject),
        ("drop", "drop.hello", "DROP", _drop),
        ("icmp", "icmp", "REJECT --reject-with icmp-admin-prohibited", _prohibit),
    )
)
NFTABLES = tuple(
    Program(f"real-nft-{name}", technique, f"netfilter: nftables {what}", ("nft",), "nftables", start)
    for name, technique, what, start in (
        ("name-reject", "rst.in-path", "comparing raw bytes with the name, reject with tcp reset", _name_reject),
        ("name-drop", "drop.hello", "comparing raw bytes with the name, drop", _name_drop),
        ("reject", "address.rst", "rule on the address, reject with tcp reset", _nft_reject),
        ("drop", "address.drop", "rule on the address, drop", _nft_drop),
        ("icmp", "address.icmp", "rule on the address, reject with icmp type admin-prohibited", _nft_prohibit),
    )
)
