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

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

Problem = tuple[tuple[str | int, ...], str]
Path = tuple[str | int, ...]

FLAG_BITS = {"F": 0x001, "S": 0x002, "R": 0x004, "P": 0x008, "A": 0x010, "U": 0x020, "E": 0x040, "C": 0x080, "N": 0x100}
TIME_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
# RFC 792, RFC 1812 section 5.2.7.1: (type, code)
ICMP_ERRORS = {
    "net_unreachable": (3, 0), "host_unreachable": (3, 1), "port_unreachable": (3, 3),
    "net_prohibited": (3, 9), "host_prohibited": (3, 10), "admin_prohibited": (3, 13),
}  # fmt: skip
RATE_UNITS = {"B/s": 1, "kB/s": 1_000, "MB/s": 1_000_000, "bit/s": 1 / 8, "kbit/s": 125, "Mbit/s": 125_000}


@dataclass(frozen=True, slots=True)
class Draw:
    """A whole number drawn evenly from low..high, both included; fixed where they are equal. Drawn once a reaction, or for `each` packet anew."""

    low: int
    high: int
    each: bool = False


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
    ttl: str | Draw = Draw(64, 64)
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
    delay: Draw = Draw(0, 0)
    send: tuple[Send, ...] = ()
    throttle: Throttle | None = None
    proxy: str | None = None
    residual: Residual | None = None
    node: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


class _Reader:
    """Walks one mapping, key by key, and notes what is wrong; every method returns a usable default after a problem."""

    def __init__(self, node: object, path: Path, problems: list[Problem], what: str) -> None:
        self.path, self.problems = path, problems
        self.node: dict[object, object] = {}
        if isinstance(node, Mapping):
            self.node = dict(node)
        else:
            problems.append((path, f"{what} must be a mapping, not {_show(node)}"))
        self.known: list[str] = []

    def problem(self, key: str, message: str) -> None:
        self.problems.append(((*self.path, key), message))

    def take(self, key: str) -> object:
        """The raw value, None where absent."""
        self.known.append(key)
        return self.node.get(key)

    def choice(self, key: str, words: tuple[str, ...], default: str) -> str:
        value = self.take(key)
        if key not in self.node:
            return default
        if isinstance(value, str) and value in words:
            return value
        self.problem(key, f"{_show(value)} is none of: {', '.join(words)}")
        return default

    def number(self, key: str, low: int, high: int, default: int) -> int:
        value = self.take(key)
        if key not in self.node:
            return default
        return self.bounded(key, value, low, high, default)

    def bounded(self, key: str, value: object, low: int, high: int, default: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.problem(key, f"{_show(value)} is not a whole number from {low} to {high}")
        return default

    def duration(self, key: str, default: int) -> int:
        value = self.take(key)
        if key not in self.node:
            return default
        return self.nanoseconds(key, value, default)

    def nanoseconds(self, key: str, value: object, default: int) -> int:
        found = duration_ns(value)
        if found is None:
            self.problem(key, f"{_show(value)} is not a time such as `2 ms`, `100 us` or `8 s`")
            return default
        return found

    def integers(self, key: str, low: int, high: int) -> tuple[int, ...] | None:
        """A list of whole numbers, None where absent or wrong."""
        value = self.take(key)
        if key not in self.node:
            return None
        if isinstance(value, list) and value and all(isinstance(v, int) and not isinstance(v, bool) and low <= v <= high for v in value):
            return tuple(cast(list[int], value))
        self.problem(key, f"{_show(value)} is not a list of whole numbers from {low} to {high}")
        return None

    def words(self, key: str, allowed: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.take(key)
        if key not in self.node:
            return default
        if isinstance(value, list) and value and all(isinstance(v, str) and v in allowed for v in value):
            return tuple(cast(list[str], value))
        self.problem(key, f"{_show(value)} is not a list out of: {', '.join(allowed)}")
        return default

    def draw(self, key: str, default: Draw, read: Callable[[str, object, int], int]) -> Draw:
        """A fixed value or `{random: [low, high]}`; `read` checks one end."""
        value = self.take(key)
        if key not in self.node:
            return default
        if isinstance(value, Mapping):
            ends = value.get("random")
            if set(value) != {"random"} or not isinstance(ends, list) or len(ends) != 2:
                self.problem(key, f"{_show(value)} is not `{{random: [low, high]}}`")
                return default
            low, high = (read(key, end, default.low) for end in ends)
            if low > high:
                self.problem(key, f"{_show(value)} has its ends the wrong way round")
                return default
            return Draw(low, high)
        fixed = read(key, value, default.low)
        return Draw(fixed, fixed)

    def finish(self) -> None:
        for key in self.node:
            if key not in self.known:
                self.problems.append(((*self.path, key if isinstance(key, str | int) else str(key)), _unknown(key, self.known)))


def parse_emulation(node: object) -> tuple[Emulation | None, list[Problem]]:
    """The block as a model, or None with every problem in it. A problem is (path below `emulate`, sentence)."""
    problems: list[Problem] = []
    read = _Reader(node, (), problems, "`emulate`")
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


def _then(parent: _Reader, problems: list[Problem]) -> Then:
    node = parent.take("then")
    if "then" not in parent.node:
        return Then()
    read = _Reader(node, ("then",), problems, "`then`")
    to_server = read.choice("to_server", ("pass", "drop"), "pass")
    to_client = read.choice("to_client", ("pass", "drop"), "pass")
    after = read.take("after")
    size = packets = None
    if "after" in read.node:
        inner = _Reader(after, ("then", "after"), problems, "`after`")
        size = inner.number("bytes", 0, 1 << 40, 0) if "bytes" in inner.node else None
        packets = inner.number("packets", 0, 1 << 40, 0) if "packets" in inner.node else None
        inner.known += ["bytes", "packets"]
        inner.finish()
        if isinstance(after, Mapping) and (size is None) == (packets is None):
            read.problem("after", "needs exactly one of `bytes` and `packets`")
    read.finish()
    return Then(to_server, to_client, size, packets)


def _sends(parent: _Reader, problems: list[Problem]) -> tuple[Send, ...]:
    node = parent.take("send")
    if "send" not in parent.node:
        return ()
    if not isinstance(node, list):
        parent.problem("send", f"must be a list of packets, not {_show(node)}")
        return ()
    return tuple(_send(item, ("send", index), problems) for index, item in enumerate(node))


def _send(node: object, path: Path, problems: list[Problem]) -> Send:
    read = _Reader(node, path, problems, "a packet to send")
    to = read.choice("to", ("client", "server", "both"), "client")
    flags = read.take("flags")
    bits = 0x004
    icmp = ICMP_ERRORS.get(read.choice("icmp", tuple(ICMP_ERRORS), ""))
    if icmp is not None:
        for key in ("flags", "seq", "seq_offsets", "windows", "ack", "window", "options", "payload", "reserved_bits"):
            if key in read.node:
                read.problem(key, "an ICMP error has none; leave this out or leave `icmp` out")
    elif not isinstance(flags, str) or not flags or set(flags) - set(FLAG_BITS) or len(set(flags)) != len(flags):
        read.problem("flags", f"{_show(flags)} is not made of the letters {' '.join(FLAG_BITS)}" if "flags" in read.node else "is missing, for example RA")
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


def _word_or_number(read: _Reader, key: str, words: tuple[str, ...], default: int, high: int) -> str | int:
    value = read.take(key)
    if key not in read.node:
        return default
    if isinstance(value, str) and value in words:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high:
        return value
    read.problem(key, f"{_show(value)} is neither a whole number up to {high} nor one of: {', '.join(words)}")
    return default


def _ack(read: _Reader) -> tuple[str, int]:
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
    read.problem("ack", f"{_show(value)} is none of {', '.join(words)}, or one of them with an offset such as {{hello_end: 1}}")
    return "hello_end", 0


def _ttl(read: _Reader) -> str | Draw:
    if read.node.get("ttl") in ("copy", "server"):
        return str(read.take("ttl"))
    value = read.node.get("ttl")
    if isinstance(value, Mapping) and set(value) == {"random_each"}:
        read.node["ttl"] = {"random": value["random_each"]}
        drawn = read.draw("ttl", Draw(64, 64), _ttl_end(read))
        return Draw(drawn.low, drawn.high, each=True)
    return read.draw("ttl", Draw(64, 64), _ttl_end(read))


def _ttl_end(read: _Reader) -> Callable[[str, object, int], int]:
    return lambda key, value, default: read.bounded(key, value, 1, 255, default)


def _window(read: _Reader) -> tuple[str | int, int | None]:
    value = read.node.get("window")
    if isinstance(value, Mapping):
        read.take("window")
        plus = value.get("ttl_plus")
        if set(value) == {"ttl_plus"} and isinstance(plus, int) and not isinstance(plus, bool) and abs(plus) <= 0xFFFF:
            return 0, plus
        read.problem("window", f"{_show(value)} is not `{{ttl_plus: N}}`")
        return 0, None
    return _word_or_number(read, "window", ("random", "random_same", "mirror"), 0, 0xFFFF), None


def _payload(read: _Reader) -> bytes:
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
    read.problem("payload", f'{_show(value)} is none of: "text", {{hex: "01 02"}}, {{zeros: 6}}')
    return b""


def _throttle(parent: _Reader, problems: list[Problem]) -> Throttle | None:
    node = parent.take("throttle")
    if "throttle" not in parent.node:
        return None
    read = _Reader(node, ("throttle",), problems, "`throttle`")
    value = read.take("rate")
    rate = rate_bytes(value)
    if rate is None:
        read.problem("rate", f"{_show(value)} is not a rate such as `8 kB/s`")
    how = read.choice("how", ("shape", "police"), "shape")
    read.finish()
    return Throttle(rate or 1.0, how)


def _proxy(parent: _Reader, problems: list[Problem]) -> str | None:
    node = parent.take("proxy")
    if "proxy" not in parent.node:
        return None
    read = _Reader(node, ("proxy",), problems, "`proxy`")
    answer = read.choice("answer", ("close", "alert", "drop"), "close")
    read.finish()
    return answer


def _residual(parent: _Reader, problems: list[Problem]) -> Residual | None:
    node = parent.take("residual")
    if "residual" not in parent.node:
        return None
    read = _Reader(node, ("residual",), problems, "`residual`")
    what = read.choice("what", ("drop", "rst"), "drop")
    if "for" not in read.node:
        read.problem("for", "is missing, for example `8 s`")
    duration = read.duration("for", 0)
    same = read.words("same", ("client", "server", "port"), ("client", "server", "port"))
    read.finish()
    return Residual(what, duration, same)


def duration_ns(value: object) -> int | None:
    """`2 ms`, `100 us`, `8 s` or a bare 0 as nanoseconds; None where it is no time."""
    if value == 0 and not isinstance(value, bool):
        return 0
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?) ?(ns|us|ms|s)", value) if isinstance(value, str) else None
    return round(float(found[1]) * TIME_UNITS[found[2]]) if found else None


def rate_bytes(value: object) -> float | None:
    """`8 kB/s`, `64 kbit/s` as bytes per second, more than 0; None where it is no rate."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?) ?([kM]?(?:B|bit)/s)", value) if isinstance(value, str) else None
    if not found or float(found[1]) <= 0:
        return None
    return float(found[1]) * RATE_UNITS[found[2]]


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown(key: object, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(str(key), known, 1)
    return f"unknown key {_show(key)}" + (f", did you mean `{close[0]}`?" if close else f"; known are: {', '.join(known)}")
