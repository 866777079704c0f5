"""A whole handshake that begins with a hello of ours: a recorded client's, or a varied one.

Alone responsible for finishing such a handshake on a probed connection: the key shares become our own (lengths stay), the segments leave as the hello's
sending has them, `ClientHandshake` does the rest.

Rules of this file: bytes in, bytes out; no sockets. No certificate is verified. No page is fetched: what follows would not be that client's any more.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from dpiprobe.errors import UsageError
from dpiprobe.tls.clients.handshake import ClientHandshake
from dpiprobe.tls.clients.shares import with_own_shares
from dpiprobe.tls.hello import build, parse
from dpiprobe.tls.record import ALERT
from dpiprobe.tls.sending import Sending

_VERSIONS = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}  # as Python's ssl names them


class HelloHandshakeDialogue:
    """A handshake from this hello on; `seed` makes its key shares and random."""

    def __init__(self, sending: Sending, seed: bytes) -> None:
        hello = parse(sending.stream)
        if hello is None or not hello.complete or hello.stopped_at:
            raise UsageError("a handshake cannot be finished from a malformed hello; leave --handshake out, or choose another variation")
        own, shares = with_own_shares(hello, seed)
        stream = build(own)
        self.done = False
        self._sending = Sending(tuple(replace(s, data=stream[s.offset : s.offset + len(s.data)]) for s in sending.segments))
        self._handshake = ClientHandshake(own, shares)
        self._stream = stream
        self._alert = False

    def open(self) -> bytes | Sending:
        """The hello; as a sending where it leaves in more than one segment of its own."""
        return self._sending if len(self._sending.segments) > 1 else self._stream

    def receive(self, data: bytes) -> bytes:
        """Go on with the handshake; empty bytes are the server's FIN."""
        if self.done:
            return b""
        self._alert = self._alert or data[:1] == bytes((ALERT,))
        reply = self._handshake.receive(data)
        self.done = self._handshake.done
        return reply

    def account(self) -> dict[str, Any]:
        """completed, TLS version, cipher suite, group and ALPN, SHA-256 of the certificate, what went wrong."""
        shake = self._handshake
        certificate = hashlib.sha256(shake.certificates[0]).hexdigest() if shake.certificates else None
        return {
            "hello_sha256": hashlib.sha256(self._stream).hexdigest(),
            "answer": "completed" if shake.completed else "alert" if self._alert else "failed" if shake.error else None,
            "tls_version": _VERSIONS.get(shake.version or 0) if shake.completed else None,
            "cipher": f"{shake.cipher:#06x}" if shake.cipher is not None else None,
            "group": f"{shake.group:#06x}" if shake.group is not None else None,
            "alpn": shake.alpn.decode("ascii", "backslashreplace") if shake.alpn is not None else None,
            "certificate_sha256": certificate,
            "tls_error": shake.error,
        }
