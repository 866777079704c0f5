"""dsniff's tcpkill at a mirror: packets of a connection in which a blocked name was seen are copied to an interface on which tcpkill listens.

Rules of this file: netfilter only marks and copies, the connection itself passes untouched; whatever is forged, tcpkill forges.
"""

from __future__ import annotations

from dpiprobe.lab.real.program import Place, Program, patterns

_MIRROR, _ADDRESS, _RECEIVER = "mirror", "192.0.2.1", "192.0.2.2"  # RFC 5737; the copies go nowhere


def _start(place: Place) -> None:
    place.run("ip", "link", "add", _MIRROR, "type", "veth", "peer", "name", f"{_MIRROR}-end")
    place.run("ip", "addr", "add", f"{_ADDRESS}/24", "dev", _MIRROR)
    for interface in (_MIRROR, f"{_MIRROR}-end"):
        place.run("ip", "link", "set", interface, "up")
    place.run("ip", "neigh", "add", _RECEIVER, "lladdr", "02:00:00:00:00:02", "dev", _MIRROR, "nud", "permanent")
    for name in patterns(place):
        place.run("iptables", "-t", "mangle", "-A", "FORWARD", "-p", "tcp", "-m", "string", "--algo", "bm", "--icase", "--string", name,
                  "-j", "CONNMARK", "--set-mark", "1")  # fmt: skip
    place.run("iptables", "-t", "mangle", "-A", "POSTROUTING", "-m", "connmark", "--mark", "1", "-j", "TEE", "--gateway", _RECEIVER)
    place.daemon("tcpkill", "-i", _MIRROR, "-3", "tcp")


TCPKILL = Program(
    "real-tcpkill", "rst.on-path", "dsniff's tcpkill -3 at a mirror of the connections that carry the name", ("tcpkill", "iptables", "ip"), "dsniff iptables",
    _start,
)  # fmt: skip
