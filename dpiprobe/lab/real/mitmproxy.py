"""mitmproxy in transparent mode: opens the TLS connections to blocked names, passes the others through."""

from __future__ import annotations

import re

from dpiprobe.lab.real.program import PROXY_PORT, Place, Program, patterns


def _start(place: Place) -> None:
    hosts = "|".join(re.escape(name) for name in patterns(place))
    place.daemon(
        "mitmdump", "--mode", "transparent", "--listen-port", str(PROXY_PORT), "--set", f"confdir={place.folder}/mitmproxy", "--ssl-insecure",
        "--set", f"tls_version_client_max=TLS{place.tls.replace('.', '_')}",
        "--allow-hosts", f"({hosts})", "--quiet", port=PROXY_PORT,
    )  # fmt: skip
    place.redirect(443)


MITMPROXY = Program(
    "real-mitmproxy", "mitm", "mitmproxy, transparent: opens TLS connections to the name with a certificate of its own", ("mitmdump", "nft"),
    "mitmproxy nftables", _start,
)  # fmt: skip
