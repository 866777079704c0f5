"""An intercepting box: it terminates the connection as a proxy does and completes TLS with a certificate of its own.

Rules of this file:
- Pure like every box, also with real TLS: the standard library's ssl works on memory buffers, two `Endpoint`s carry its bytes.
- `Interception` opens TLS on both sides and hands the plaintext over; authority and keys are made in memory for each box. `Canned` is for the
  virtual clock, where both ends only pretend: it answers the hello with a TLS 1.2 flight that shows the forged certificate.
- Names that it is not after are relayed untouched.
"""

from __future__ import annotations

import random
import ssl
from dataclasses import dataclass

from dpiprobe.lab import trigger
from dpiprobe.lab.authority import Authority
from dpiprobe.lab.endpoint import Endpoint
from dpiprobe.lab.proxy import Key, ProxyBox, Splice
from dpiprobe.signature.emulation import Emulation, Mitm

_NEWEST = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_PIECE = 65_536


class MitmBox(ProxyBox):
    """Terminates port 443, opens the connections it is after, relays the others. `real` False: certificates are shown, nothing is decrypted."""

    def __init__(self, emulation: Emulation, names: frozenset[str], rng: random.Random, *, real: bool = True) -> None:
        super().__init__(emulation, names, rng)
        assert emulation.mitm is not None
        self.mitm, self.real = emulation.mitm, real
        self.authority: Authority | None = None

    def _decide(self, now: int, key: Key, splice: Splice, found: trigger.Found | None) -> None:
        if found is None or found.kind != "client_hello" or not (
            self.mitm.names == "all" or trigger.wanted(found, self.emulation.trigger, self.names)
        ):  # fmt: skip
            super()._decide(now, key, splice, None)
            return
        self.events.append({"at": now, "kind": "intercept", "client_port": key[1], "server_port": key[3]})
        if self.real:
            self.authority = self.authority or Authority(self.mitm.issuer)
            splice.session = Interception(self.authority, found.name, self.mitm)
        else:
            splice.session = Canned(found.name, self.mitm)
        self._connect(now, splice)
        splice.down.inbox = splice.early

    def _relay(self, now: int, splice: Splice, up: Endpoint) -> None:
        session = splice.session
        if not isinstance(session, Interception | Canned):
            super()._relay(now, splice, up)
            return
        down = splice.down
        to_client, to_server = session.step(down.inbox, up.inbox)
        down.inbox = up.inbox = b""
        if to_client:
            down.send(now, to_client)
        if to_server:
            up.send(now, to_server)
        if session.over:
            down.close(now)
            up.close(now)


@dataclass(slots=True)
class _Half:
    """One side's TLS on memory buffers."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    done: bool = False
    ended: bool = False


def _half(context: ssl.SSLContext, *, name: str | None, server: bool) -> _Half:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=server, server_hostname=None if server else name)
    return _Half(tls, incoming, outgoing)


class Interception:
    """Real TLS on both sides; a failure on either ends both."""

    def __init__(self, authority: Authority, name: str | None, mitm: Mitm) -> None:
        self.over = False
        server = authority.context(name or "unnamed.invalid")
        server.maximum_version = _NEWEST[mitm.tls]
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE  # the lab's server signs its own certificate
        client.set_alpn_protocols(["http/1.1"])
        self.down, self.up = _half(server, name=None, server=True), _half(client, name=name, server=False)
        self.to_down = self.to_up = b""  # plaintext that waits for the other handshake

    def step(self, from_client: bytes, from_server: bytes) -> tuple[bytes, bytes]:
        """Feed, shake hands, hand over."""
        for half, data in ((self.down, from_client), (self.up, from_server)):
            if data:
                half.incoming.write(data)
        try:
            self.to_up += self._read(self.down)
            self.to_down += self._read(self.up)
            if self.down.done and self.to_down:
                self.down.tls.write(self.to_down)
                self.to_down = b""
            if self.up.done and self.to_up:
                self.up.tls.write(self.to_up)
                self.to_up = b""
            self.over = (self.down.ended and not self.to_up) or (self.up.ended and not self.to_down)
        except ssl.SSLError:
            self.over = True
        return self.down.outgoing.read(), self.up.outgoing.read()

    @staticmethod
    def _read(half: _Half) -> bytes:
        """All plaintext there is; a handshake first."""
        plain = b""
        try:
            if not half.done:
                half.tls.do_handshake()
                half.done = True
            while data := half.tls.read(_PIECE):
                plain += data
            half.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            half.ended = True
        return plain


class Canned:
    """A flight that shows whose certificate it is, and then nothing more."""

    def __init__(self, name: str | None, mitm: Mitm) -> None:
        self.name, self.mitm = name or "unnamed.invalid", mitm
        self.over = self.told = False

    def step(self, from_client: bytes, from_server: bytes) -> tuple[bytes, bytes]:
        """The hello goes on to the server as it is, whose answer is kept; the client gets the forged flight."""
        if self.told:
            return b"", b""
        from dpiprobe.cases.certificate import certificate, flight

        self.told = True
        return flight(f"mitm/{self.name}", certificate(self.name, self.mitm.issuer)), from_client
