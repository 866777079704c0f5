"""What is expected on the wire, written down without the code under test: a ClientHello put together from hex, one field after the other.

The hello that everything starts from asks for `www.blocked.example`. Places in its stream (record header included), counted by hand:

    0 record 5 type 6 length 9 version 11 random 43 session id 76 ciphers 94 compression 96 extensions 98 extended_master_secret
    102 server_name 106 its data (sniext) 108 type 109 length 111 name (host) 115 `blocked` (sld) 118 its middle (midsld) 122 endsld 130 endhost
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from dpiprobe.tls.hello import ClientHello, parse
from dpiprobe.tls.sending import Segment
from dpiprobe.tls.vary.catalogue import variation
from dpiprobe.tls.vary.variation import apply

NAME = b"www.blocked.example"
RANDOM = bytes(range(32))
SESSION_ID = bytes(range(0xA0, 0xC0))
CIPHERS = "1301 1302 1303 c02f cca8 009c c013 002f"
SNIEXT, HOST, SLD, MIDSLD, ENDSLD, ENDHOST, SIZE = 106, 111, 115, 118, 122, 130, 237
KEY = bytes(range(0x40, 0x60))
EMS, GROUPS, FORMATS, SIGNATURES = ("0017", ""), ("000a", "0006 001d 0017 0018"), ("000b", "0100"), ("000d", "0008 0403 0804 0401 0201")
ALPN, VERSIONS, MODES = ("0010", "000c 02 6832 08 687474702f312e31"), ("002b", "04 0304 0303"), ("002d", "0101")
SHARES = ("0033", "0024 001d 0020" + KEY.hex())
Ext = tuple[str, str]


def sni(name: bytes = NAME) -> Ext:
    """A server_name extension with one host name."""
    entry = "00" + f"{len(name):04x}" + name.hex()
    return ("0000", f"{len(entry) // 2:04x}" + entry)


def extensions(*server_name: Ext) -> list[Ext]:
    """All extensions of the hello, with these in the place of its server_name."""
    return [EMS, *server_name, GROUPS, FORMATS, SIGNATURES, ALPN, VERSIONS, MODES, SHARES]


def message(
    ext: Sequence[Ext] | None = None, *, legacy: str = "0303", random: bytes = RANDOM, session_id: bytes = SESSION_ID, ciphers: str = CIPHERS,
    compression: str = "00", block: bool = True,
) -> bytes:  # fmt: skip
    """The handshake message."""
    listed = bytes.fromhex(ciphers)
    body = bytes.fromhex(legacy) + random + bytes([len(session_id)]) + session_id
    body += len(listed).to_bytes(2, "big") + listed + bytes([len(bytes.fromhex(compression))]) + bytes.fromhex(compression)
    if block:
        inner = b""
        for kind, data in extensions(sni()) if ext is None else ext:
            inner += bytes.fromhex(kind) + len(bytes.fromhex(data)).to_bytes(2, "big") + bytes.fromhex(data)
        body += len(inner).to_bytes(2, "big") + inner
    return b"\x01" + len(body).to_bytes(3, "big") + body


def records(data: bytes, *ends: int, version: str = "0301") -> list[bytes]:
    """The message in records that end at these offsets and at its end."""
    places = [0, *ends, len(data)]
    return [
        b"\x16" + bytes.fromhex(version) + (b - a).to_bytes(2, "big") + data[a:b] for a, b in itertools.pairwise(places)
    ]


def wire(ext: Sequence[Ext] | None = None, *, version: str = "0301", **fields: object) -> bytes:
    """One record with the whole message."""
    return records(message(ext, **fields), version=version)[0]  # type: ignore[arg-type]


def named(name: bytes) -> bytes:
    """The hello for another name."""
    return wire(extensions(sni(name)))


def cuts(*places: int, stream: bytes | None = None) -> list[bytes]:
    """The hello (or another stream) cut at these places."""
    whole = wire() if stream is None else stream
    edges = [0, *places, len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(edges)]


def base() -> ClientHello:
    """The hello as the code under test reads it."""
    hello = parse(wire())
    assert hello is not None and not hello.problems
    return hello


def sent(recipe: str, hello: ClientHello | None = None) -> tuple[Segment, ...]:
    """What the variation sends."""
    return apply(hello or base(), [variation(recipe)]).sending.segments


def payloads(recipe: str) -> list[bytes]:
    """The payloads of an in-order sending without delays."""
    segments = sent(recipe)
    at = 0
    for segment in segments:
        assert (segment.offset, segment.delay, segment.await_ack, segment.urgent, segment.decoy) == (at, 0.0, False, False, False)
        at += len(segment.data)
    return [segment.data for segment in segments]


assert len(wire()) == SIZE
assert wire()[HOST:ENDHOST] == NAME and wire()[SLD:ENDSLD] == b"blocked" and wire()[SNIEXT : SNIEXT + 2] == b"\x00\x16"
