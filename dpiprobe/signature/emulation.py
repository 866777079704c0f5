"""What a device does, as data: the model and the parser of a signature's `emulate:` block. The lab's boxes act by it.

Rules of this file: plain dataclasses, no I/O; a parser that reports every problem at once (path, sentence) and never raises on any YAML or JSON value.
Durations are integer nanoseconds, rates bytes per second. All values are those *at the box*: TTLs before the routers between it and the receiver.

    emulate:
      trigger: client_hello         # client_hello | http_request | syn : what a flow must carry (with a blocked name, but for syn) to be acted upon
      hello: pass                   # pass | drop : is the triggering packet forwarded, and every later copy of it
      then:                         # what happens to the other packets of the flow from the trigger on
        to_server: pass             #   pass | drop
        to_client: pass             #   pass | drop
        after: {bytes: 18000}       #   {bytes: N} | {packets: N} : only after the server sent so much (payload bytes; packets of any kind)
      delay: 2 ms                   # how long the box takes to react; {random: [2 ms, 60 ms]} draws once a reaction
      send:                         # packets it makes, in this order
        - to: client                # client | server | both : to the client in the server's name, and the other way round
          flags: RA                 # letters of F S R P A U E C N
          copies: 3
          spacing: 100 us           # between copies, and between offsets
          seq: expected             # expected (next byte the impersonated side owes) | zero
          seq_offsets: [0, 1460]    # added to seq; one packet each, in each copy
          windows: [0, 1, 3]        #   or: multiples of the trigger's raw window, as a ladder
          ack: hello_end            # hello_end | hello_start | zero | {hello_end: 1} ; with an A flag or without
                                    #   to the server: zero, else what the client acknowledged
          ipid: 0                   # N | random (each) | random_same (one a reaction) | mirror (the trigger's) | mirror_plus_one | counter (the box's)
          df: set                   # set | clear
          ttl: 64                   # N | {random: [39, 238]} (one a reaction: copies are alike) | {random_each: [39, 238]} | copy (the trigger's)
                                    #   | server (as the impersonated side's packets have it at the box)
          window: 0                 # N | random | random_same | mirror (the trigger's, raw) | {ttl_plus: 1375} (TTL at the box plus N)
          tos: 0
          options: none             # none | copy (the trigger's TCP options)
          payload: "text"           # text (UTF-8) | {hex: "01 02"} | {zeros: 6}
          reserved_bits: 0          # 0..7, the three bits that RFC 9293 reserves
        - to: client                # or, instead of `flags`, an ICMP error from the box's own address that quotes the trigger:
          icmp: admin_prohibited    #   admin_prohibited | host_prohibited | net_prohibited | host_unreachable | net_unreachable | port_unreachable
                                    #   with copies, spacing, ipid, df, ttl, tos as above
      throttle: {rate: 8 kB/s, how: shape}       # shape (queue) | police (drop); what the server sends in a triggered flow
      proxy: {answer: close}        # close | alert | drop : a terminating proxy for every name, which refuses the blocked one so
      residual: {what: drop, for: 8 s, same: [client, server, port]}   # drop | rst : afterwards, to other connections alike in these
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dpiprobe.signature.mapping_reader import Draw, MappingReader, Path, Problem, duration_ns, rate_bytes, show

__all__ = ["Draw", "Emulation", "Problem", "Residual", "Send", "Then", "Throttle", "duration_ns", "parse_emulation", "rate_bytes"]

FLAG_BITS = {"F": 0x001, "S": 0x002, "R": 0x004, "P": 0x008, "A": 0x010, "U": 0x020, "E": 0x040, "C": 0x080, "N": 0x100}
TTL_OF_LINUX, AT_ONCE = Draw(64, 64), Draw(0, 0)
# RFC 792, RFC 1812 section 5.2.7.1: (type, code)
ICMP_ERRORS = {
    "net_unreachable": (3, 0), "host_unreachable": (3, 1), "port_unreachable": (3, 3),
    "net_prohibited": (3, 9), "host_prohibited": (3, 10), "admin_prohibited": (3, 13),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Send:
    """One kind of packet the box makes. `rule` fields name how a value is found, `value` fields its number."""

    to: tuple[str, ...] = ("client",)
    flags: int = 0x004
    copies: int = 1
    spacing: int = 0
    seq: str = "expected"
    seq_offsets: tuple[int, ...] = (0,)
    windows: tuple[int, ...] | None = None
    ack: str = "hello_end"
    ack_offset: int = 0
    ipid: str | int = 0
    df: bool = True
    ttl: str | Draw = TTL_OF_LINUX
    window: str | int = 0
    window_ttl_plus: int | None = None
    tos: int = 0
    copy_options: bool = False
    payload: bytes = b""
    reserved_bits: int = 0
    icmp: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Then:
    """What a triggered flow may still carry, from `after_bytes`/`after_packets` of the server on (None: at once)."""

    to_server: str = "pass"
    to_client: str = "pass"
    after_bytes: int | None = None
    after_packets: int | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """Bytes per second of IP packets from the server; `shape` queues, `police` drops."""

    rate: float
    how: str = "shape"


@dataclass(frozen=True, slots=True)
class Residual:
    """What other connections get for `duration` ns after a trigger, where they are alike in `same`."""

    what: str
    duration: int
    same: tuple[str, ...] = ("client", "server", "port")


@dataclass(frozen=True, slots=True)
class Emulation:
    """A whole device. `node` is the block as it stood in the file, for handing it on as data."""

    trigger: str = "client_hello"
    hello: str = "pass"
    then: Then = Then()
    delay: Draw = AT_ONCE
    send: tuple[Send, ...] = ()
    throttle: Throttle | None = None
    proxy: str | None = None
    residual: Residual | None = None
    node: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


def parse_emulation(node: object) -> tuple[Emulation | None, list[Problem]]:
    """The block as a model, or None with every problem in it. A problem is (path below `emulate`, sentence)."""
    problems: list[Problem] = []
    read = MappingReader(node, (), problems, "`emulate`")
    emulation = Emulation(
        trigger=read.choice("trigger", ("client_hello", "http_request", "syn"), "client_hello"),
        hello=read.choice("hello", ("pass", "drop"), "pass"),
        then=_then(read, problems),
        delay=read.draw("delay", Draw(0, 0), read.nanoseconds),
        send=_sends(read, problems),
        throttle=_throttle(read, problems),
        proxy=_proxy(read, problems),
        residual=_residual(read, problems),
        node=dict(node) if isinstance(node, Mapping) else {},
    )
    read.finish()
    if emulation.proxy is not None:
        for key in ("send", "then", "throttle", "hello"):
            if key in read.node:
                read.problem(key, "a terminating proxy ends the connection itself; leave this out or leave `proxy` out")
    return (None, problems) if problems else (emulation, [])


def _then(parent: MappingReader, problems: list[Problem]) -> Then:
    node = parent.take("then")
    if "then" not in parent.node:
        return Then()
    read = MappingReader(node, ("then",), problems, "`then`")
    to_server = read.choice("to_server", ("pass", "drop"), "pass")
    to_client = read.choice("to_client", ("pass", "drop"), "pass")
    after = read.take("after")
    size = packets = None
    if "after" in read.node:
        inner = MappingReader(after, ("then", "after"), problems, "`after`")
        size = inner.number("bytes", 0, 1 << 40, 0) if "bytes" in inner.node else None
        packets = inner.number("packets", 0, 1 << 40, 0) if "packets" in inner.node else None
        inner.known += ["bytes", "packets"]
        inner.finish()
        if isinstance(after, Mapping) and (size is None) == (packets is None):
            read.problem("after", "needs exactly one of `bytes` and `packets`")
    read.finish()
    return Then(to_server, to_client, size, packets)


def _sends(parent: MappingReader, problems: list[Problem]) -> tuple[Send, ...]:
    node = parent.take("send")
    if "send" not in parent.node:
        return ()
    if not isinstance(node, list):
        parent.problem("send", f"must be a list of packets, not {show(node)}")
        return ()
    return tuple(_send(item, ("send", index), problems) for index, item in enumerate(node))


def _send(node: object, path: Path, problems: list[Problem]) -> Send:
    read = MappingReader(node, path, problems, "a packet to send")
    to = read.choice("to", ("client", "server", "both"), "client")
    flags = read.take("flags")
    bits = 0x004
    icmp = ICMP_ERRORS.get(read.choice("icmp", tuple(ICMP_ERRORS), ""))
    if icmp is not None:
        for key in ("flags", "seq", "seq_offsets", "windows", "ack", "window", "options", "payload", "reserved_bits"):
            if key in read.node:
                read.problem(key, "an ICMP error has none; leave this out or leave `icmp` out")
    elif not isinstance(flags, str) or not flags or set(flags) - set(FLAG_BITS) or len(set(flags)) != len(flags):
        read.problem("flags", f"{show(flags)} is not made of the letters {' '.join(FLAG_BITS)}" if "flags" in read.node else "is missing, for example RA")
    else:
        bits = sum(FLAG_BITS[letter] for letter in flags)
    if "seq_offsets" in read.node and "windows" in read.node:
        read.problem("windows", "`seq_offsets` and `windows` exclude each other")
    ack, ack_offset = _ack(read)
    ipid: str | int = _word_or_number(read, "ipid", ("random", "random_same", "mirror", "mirror_plus_one", "counter"), 0, 0xFFFF)
    window, ttl_plus = _window(read)
    send = Send(
        to=("client", "server") if to == "both" else (to,),
        flags=bits,
        copies=read.number("copies", 1, 1000, 1),
        spacing=read.duration("spacing", 0),
        seq=read.choice("seq", ("expected", "zero"), "expected"),
        seq_offsets=read.integers("seq_offsets", -(1 << 31), 1 << 31) or (0,),
        windows=read.integers("windows", 0, 10_000),
        ack=ack,
        ack_offset=ack_offset,
        ipid=ipid,
        df=read.choice("df", ("set", "clear"), "set") == "set",
        ttl=_ttl(read),
        window=window,
        window_ttl_plus=ttl_plus,
        tos=read.number("tos", 0, 255, 0),
        copy_options=read.choice("options", ("none", "copy"), "none") == "copy",
        payload=_payload(read),
        reserved_bits=read.number("reserved_bits", 0, 7, 0),
        icmp=icmp,
    )
    read.finish()
    return send


def _word_or_number(read: MappingReader, key: str, words: tuple[str, ...], default: int, high: int) -> str | int:
    value = read.take(key)
    if key not in read.node:
        return default
    if isinstance(value, str) and value in words:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high:
        return value
    read.problem(key, f"{show(value)} is neither a whole number up to {high} nor one of: {', '.join(words)}")
    return default


def _ack(read: MappingReader) -> tuple[str, int]:
    value = read.take("ack")
    words = ("hello_end", "hello_start", "zero")
    if "ack" not in read.node:
        return "hello_end", 0
    if isinstance(value, str) and value in words:
        return value, 0
    if isinstance(value, Mapping) and len(value) == 1:
        (word, offset), = value.items()
        if word in words and isinstance(offset, int) and not isinstance(offset, bool) and abs(offset) < 1 << 31:
            return str(word), offset
    read.problem("ack", f"{show(value)} is none of {', '.join(words)}, or one of them with an offset such as {{hello_end: 1}}")
    return "hello_end", 0


def _ttl(read: MappingReader) -> str | Draw:
    if read.node.get("ttl") in ("copy", "server"):
        return str(read.take("ttl"))
    value = read.node.get("ttl")
    if isinstance(value, Mapping) and set(value) == {"random_each"}:
        read.node["ttl"] = {"random": value["random_each"]}
        drawn = read.draw("ttl", Draw(64, 64), _ttl_end(read))
        return Draw(drawn.low, drawn.high, each=True)
    return read.draw("ttl", Draw(64, 64), _ttl_end(read))


def _ttl_end(read: MappingReader) -> Callable[[str, object, int], int]:
    return lambda key, value, default: read.bounded(key, value, 1, 255, default)


def _window(read: MappingReader) -> tuple[str | int, int | None]:
    value = read.node.get("window")
    if isinstance(value, Mapping):
        read.take("window")
        plus = value.get("ttl_plus")
        if set(value) == {"ttl_plus"} and isinstance(plus, int) and not isinstance(plus, bool) and abs(plus) <= 0xFFFF:
            return 0, plus
        read.problem("window", f"{show(value)} is not `{{ttl_plus: N}}`")
        return 0, None
    return _word_or_number(read, "window", ("random", "random_same", "mirror"), 0, 0xFFFF), None


def _payload(read: MappingReader) -> bytes:
    value = read.take("payload")
    if "payload" not in read.node:
        return b""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, Mapping) and len(value) == 1:
        (kind, what), = value.items()
        if kind == "zeros" and isinstance(what, int) and not isinstance(what, bool) and 0 <= what <= 1400:
            return bytes(what)
        if kind == "hex" and isinstance(what, str):
            try:
                return bytes.fromhex(what)
            except ValueError:
                pass
    read.problem("payload", f'{show(value)} is none of: "text", {{hex: "01 02"}}, {{zeros: 6}}')
    return b""


def _throttle(parent: MappingReader, problems: list[Problem]) -> Throttle | None:
    node = parent.take("throttle")
    if "throttle" not in parent.node:
        return None
    read = MappingReader(node, ("throttle",), problems, "`throttle`")
    value = read.take("rate")
    rate = rate_bytes(value)
    if rate is None:
        read.problem("rate", f"{show(value)} is not a rate such as `8 kB/s`")
    how = read.choice("how", ("shape", "police"), "shape")
    read.finish()
    return Throttle(rate or 1.0, how)


def _proxy(parent: MappingReader, problems: list[Problem]) -> str | None:
    node = parent.take("proxy")
    if "proxy" not in parent.node:
        return None
    read = MappingReader(node, ("proxy",), problems, "`proxy`")
    answer = read.choice("answer", ("close", "alert", "drop"), "close")
    read.finish()
    return answer


def _residual(parent: MappingReader, problems: list[Problem]) -> Residual | None:
    node = parent.take("residual")
    if "residual" not in parent.node:
        return None
    read = MappingReader(node, ("residual",), problems, "`residual`")
    what = read.choice("what", ("drop", "rst"), "drop")
    if "for" not in read.node:
        read.problem("for", "is missing, for example `8 s`")
    duration = read.duration("for", 0)
    same = read.words("same", ("client", "server", "port"), ("client", "server", "port"))
    read.finish()
    return Residual(what, duration, same)
