"""Variations of how TCP carries the bytes: where segments end, in which order and at which times they leave, what overlaps, what is decoy.

Rules of this file: the stream that a server reads is the same in all of them. What an ordinary socket cannot send (`Sending.in_order` is
false) needs a raw sender. Orders of fakes are zapret's (docs/readme: fakedsplit, hostfakesplit, seqovl).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import client_hello, equal_length_name
from dpiprobe.tls.hello import PADDING, ClientHello, Extension, build, build_message
from dpiprobe.tls.position import resolve, resolve_all
from dpiprobe.tls.record import HEADER
from dpiprobe.tls.rename import with_name
from dpiprobe.tls.sending import Segment, Sending, cut
from dpiprobe.tls.vary.names import name_of
from dpiprobe.tls.vary.variation import Value, Variation

# ---- generators: cuts


def cut_at(hello: ClientHello, at: str, delay: float) -> Sending:
    """Segments that end at these positions."""
    stream = build(hello)
    return cut(stream, resolve_all(stream, at), delay=delay)


def cut_name(hello: ClientHello, size: int, delay: float) -> Sending:
    """What is before the name, the name in pieces of `size` bytes, what is behind it."""
    stream = build(hello)
    start, end = resolve(stream, "host"), resolve(stream, "endhost")
    return cut(stream, [*range(start, end, size), end], delay=delay)


def cut_drawn(hello: ClientHello, low: int, high: int, delay: float) -> Sending:
    """Two segments; the first ends at a byte between `low` and `high`, drawn from the hello's random."""
    if not 0 < low <= high:
        raise UsageError(f"there is no byte between {low} and {high}; give low=1 or more and high at least low")
    drawn = int.from_bytes(shake_256(b"cut" + hello.random).digest(4), "big")
    return cut(build(hello), [low + drawn % (high - low + 1)], delay=delay)


def cut_equal(hello: ClientHello, size: int, count: int, delay: float, await_ack: bool) -> Sending:
    """`count` segments of `size` bytes, then the rest; count 0: all of them. await_ack: each waits for the acknowledgement of the one before."""
    stream = build(hello)
    if size < 1 or count < 0:
        raise UsageError("segments have at least one byte; give size=1 or more and count=0 or more")
    edges = list(range(size, len(stream), size))
    return cut(stream, edges[:count] if count else edges, delay=delay, await_ack=await_ack)


# ---- generators: order and overlap


def disorder(hello: ClientHello, at: str, delay: float) -> Sending:
    """Segments that end at these positions, last to first."""
    pieces = cut_at(hello, at, 0.0).segments[::-1]
    return Sending(tuple([replace(p, delay=delay if i else 0.0) for i, p in enumerate(pieces)]))


def rotated(hello: ClientHello, at: str) -> Sending:
    """Segments that end at these positions, the first of them last, the others in order."""
    first, *rest = cut_at(hello, at, 0.0).segments
    return Sending((*rest, first))


def overlap_before(hello: ClientHello, size: int, at: str, pattern: str) -> Sending:
    """The first segment begins `size` bytes before the stream, with bytes that the server drops as old. pattern: `zero`, or a name for whose
    ClientHello those bytes are the beginning."""
    first, *rest = cut_at(hello, at, 0.0).segments
    return Sending((Segment(_pattern(hello, size, pattern) + first.data, -size), *rest))


def overlap_disorder(hello: ClientHello, size: str, at: str) -> Sending:
    """Last to first; the second piece begins `size` bytes early (a number or a position), over the first piece, which comes last and is believed."""
    stream = build(hello)
    amount = resolve(stream, size)
    first, second, *rest = cut_at(hello, at, 0.0).segments
    if not 0 < amount < second.offset:
        raise UsageError(f"an overlap of {amount} bytes does not lie inside the first {second.offset}; choose a smaller size")
    early = Segment(bytes(amount) + second.data, second.offset - amount)
    return Sending((*rest[::-1], early, first))


def urgent_byte(hello: ClientHello, at: str, byte: int, backwards: bool) -> Sending:
    """Two segments; the first carries one byte more, marked urgent, which the server does not read in line. backwards: the second goes first."""
    first, second = cut_at(hello, at, 0.0).segments
    pair = (Segment(first.data + bytes((byte,)), 0, urgent=True), Segment(second.data, second.offset + 1))
    return Sending(pair[::-1] if backwards else pair)


# ---- generators: decoys


def decoy_bytes(hello: ClientHello, data: str) -> Sending:
    """A decoy with these bytes (hex) before the hello."""
    try:
        payload = bytes.fromhex(data)
    except ValueError:
        raise UsageError(f"{data!r} is not hex; give the decoy's bytes as pairs of hex digits") from None
    return Sending((Segment(payload, 0, decoy=True), Segment(build(hello), 0)))


def decoy_hello(hello: ClientHello, name: str, fresh: bool) -> Sending:
    """The same hello for another name as a decoy before the hello; its session id is the same. name: empty for a random one of equal length ·
    fresh: with another random."""
    fake = with_name(hello, name or equal_length_name(name_of(hello), hello.random))
    if fresh:
        fake = replace(fake, random=shake_256(b"decoy" + hello.random).digest(32))
    return Sending((Segment(build(fake), 0, decoy=True), Segment(build(hello), 0)))


def decoy_in_two(hello: ClientHello, name: str) -> Sending:
    """A decoy of the two bytes 16 03, then one with the rest of a hello for another name, then the hello."""
    fake = build(with_name(hello, name))
    return Sending((Segment(b"\x16\x03", 0, decoy=True), Segment(fake[2:], 2, decoy=True), Segment(build(hello), 0)))


def decoy_around(hello: ClientHello) -> Sending:
    """A decoy hello for a random name whose record, message and padding extension declare the true hello, which follows, as their content."""
    fake = with_name(hello, equal_length_name(name_of(hello), hello.random))
    others = [e for e in fake.extensions or () if e.type != PADDING]
    stream = build(hello)
    fake = replace(fake, random=shake_256(b"decoy" + hello.random).digest(32), extensions=(*others, Extension(PADDING, stream)))
    body = build_message(fake)[: -len(stream)]
    head = bytes((22,)) + hello.records[0].version.to_bytes(2, "big") + (len(body) + len(stream)).to_bytes(2, "big")
    decoy = head + body
    return Sending((Segment(decoy, 0, decoy=True), Segment(stream, 0)))


def faked_split(hello: ClientHello, at: str, backwards: bool) -> Sending:
    """Two segments, each between two decoys of zeros of its own length and place. backwards: the second first."""
    pieces = cut_at(hello, at, 0.0).segments
    out: list[Segment] = []
    for piece in pieces[::-1] if backwards else pieces:
        fake = Segment(bytes(len(piece.data)), piece.offset, decoy=True)
        out += [fake, piece, fake]
    return Sending(tuple(out))


def host_faked(hello: ClientHello, name: str) -> Sending:
    """What is before the name; a decoy in the name's place; the name; the decoy again; what is behind it."""
    stream = build(hello)
    before, host, behind = cut(stream, [resolve(stream, "host"), resolve(stream, "endhost")]).segments
    other = name.encode() if name else equal_length_name(host.data, hello.random).encode()
    if len(other) != len(host.data):
        raise UsageError(f"a decoy in the name's place has its length, {len(host.data)} bytes; give a name of that length, or none")
    fake = Segment(other, host.offset, decoy=True)
    return Sending((before, fake, host, fake, behind))


def _pattern(hello: ClientHello, size: int, pattern: str) -> bytes:
    if size < 1:
        raise UsageError("an overlap has at least one byte; give size=1 or more")
    if pattern == "zero":
        return bytes(size)
    made = client_hello(pattern, hello.random, length=max(size, HEADER + 400))
    return made[:size]


# ---- the catalogue


def _of(name: str, tests: str, make: Callable[..., Sending], source: str, /, **parameters: Value) -> Variation:
    return Variation(name, "segments", tests, make, parameters, "segments", "segments", source)


def _cut(name: str, tests: str, source: str, at: str) -> Variation:
    return _of(f"cut-{name}", tests, cut_at, source, at=at, delay=0.0)


_SEVEN = "1,sniext+1,host+1,midsld-2,midsld,midsld+2,endhost-1"

VARIATIONS: tuple[Variation, ...] = (
    _cut("1", "Is a first segment of one byte put together with the rest?", "zapret multisplit", "1"),
    _cut("2", "Is a first segment of two bytes put together with the rest?", "zapret multisplit; GoodbyeDPI -e 2", "2"),
    *(_cut(str(n), f"Is a first segment of {n} bytes put together with the rest?", "CenDPI e3", str(n)) for n in (4, 8, 16, 24, 32, 48, 56, 64)),
    _cut("40", "Is a first segment of 40 bytes put together with the rest?", "CenDPI e3; GoodbyeDPI -e 40", "40"),
    _cut("half", "Are two halves put together?", "Geneva fragment tcp -1", "half"),
    _cut("4-8", "Are 4 + 4 bytes and the rest put together?", "Geneva fragment 8, then 4", "4,8"),
    _cut("4-23", "Are 4 + 19 bytes and the rest put together?", "Geneva fragment 4, then 19", "4,23"),
    _cut("24-48", "Are 24 + 24 bytes and the rest put together?", "CenDPI e3", "24,48"),
    _cut("thrice", "Are 8 + 4 bytes and the rest put together?", "OONI tlstool thrice", "8,12"),
    _cut("host", "Is a hello cut right before the name put together?", "OONI tq-024; GoodbyeDPI --frag-by-sni", "host"),
    _cut("host+1", "Is a hello cut behind the name's first byte put together?", "zapret multisplit", "host+1"),
    _cut("sniext+1", "Is a hello cut inside the server_name extension's length put together?", "zapret multisplit", "sniext+1"),
    _cut("sniext+4", "Is a hello cut inside the name's length put together?", "zapret multisplit", "sniext+4"),
    _cut("midsld", "Is a hello cut in the middle of the name put together?", "zapret multisplit; OONI tq-024", "midsld"),
    _cut("1-midsld", "Are three segments, cut behind byte one and in the name, put together?", "zapret multisplit", "1,midsld"),
    _cut("seven", "Are eight segments around and inside the name put together?", "zapret multisplit", _SEVEN),
    _cut("last", "Is a last segment of one byte waited for?", "dpiprobe", "-1"),
    _of("cut-name-3", "Is a name in pieces of three bytes put together?", cut_name, "OONI tlstool snisplit", size=3, delay=0.0),
    _of("cut-drawn", "Is a first segment of 32 to 63 bytes put together with the rest?", cut_drawn, "OONI tlstool random", low=32, high=63, delay=0.0),
    *(_of(f"cut-8x{n}", f"Are {n} segments of 8 bytes and the rest put together?", cut_equal, "CenDPI e3", size=8, count=n, delay=0.0, await_ack=False)
      for n in (2, 3, 4, 8, 16, 32)),
    _of("cut-bytes-paced", "Is a hello sent byte by byte, 20 ms apart, put together?", cut_equal, "OONI tq-024", size=1, count=0, delay=0.02, await_ack=False),
    _of("cut-bytes-acked", "Is a hello sent byte by byte, each acknowledged first, put together?", cut_equal, "OONI tq-024", size=1, count=0, delay=0.0,
        await_ack=True),
    _of("cut-midsld-delayed", "How long does a filter keep the first half of a name (1 s)?", cut_at, "OONI tlstool delay", at="midsld", delay=1.0),
    *(_of(f"disorder-{at.replace(',', '-')}", f"Are segments cut at {at} put together where they come last to first?", disorder,
          "zapret multidisorder; GoodbyeDPI --reverse-frag; Geneva fragment, in-order False", at=at, delay=0.0)
      for at in ("1", "2", "8", "host+1", "midsld", "1,midsld")),
    _of("disorder-24-48", "Are three segments put together where they come last to first?", disorder, "CenDPI e3", at="24,48", delay=0.0),
    _of("disorder-seven", "Are eight segments around the name put together where they come last to first?", disorder, "zapret multidisorder",
        at=_SEVEN, delay=0.0),
    _of("disorder-first-last", "Are segments put together where the first comes last?", rotated, "dpiprobe", at="1,midsld"),
    *(_of(f"overlap-1-at-{at.replace(',', '-')}", f"Does a byte before the window confuse the sequence (cut at {at})?", overlap_before, "zapret seqovl",
          size=1, at=at, pattern="zero") for at in ("10", "10,sniext+1", "10,sniext+4", "10,midsld")),
    _of("overlap-336-iana", "Is another name's hello before the window believed?", overlap_before, "zapret seqovl 336, iana.org", size=336, at="2",
        pattern="iana.org"),
    *(_of(f"overlap-disorder-{name}", f"Which of two overlapping copies is believed ({size} bytes before {at})?", overlap_disorder, "zapret seqovl, disorder",
          size=size, at=at)
      for name, size, at in (("1-2", "1", "2"), ("sniext", "sniext", "sniext+1"), ("sniext+3", "sniext+3", "sniext+4"), ("midsld", "midsld-1", "midsld"),
                             ("1-2-midsld", "1", "2,midsld"))),
    _of("urgent-1", "Does an urgent byte behind the first confuse the stream?", urgent_byte, "tpws --oob; byedpi oob", at="1", byte=0x61, backwards=False),
    _of("urgent-midsld", "Does an urgent byte inside the name confuse the stream?", urgent_byte, "tpws --oob; byedpi oob", at="midsld", byte=0x61,
        backwards=False),
    _of("urgent-disorder-midsld", "Does an urgent byte confuse the stream where segments come last to first?", urgent_byte,
        "tpws --oob --disorder; byedpi disoob", at="midsld", byte=0x61, backwards=True),
    _of("decoy-zeros", "Does a decoy of four zero bytes hide the hello?", decoy_bytes, "zapret fake 0x00000000", data="00000000"),
    _of("decoy-random-name", "Does a decoy hello for a random name hide the hello?", decoy_hello, "zapret fake rnd,rndsni,dupsid", name="", fresh=True),
    _of("decoy-iana", "Does a decoy hello for iana.org hide the hello?", decoy_hello, "zapret fake iana.org", name="www.iana.org", fresh=True),
    _of("decoy-in-two", "Does a decoy hello in two segments hide the hello?", decoy_in_two, "zapret fake 0x1603, !+2", name="www.iana.org"),
    _of("decoy-around", "Does a decoy that declares the hello as its padding hide the hello?", decoy_around, "zapret fake padencap"),
    _of("faked-midsld", "Do decoys in the place of both halves of the name hide it?", faked_split, "zapret fakedsplit", at="midsld", backwards=False),
    _of("faked-disorder-midsld", "Do decoys in the place of both halves hide the name, last to first?", faked_split, "zapret fakeddisorder", at="midsld",
        backwards=True),
    _of("faked-host", "Do decoys in the place of the name hide it?", host_faked, "zapret hostfakesplit", name=""),
)  # fmt: skip
