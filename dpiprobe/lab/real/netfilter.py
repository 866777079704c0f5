"""Linux' own packet filter as a censor: iptables matches a name in the packet, nftables an address. Reset, ICMP error, or silence.

Rules of this file: one rule each, as an administrator would write it. The string match sees single packets only, so it acts on the segment that
holds the name and on its copies.
"""

from __future__ import annotations

from dpiprobe.lab.real.program import Place, Program, patterns


def by_name(place: Place, *action: str) -> None:
    """Act on packets for port 443 or 80 that hold a blocked name."""
    for name in patterns(place):
        for port in ("443", "80"):
            place.run("iptables", "-A", "FORWARD", "-p", "tcp", "--dport", port, "-m", "string", "--algo", "bm", "--icase", "--string", name, "-j", *action)


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
    Program(f"real-nft-{name}", technique, f"netfilter: nftables rule on the address, {what}", ("nft",), "nftables", start)
    for name, technique, what, start in (
        ("reject", "address.rst", "reject with tcp reset", _nft_reject),
        ("drop", "address.drop", "drop", _nft_drop),
        ("icmp", "address.icmp", "reject with icmp type admin-prohibited", _nft_prohibit),
    )
)
