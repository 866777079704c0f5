"""A TLS client that goes on from a given ClientHello: server's flight read and decrypted, its Finished checked, ours sent.

Alone responsible for the order of messages of TLS 1.3 (RFC 8446 section 2) and of the ECDHE handshakes of TLS 1.0 to 1.2 (RFC 5246 section 7.3).
It shows that a recorded hello, with another name and key shares of our own (`shares.with_own_shares`), is one that a server accepts and finishes.

Rules of this file:
- Bytes in, bytes out; no sockets, no clock, no randomness. `done` once finished or failed; `error` says why, in words.
- Certificates are collected and believed: no signature and no chain is checked. Both Finished messages are checked and made in earnest.
- Not spoken: resumption, RSA key transport, finite fields, suites outside `protection.SUITES`; each is an `error`.
"""

from __future__ import annotations

import hashlib

from dpiprobe.tls.alert import read_alert
from dpiprobe.tls.clients.protection import SUITES, Sealed12, Sealed13, Suite, key_sizes
from dpiprobe.tls.clients.schedule import derive_secret, finished, handshake_secret, master_secret, prf, transcript_hash
from dpiprobe.tls.clients.shares import Shares
from dpiprobe.tls.hello import ClientHello, build, build_message, with_extension
from dpiprobe.tls.record import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, MAX_FRAGMENT, to_records
from dpiprobe.tls.server import HELLO_RETRY_RANDOM

# IANA TLS HandshakeType
_SERVER_HELLO, _ENCRYPTED, _CERTIFICATE, _KEY_EXCHANGE, _REQUEST, _DONE, _VERIFY, _CLIENT_KEY, _FINISHED, _MESSAGE_HASH = (
    2, 8, 11, 12, 13, 14, 15, 16, 20, 254,
)  # fmt: skip
_ETM, _EMS, _ALPN, _VERSIONS, _COOKIE, _KEY_SHARE = 22, 23, 16, 43, 44, 51
_CCS_TLS13 = b"\x14\x03\x03\0\x01\x01"  # RFC 8446 appendix D.4


class Broken(Exception):
    """The handshake cannot go on."""


class ClientHandshake:
    """One connection. Send what `open` gives, feed what comes back to `receive` and send what it returns."""

    def __init__(self, hello: ClientHello, shares: Shares) -> None:
        self.done = self.completed = False
        self.error: str | None = None
        self.version: int | None = None
        self.cipher: int | None = None
        self.group: int | None = None
        self.alpn: bytes | None = None
        self.certificates: list[bytes] = []
        self.application = b""
        self._hello, self._shares = hello, shares
        self._transcript = build_message(hello)
        self._stream = self._handshake = b""
        self._reading: Sealed13 | Sealed12 | None = None
        self._writing: Sealed13 | Sealed12 | None = None
        self._next_reading: Sealed12 | None = None
        self._suite = Suite("", 0, "sha256")
        self._secrets: dict[str, bytes] = {}
        self._server_random = b""
        self._extensions: dict[int, bytes] = {}
        self._asked: bytes | None = None
        self._out = b""
        self._retried = False

    def open(self) -> bytes:
        """The hello on the wire."""
        return build(self._hello)

    def receive(self, data: bytes) -> bytes:
        """Bytes of the server (empty: its FIN); returns what to send. After an error nothing more is read."""
        self._out = b""
        if self.error is not None:
            return b""
        self._stream += data
        try:
            if not data and not self.completed:
                raise Broken("the server closed before the handshake was finished")
            self._records()
        except Broken as broken:
            self.error, self.done = str(broken), True
        except (IndexError, ValueError):
            self.error, self.done = "the server sent a message that is malformed", True
        return self._out

    def write(self, data: bytes) -> bytes:
        """Application data, sealed. Only once `completed`."""
        if self._writing is None or not self.completed:
            raise ValueError("the handshake is not finished")
        return self._writing.seal(APPLICATION_DATA, data)

    # ---- records

    def _records(self) -> None:
        while len(self._stream) >= HEADER:
            size = int.from_bytes(self._stream[3:5], "big")
            if self._stream[0] not in (CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA):
                raise Broken("the server sent something else than TLS")
            if len(self._stream) < HEADER + size:
                return
            head, fragment, self._stream = self._stream[:HEADER], self._stream[HEADER : HEADER + size], self._stream[HEADER + size :]
            kind = head[0]
            if kind == CHANGE_CIPHER_SPEC:
                if self._next_reading is not None:
                    self._reading, self._next_reading = self._next_reading, None
                continue
            if self._reading is not None and not (isinstance(self._reading, Sealed13) and kind == ALERT):
                opened = self._reading.open(head, fragment)
                if opened is None:
                    raise Broken("a record of the server does not decrypt")
                kind, fragment = opened
            self._content(kind, fragment)

    def _content(self, kind: int, fragment: bytes) -> None:
        if kind == ALERT:
            alert = read_alert(b"\x15\x03\x03\0\x02" + fragment[:2])
            if fragment[1:2] == b"\0":  # close_notify
                self.done = True
            elif not (fragment[0] == 1 and fragment[1] == 112):  # a warning that the name is not known
                raise Broken(f"the server sent the alert {alert.name if alert is not None else 'unknown'}")
        elif kind == APPLICATION_DATA:
            self.application += fragment
        elif kind == HANDSHAKE:
            self._handshake += fragment
            while len(self._handshake) >= 4:
                size = 4 + int.from_bytes(self._handshake[1:4], "big")
                if len(self._handshake) < size:
                    return
                message, self._handshake = self._handshake[:size], self._handshake[size:]
                if not self.completed:
                    self._message(message)

    # ---- messages

    def _message(self, message: bytes) -> None:
        kind, body = message[0], message[4:]
        if kind == _SERVER_HELLO:
            self._server_hello(message, body)
            return
        if self.version is None:
            raise Broken(f"the server began with handshake message {kind}")
        if kind == _FINISHED:
            self._server_finished(message, body)
            return
        self._transcript += message
        if kind == _CERTIFICATE:
            self._certificate(body)
        elif kind == _REQUEST:
            self._asked = body[1 : 1 + body[0]] if self.version >= 0x0304 else b""
        elif kind == _ENCRYPTED:
            self._take_extensions(body)
        elif kind == _KEY_EXCHANGE:
            self._server_key_exchange(body)
        elif kind == _DONE:
            self._client_flight()

    def _server_hello(self, message: bytes, body: bytes) -> None:
        if body[2:34] == HELLO_RETRY_RANDOM:
            self._retry(message, body)
            return
        self._transcript += message
        self._server_random = body[2:34]
        at = 35 + body[34]
        self.cipher = int.from_bytes(body[at : at + 2], "big")
        self._take_extensions(body[at + 3 :])
        chosen = self._extensions.get(_VERSIONS)
        self.version = int.from_bytes(chosen if chosen is not None else body[:2], "big")
        suite = SUITES.get(self.cipher)
        if suite is None:
            raise Broken(f"the server chose the cipher suite {self.cipher:#06x}, which is not spoken here")
        self._suite = suite
        if self.version >= 0x0304:
            self._start_13()

    def _retry(self, message: bytes, body: bytes) -> None:
        """A second hello with the share that the server asks for (RFC 8446 sections 4.1.2, 4.1.4, 4.4.1)."""
        at = 35 + body[34]
        suite = SUITES.get(int.from_bytes(body[at : at + 2], "big"))
        self._take_extensions(body[at + 3 :])
        group = int.from_bytes(self._extensions.pop(_KEY_SHARE, b""), "big")
        cookie = self._extensions.pop(_COOKIE, None)
        made = self._shares.with_pair(group)
        if self._retried or suite is None or made is None:
            raise Broken(f"the server asks for a share of the group {group:#06x}, which cannot be made here")
        self._retried, (pair, self._shares) = True, made
        entry = group.to_bytes(2, "big") + len(pair.share).to_bytes(2, "big") + pair.share
        self._hello = with_extension(self._hello, _KEY_SHARE, len(entry).to_bytes(2, "big") + entry)
        if cookie is not None:
            self._hello = with_extension(self._hello, _COOKIE, cookie)
        digest = hashlib.new(suite.hash, self._transcript).digest()
        second = build_message(self._hello)
        self._transcript = bytes((_MESSAGE_HASH, 0, 0, len(digest))) + digest + message + second
        self._out += (_CCS_TLS13 if self._hello.session_id else b"") + to_records(second, 0x0303)

    def _take_extensions(self, block: bytes) -> None:
        at, end = 2, 2 + int.from_bytes(block[:2], "big")
        while at + 4 <= min(end, len(block)):
            kind, size = int.from_bytes(block[at : at + 2], "big"), int.from_bytes(block[at + 2 : at + 4], "big")
            self._extensions[kind] = block[at + 4 : at + 4 + size]
            at += 4 + size
        chosen = self._extensions.get(_ALPN)
        if chosen is not None and len(chosen) > 3:
            self.alpn = chosen[3 : 3 + chosen[2]]

    def _certificate(self, body: bytes) -> None:
        with_extensions = self.version == 0x0304
        at = 1 + body[0] + 3 if with_extensions else 3
        while at + 3 <= len(body):
            size = int.from_bytes(body[at : at + 3], "big")
            self.certificates.append(body[at + 3 : at + 3 + size])
            at += 3 + size
            if with_extensions:
                at += 2 + int.from_bytes(body[at : at + 2], "big")

    def _server_finished(self, message: bytes, body: bytes) -> None:
        if isinstance(self._reading, Sealed13):
            self._finish_13(message, body)
            return
        if self._reading is None or body != self._verify_data(b"server finished"):
            raise Broken("the server's Finished does not fit the handshake")
        self.completed = self.done = True

    # ---- TLS 1.3

    def _start_13(self) -> None:
        share = self._extensions.get(_KEY_SHARE)
        if share is None or len(share) < 4:
            raise Broken("the server resumed a session that was never ours")
        self.group = int.from_bytes(share[:2], "big")
        shared = self._shares.agree(self.group, share[4:])
        if shared is None:
            raise Broken(f"the server chose the group {self.group:#06x}, for which there is no private key here")
        name = self._suite.hash
        secret = handshake_secret(shared, name)
        digest = hashlib.new(name, self._transcript).digest()
        for side in ("c", "s"):
            self._secrets[side] = derive_secret(secret, f"{side} hs traffic", digest, name)
        self._secrets["master"] = master_secret(secret, name)
        self._reading = Sealed13(self._suite, self._secrets["s"])
        self._writing = Sealed13(self._suite, self._secrets["c"])

    def _finish_13(self, message: bytes, body: bytes) -> None:
        name = self._suite.hash
        if body != finished(self._secrets["s"], hashlib.new(name, self._transcript).digest(), name):
            raise Broken("the server's Finished does not fit the handshake")
        self._transcript += message
        digest = hashlib.new(name, self._transcript).digest()
        if self._hello.session_id and not self._retried:
            self._out += _CCS_TLS13
        if self._asked is not None:  # an empty certificate in the context that was asked for
            self._send(_CERTIFICATE, bytes((len(self._asked),)) + self._asked + bytes(3))
        self._send(_FINISHED, finished(self._secrets["c"], hashlib.new(name, self._transcript).digest(), name))
        self._reading = Sealed13(self._suite, derive_secret(self._secrets["master"], "s ap traffic", digest, name))
        self._writing = Sealed13(self._suite, derive_secret(self._secrets["master"], "c ap traffic", digest, name))
        self.completed = self.done = True

    # ---- TLS 1.0 to 1.2

    def _server_key_exchange(self, body: bytes) -> None:
        if body[0] != 3:  # named_curve, RFC 8422 section 5.4
            raise Broken("the server chose a key exchange without a named group, which is not spoken here")
        self.group = int.from_bytes(body[1:3], "big")
        self._secrets["peer"] = body[4 : 4 + body[3]]

    def _client_flight(self) -> None:
        if self.group is None:
            raise Broken("the server chose a key exchange without (EC)DHE, which is not spoken here")
        made = self._shares.with_pair(self.group)
        shared = made[1].agree(self.group, self._secrets["peer"]) if made is not None else None
        if made is None or shared is None:
            raise Broken(f"the server chose the group {self.group:#06x}, for which no key can be made here")
        if self._asked is not None:
            self._send(_CERTIFICATE, bytes(3))
        self._send(_CLIENT_KEY, bytes((len(made[0].share),)) + made[0].share)
        version = self.version or 0
        randoms = self._hello.random + self._server_random
        if _EMS in self._extensions:  # RFC 7627
            digest = transcript_hash(self._transcript, version, self._suite.hash)
            master = prf(shared, b"extended master secret", digest, 48, version, self._suite.hash)
        else:
            master = prf(shared, b"master secret", randoms, 48, version, self._suite.hash)
        self._secrets["master"] = master
        sizes = key_sizes(self._suite, version)
        block = prf(master, b"key expansion", self._server_random + self._hello.random, 2 * sum(sizes), version, self._suite.hash)
        parts: list[bytes] = []
        for size in (sizes[0], sizes[0], sizes[1], sizes[1], sizes[2], sizes[2]):
            parts.append(block[:size])
            block = block[size:]
        etm = _ETM in self._extensions and self._suite.kind == "cbc"
        verify = self._verify_data(b"client finished")
        self._out += bytes((CHANGE_CIPHER_SPEC, version >> 8, version & 255, 0, 1, 1))
        self._writing = Sealed12(self._suite, version, parts[2], parts[4], parts[0], etm)
        self._send(_FINISHED, verify)
        self._next_reading = Sealed12(self._suite, version, parts[3], parts[5], parts[1], etm)

    def _verify_data(self, label: bytes) -> bytes:
        version = self.version or 0
        digest = transcript_hash(self._transcript, version, self._suite.hash)
        return prf(self._secrets["master"], label, digest, 12, version, self._suite.hash)

    def _send(self, kind: int, body: bytes) -> None:
        message = bytes((kind,)) + len(body).to_bytes(3, "big") + body
        self._transcript += message
        version = min(self.version or 0x0303, 0x0303)
        for at in range(0, len(message), MAX_FRAGMENT):
            piece = message[at : at + MAX_FRAGMENT]
            if self._writing is not None:
                self._out += self._writing.seal(HANDSHAKE, piece)
            else:
                self._out += bytes((HANDSHAKE, version >> 8, version & 255)) + len(piece).to_bytes(2, "big") + piece
