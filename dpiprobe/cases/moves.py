"""What genuine endpoints do more rarely, for cases that are built: moves on a `Connection` beside its own steps.

Rules of this file: each function takes the connection first, moves its time and books, and returns it; nothing here is anybody's forgery.
"""

from __future__ import annotations

import hashlib

from dpiprobe.cases.build import MS, Connection


def no_socket(talk: Connection, after: float, ttl: int | None = None) -> Connection:
    """The bare reset of a host that has no such socket (RFC 9293 section 3.10.7.1 as Linux builds it): no ACK, ID 0, window 0, no options.

    ttl: of another machine that answers in the server's place
    """
    return talk.forged("R", after=after, ttl=talk.them.ttl if ttl is None else ttl, ipid=0, df=True)


def refuse(talk: Connection, after: float) -> Connection:
    """A closed port's answer to the SYN: reset+ack with sequence number 0."""
    return talk.forged("RA", after=after, ttl=talk.them.ttl, ipid=0, df=True, seq=0, believed=True)


def syn_ack(talk: Connection, after: float, again: bool = False) -> Connection:
    """The SYN/ACK alone, or once more."""
    talk.wait(after)
    seq = talk.them.next - 1 if again else None
    talk._send(talk.them, "SA", ack=talk.us.next if seq is None else talk._hello_seq, options=talk._syn_options(talk.them), ipid=0, seq=seq)
    return talk


def server_close(talk: Connection, after: float = 0.0) -> Connection:
    """FIN of the server, FIN of the client, and the last ACK."""
    talk.wait(after)
    talk._send(talk.them, "FA", ack=talk.us.next)
    return talk.client_fin().acknowledge()


def fast_open(talk: Connection, cookie: bytes = b"12345678") -> Connection:
    """The hello in the SYN with a cookie (RFC 7413 section 4.1.3), and the SYN/ACK that acknowledges it."""
    from dpiprobe.tls.craft import client_hello

    talk._hello, talk._hello_seq = client_hello(talk.name, talk.seed.encode()), talk.us.next + 1
    talk._send(talk.us, "S", ack=None, payload=talk._hello, options=[*talk._syn_options(talk.us), (34, cookie)])
    talk.now += int(talk.rtt * MS)
    talk._send(talk.them, "SA", ack=talk.us.next, options=talk._syn_options(talk.them), ipid=0)
    talk.now += 40_000
    return talk._own("A")


def hello_retry_request() -> bytes:
    """A HelloRetryRequest: a ServerHello with the fixed random of RFC 8446 section 4.1.3, and change_cipher_spec."""
    random = hashlib.sha256(b"HelloRetryRequest").digest()
    extensions = bytes.fromhex("002b00020304") + bytes.fromhex("003300020017")
    body = b"\x03\x03" + random + b"\x00" + bytes.fromhex("130100") + len(extensions).to_bytes(2, "big") + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message + bytes.fromhex("140303000101")
