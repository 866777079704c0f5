"""One kind of packet that an emulated device makes: the model and the parser of an entry of `send:` (the grammar stands in emulation.py).

Rules of this file: as in emulation.py; no value raises, every problem is noted with its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dpiprobe.signature.mapping_reader import Draw, MappingReader, Path, Problem, show

FLAG_BITS = {"F": 0x001, "S": 0x002, "R": 0x004, "P": 0x008, "A": 0x010, "U": 0x020, "E": 0x040, "C": 0x080, "N": 0x100}
TTL_OF_LINUX = Draw(64, 64)
WHEN = ("trigger", "later", "answer")
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
    when: str = "trigger"
    delay: Draw | None = None
    ipid_step: int = 1
    ttl_cycle: tuple[int, int] | None = None
    window_cycle: tuple[int, int] | None = None
    options: bytes = b""
    source: str = "impersonated"


def read_send(node: object, path: Path, problems: list[Problem]) -> Send:
    read = MappingReader(node, path, problems, "a packet to send")
    to = read.choice("to", ("client", "server", "both"), "client")
    bits = 0x004
    icmp = ICMP_ERRORS.get(read.choice("icmp", tuple(ICMP_ERRORS), ""))
    if icmp is not None:
        for key in ("flags", "seq", "seq_offsets", "windows", "ack", "window", "options", "payload", "reserved_bits", "from"):
            if key in read.node:
                read.problem(key, "an ICMP error has none; leave this out or leave `icmp` out")
    else:
        bits = read_flags(read)
    if "seq_offsets" in read.node and "windows" in read.node:
        read.problem("windows", "`seq_offsets` and `windows` exclude each other")
    ack, ack_offset = _ack(read)
    ipid, ipid_step = _ipid(read)
    ttl_cycle, window_cycle = _cycle(read, "ttl", 1, 255), _cycle(read, "window", 0, 0xFFFF)
    window, ttl_plus = _window(read)
    copies_options, options = _options(read)
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
        copy_options=copies_options,
        options=options,
        source=read.choice("from", ("impersonated", "box"), "impersonated"),
        payload=read_payload(read),
        reserved_bits=read.number("reserved_bits", 0, 7, 0),
        icmp=icmp,
        when=read.choice("when", WHEN, "trigger"),
        delay=read.draw("delay", Draw(0, 0), read.nanoseconds) if "delay" in read.node else None,
        ipid_step=ipid_step,
        ttl_cycle=ttl_cycle,
        window_cycle=window_cycle,
    )
    read.finish()
    return send


def read_flags(read: MappingReader) -> int:
    """The TCP flags of `flags: RA` as bits; RST where they are wrong."""
    flags = read.take("flags")
    if isinstance(flags, str) and flags and not set(flags) - set(FLAG_BITS) and len(set(flags)) == len(flags):
        return sum(FLAG_BITS[letter] for letter in flags)
    what = f"{show(flags)} is not made of the letters {' '.join(FLAG_BITS)}" if "flags" in read.node else "is missing, for example RA"
    read.problem("flags", what)
    return 0x004


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


def _ipid(read: MappingReader) -> tuple[str | int, int]:
    """The rule or number, and the step of a counter or the offset from the trigger's."""
    value = read.node.get("ipid")
    if isinstance(value, Mapping):
        read.take("ipid")
        (word, step), *more = [*value.items(), (None, None)]
        if word in ("counter", "mirror") and len(more) == 1 and isinstance(step, int) and not isinstance(step, bool) and abs(step) <= 0xFFFF:
            return str(word), step
        read.problem("ipid", f"{show(value)} is neither `{{counter: STEP}}` nor `{{mirror: OFFSET}}`")
        return 0, 1
    found = _word_or_number(read, "ipid", ("random", "random_same", "mirror", "mirror_plus_one", "counter"), 0, 0xFFFF)
    return ("mirror", 1) if found == "mirror_plus_one" else (found, 0 if found == "mirror" else 1)


def _cycle(read: MappingReader, key: str, low: int, high: int) -> tuple[int, int] | None:
    """`{cycle: [first, last]}`: one more with every packet, and from the start again."""
    value = read.node.get(key)
    if not isinstance(value, Mapping) or set(value) != {"cycle"}:
        return None
    del read.node[key]
    ends = value["cycle"]
    if isinstance(ends, list) and len(ends) == 2 and all(isinstance(e, int) and not isinstance(e, bool) for e in ends) and low <= ends[0] <= ends[1] <= high:
        return ends[0], ends[1]
    read.problem(key, f"{show(value)} is not `{{cycle: [first, last]}}` with whole numbers from {low} to {high}")
    return None


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


def _options(read: MappingReader) -> tuple[bool, bytes]:
    """Whether the trigger's options are copied, or bytes of its own, padded to four."""
    value = read.take("options")
    if "options" not in read.node or value in ("none", "copy"):
        return value == "copy", b""
    if isinstance(value, Mapping) and set(value) == {"hex"} and isinstance(value["hex"], str):
        try:
            raw = bytes.fromhex(value["hex"])
        except ValueError:
            raw = bytes(99)
        if len(raw) <= 40:  # RFC 9293 section 3.1: the data offset counts to 15 words
            return False, raw + b"\x01" * (-len(raw) % 4)
    read.problem("options", f'{show(value)} is none of: none, copy, {{hex: "01 01 08 0a ..."}} of at most 40 bytes')
    return False, b""


def read_payload(read: MappingReader) -> bytes:
    """`payload`: text, {hex: ...} or {zeros: N}."""
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
