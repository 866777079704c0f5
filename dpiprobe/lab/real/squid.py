"""squid with ssl-bump: peeks at the hello and terminates the connection for a blocked name, splices the others."""

from __future__ import annotations

import contextlib
import pwd
from pathlib import Path

from dpiprobe.lab.real.program import PROXY_PORT, Place, Program, patterns

_CONFIGURATION = """http_port 127.0.0.1:3128
https_port {port} intercept ssl-bump tls-cert={pem} generate-host-certificates=off
acl blocked ssl::server_name {names}
acl first at_step SslBump1
ssl_bump peek first
ssl_bump terminate blocked
ssl_bump splice all
http_access allow all
cache deny all
access_log none
cache_log {folder}/cache.log
cache_store_log none
pid_filename none
coredump_dir {folder}
netdb_filename none
shutdown_lifetime 1 seconds
visible_hostname lab
cache_effective_user {user}
"""


def _start(place: Place) -> None:
    from dpiprobe.lab.authority import Authority

    pem = place.write("squid.pem", Authority("Lab squid CA").pem())
    names = " ".join(f".{name}" for name in patterns(place))
    if len(Path("/proc/self/uid_map").read_text().split()) == 3 and Path("/proc/self/uid_map").read_text().split()[2] == "1":
        raise OSError("squid does not run as root, and in this user namespace there is nobody else; run the lab as root")
    home = place.folder / "squid"
    home.mkdir()
    home.chmod(0o777)
    file = place.write("squid.conf", _CONFIGURATION.format(port=PROXY_PORT, pem=pem, names=names, folder=home, user=_user()))
    place.daemon("squid", "-N", "-f", file, port=PROXY_PORT)
    place.redirect(443)


def _user() -> str:
    """Whom it runs as: Debian's own user for proxies, else nobody."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("proxy").pw_name
    return "nobody"


SQUID = Program(
    "real-squid", "proxy.close", "squid with ssl-bump: terminates every connection, ends those for the name", ("squid", "nft"), "squid-openssl nftables",
    _start,
)  # fmt: skip
