"""Real servers behind the server's address: OpenSSL's s_server, nginx, haproxy, GnuTLS. Each answers 443 for any name; pages as far as it can.

Rules of this file: as in program.py. A server that knows no `/bytes/N` answers with a page of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.lab.real.program import Place, find

SIZES = (1000, 24_000, 100_000)  # of the files that file servers have under /bytes/


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """A real server."""

    name: str
    needs: str
    package: str
    start: Callable[[Place], None]


def server_program(name: str) -> ServerProgram:
    """The server of that name; UsageError where there is none, EnvironmentError_ where it is not installed."""
    for entry in SERVERS:
        if entry.name == name:
            if find(entry.needs) is None:
                raise EnvironmentError_(f"{entry.needs} is not installed; make lab-real, or apt install {entry.package}")
            return entry
    raise UsageError(f"there is no server {name!r}; there are: {', '.join(entry.name for entry in SERVERS)}")


def _pem(place: Place) -> str:
    from dpiprobe.lab.authority import self_signed

    return place.write("server.pem", self_signed("dpiprobe lab server", ["allowed.example", *place.blocked]))


def _pages(place: Place) -> str:
    text = b"The quick brown fox jumps over the lazy dog.\n"
    for size in {*SIZES, place.body}:
        place.write(f"pages/bytes/{size}", (text * (size // len(text) + 1))[:size])
    place.write("pages/index.html", (text * (place.body // len(text) + 1))[: place.body])
    return str(place.folder / "pages")


def _openssl(place: Place) -> None:
    pem = _pem(place)
    place.daemon("openssl", "s_server", "-accept", "443", "-cert", pem, "-key", pem, "-WWW", "-quiet", port=443, cwd=_pages(place))


def _nginx(place: Place) -> None:
    pem, pages, run = _pem(place), _pages(place), place.folder
    # the namespace may know one user only, root: nginx would give its folders to its own default user and fail
    file = place.write("nginx.conf", f"""daemon off;
user root root;
master_process off;
pid {run}/nginx.pid;
error_log {run}/nginx.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi; uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
  server {{
    listen 80; listen 443 ssl;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    root {pages};
  }}
}}
""")
    place.daemon("nginx", "-c", file, port=443)


def _haproxy(place: Place) -> None:
    pem = _pem(place)
    page = f"{_pages(place)}/bytes/{place.body}"
    file = place.write("server.cfg", f"""global
  maxconn 500
  tune.bufsize 131072
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend pages
  bind 0.0.0.0:443 ssl crt {pem}
  bind 0.0.0.0:80
  http-request return status 200 content-type text/plain file {page}
""")
    place.daemon("haproxy", "-db", "-f", file, port=443)


def _gnutls(place: Place) -> None:
    pem = _pem(place)
    place.daemon("gnutls-serv", "--port", "443", "--http", "--x509certfile", pem, "--x509keyfile", pem, "--quiet", port=443)


SERVERS = (
    ServerProgram("openssl", "openssl", "openssl", _openssl),
    ServerProgram("nginx", "nginx", "nginx-light", _nginx),
    ServerProgram("haproxy", "haproxy", "haproxy", _haproxy),
    ServerProgram("gnutls", "gnutls-serv", "gnutls-bin", _gnutls),
)
