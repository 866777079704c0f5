"""sslsplit: opens every TLS connection, whatever the name, with certificates it signs itself."""

from __future__ import annotations

from dpiprobe.lab.real.program import PROXY_PORT, Place, Program


def _start(place: Place) -> None:
    from dpiprobe.lab.authority import Authority

    pem = place.write("ca.pem", Authority("Lab sslsplit CA").pem())
    place.daemon("sslsplit", "-D", "-u", "root", "-k", pem, "-c", pem, "ssl", "0.0.0.0", str(PROXY_PORT), place.server, "443", port=PROXY_PORT)
    place.redirect(443)


SSLSPLIT = Program(
    "real-sslsplit", "mitm", "sslsplit: opens every TLS connection with a certificate of its own, whatever the name", ("sslsplit", "nft"),
    "sslsplit nftables", _start,
)  # fmt: skip
