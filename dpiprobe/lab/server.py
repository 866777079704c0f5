"""The lab's server: real TLS 1.2/1.3 and plain HTTP from the standard library, for any server name, with knobs for servers that misbehave by themselves.

Rules of this file:
- Real kernel sockets and OpenSSL, so that what a client sees is what real servers send. One thread a connection, bounded.
- The key is made anew for each lab, in memory; nothing is on disk and no private key is in the repository.
- Behaviours by name (`*`: every other name) are the *server's own* policy, the innocents a verdict must not take for interference; they are those of the
  virtual clock (`service.py` says what each does). What comes before an answer acts after the ClientHello was received (and acknowledged by the kernel).
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping

from dpiprobe.lab.authority import load, self_signed

BEHAVIOURS = (
    "ok", "reset", "reset-unread", "alert", "close", "hang", "hang-then-close", "hang-then-reset", "page", "late", "retry", "slow", "paced", "stall", "half",
)  # fmt: skip
ANY = "*"  # in the place of a name: every name that is not listed
_CONNECTIONS = 256
_IDLE = 30.0  # seconds a connection may be silent
_PIECE = 512  # bytes at once of `slow` (about 3.4 kB/s) and `paced` (about 60 kB/s)
_PAUSE = {"slow": 0.15, "paced": 0.008}
_LATE = (3.0, 8.0)  # seconds
_GIVES_UP = 4.0  # seconds
_PART = 8_000  # bytes of the page before `stall` and `half` end it
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>400 The plain HTTP request</html>\r\n"


class Server:
    """Listens on 443 (TLS) and 80 (HTTP) of every address of its namespace."""

    def __init__(self, behaviours: Mapping[str, str], body: int, *, ipv6: bool = False, newest: str = "1.3") -> None:
        self.behaviours = dict(behaviours)
        self.body = body
        self.room = threading.BoundedSemaphore(_CONNECTIONS)
        self.listeners = {port: self._listen(port, ipv6=ipv6) for port in (443, 80)}
        names = [name for name in behaviours if name != ANY]
        identity = self_signed("dpiprobe lab server", [*names, "lab.example"])
        self.context, self.asks_again = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
        for context in (self.context, self.asks_again):
            context.set_alpn_protocols(["http/1.1"])
            context.maximum_version = ssl.TLSVersion.TLSv1_2 if newest == "1.2" else ssl.TLSVersion.TLSv1_3
            context.sni_callback = self._refuse_by_alert
            load(context, identity)
        self.asks_again.set_ecdh_curve("secp384r1")  # clients send no share of it at first, so a HelloRetryRequest comes (RFC 8446 section 4.1.4)

    @staticmethod
    def _listen(port: int, *, ipv6: bool) -> socket.socket:
        return socket.create_server(("", port), family=socket.AF_INET6 if ipv6 else socket.AF_INET, backlog=256, dualstack_ipv6=ipv6)

    def run(self) -> None:
        """Serve until the process ends."""
        threads = [threading.Thread(target=self._accept, args=item, daemon=True) for item in self.listeners.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _accept(self, port: int, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            if not self.room.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._guard, args=(port, connection), daemon=True).start()

    def _guard(self, port: int, connection: socket.socket) -> None:
        """One connection; whatever the network does to it ends it quietly."""
        try:
            with contextlib.suppress(OSError, ValueError), connection:
                connection.settimeout(_IDLE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as web servers do
                self._tls(connection) if port == 443 else self._answer(connection, connection, "ok")
        finally:
            self.room.release()

    def _tls(self, connection: socket.socket) -> None:
        behaviour = self._behaviour(_peek_name(connection)) if any(b != "ok" for b in self.behaviours.values()) else "ok"
        match behaviour:
            case "reset-unread":
                return _reset(connection)
            case "reset" | "close" | "page":
                connection.recv(65536)
                if behaviour == "page":
                    connection.sendall(_BAD_REQUEST)
                return _reset(connection) if behaviour == "reset" else None
            case "hang" | "hang-then-close" | "hang-then-reset":
                connection.settimeout(_IDLE if behaviour == "hang" else _GIVES_UP)
                with contextlib.suppress(TimeoutError):
                    while connection.recv(65536):
                        pass
                return _reset(connection) if behaviour == "hang-then-reset" else None
            case "late":
                time.sleep(random.uniform(*_LATE))
        context = self.asks_again if behaviour == "retry" else self.context
        with context.wrap_socket(connection, server_side=True) as tls:
            self._answer(tls, tls, behaviour)
            if behaviour in ("stall", "half"):
                return _reset(tls) if behaviour == "half" else None
            with contextlib.suppress(OSError):
                tls.unwrap()
        return None

    def _behaviour(self, name: str | None) -> str:
        return self.behaviours.get(name or "", self.behaviours.get(ANY, "ok"))

    def _refuse_by_alert(self, _tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        return ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if self._behaviour(name) == "alert" else None

    def _answer(self, reader: socket.socket, writer: socket.socket, behaviour: str) -> None:
        """One HTTP/1.1 request, one answer of the size asked for (`/bytes/N`, else the default), then close."""
        request = b""
        while b"\r\n\r\n" not in request and len(request) < 65536:
            data = reader.recv(65536)
            if not data:
                return
            request += data
        size = self.body
        path = request.split(b" ", 2)[1:2]
        if path and path[0].startswith(b"/bytes/") and path[0][7:].isdigit():
            size = min(int(path[0][7:]), 50_000_000)
        head = f"HTTP/1.1 200 OK\r\nServer: dpiprobe-lab\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        answer = head.encode() + (b"The quick brown fox jumps over the lazy dog.\n" * (size // 45 + 1))[:size]
        if behaviour in ("slow", "paced"):
            for at in range(0, len(answer), _PIECE):
                writer.sendall(answer[at : at + _PIECE])
                time.sleep(_PAUSE[behaviour])
        elif behaviour in ("stall", "half"):
            writer.sendall(answer[:_PART])
            time.sleep(0.02)
            while behaviour == "stall" and reader.recv(65536):
                pass
        else:
            writer.sendall(answer)
        if not isinstance(writer, ssl.SSLSocket):
            writer.shutdown(socket.SHUT_WR)
            while reader.recv(65536):
                pass


def _reset(connection: socket.socket) -> None:
    """Let the close that follows be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _peek_name(connection: socket.socket) -> str | None:
    """The server name of the waiting ClientHello, without taking it from the socket; waits up to a second for the rest of a long one."""
    from dpiprobe.lab import trigger

    for _ in range(100):
        data = connection.recv(65536, socket.MSG_PEEK)
        found = trigger.look(data, "client_hello")
        if isinstance(found, trigger.Found):
            return found.name
        if found is trigger.Verdict.NOTHING or not data:
            return None
        time.sleep(0.01)
    return None
