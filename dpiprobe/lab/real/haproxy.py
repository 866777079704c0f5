"""haproxy as a terminating middlebox: it reads the server name and rejects the blocked one; everything else it passes on as it is."""

from __future__ import annotations

from dpiprobe.lab.real.program import PROXY_PORT, Place, Program, patterns

_CONFIGURATION = """global
  maxconn 500
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend names
  bind 0.0.0.0:{port}
  tcp-request inspect-delay 5s
  tcp-request content reject if {{ req.ssl_sni -m end -i {names} }}
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  default_backend server
backend server
  server one {server}:443
"""


def _start(place: Place) -> None:
    file = place.write("haproxy.cfg", _CONFIGURATION.format(port=PROXY_PORT, names=" ".join(patterns(place)), server=place.server))
    place.daemon("haproxy", "-db", "-f", file, port=PROXY_PORT)
    place.redirect(443)


HAPROXY = Program(
    "real-haproxy-reject", "proxy.close", "haproxy: terminates every connection, rejects the name (tcp-request content reject)", ("haproxy", "nft"),
    "haproxy nftables", _start,
)  # fmt: skip
