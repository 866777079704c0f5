"""What a device does, as data: the model and the parser of a signature's `emulate:` block. The lab's boxes act by it.

Rules of this file: plain dataclasses, no I/O; a parser that reports every problem at once (path, sentence) and never raises on any YAML or JSON value.
Durations are integer nanoseconds, rates bytes per second. All values are those *at the box*: TTLs before the routers between it and the receiver.

    emulate:
      trigger: client_hello         # what a flow must carry, with a blocked name, to be acted upon: client_hello | http_request | syn | syn_ack
                                    #   (the last two: a blocked address), or in full:
      trigger:
        kind: client_hello
        names: suffix               #   suffix (the name and all below it) | exact | substring | any (also none at all)
        ports: [443]                #   ports of the server that it looks at; all unless given
        direction: outbound         #   outbound (connections that the client's side opens) | inbound | both
        reassembly: full            #   full | tcp (segments, not TLS records) | none (the name must be whole in one segment)
        extension: esni             #   esni | ech : and the hello must carry that
        tcp_options: any            #   any | none (a header of exactly 20 bytes)
        handshake: ignored          #   ignored | needed (it must have seen the SYN)
      hello: pass                   # pass | drop : is the triggering packet forwarded, and every later copy of it
      then:                         # what happens to the other packets of the flow from the trigger on
        to_server: pass             #   pass | drop
        to_client: pass             #   pass | drop
        carrying: any               #   any | data : which of them
        after: {bytes: 18000}       #   {bytes: N} | {packets: N} | {packets: {random: [5, 8]}} : only after the server sent so much
                                    #   (payload bytes; packets of any kind); with `from: both` the client's count too
      delay: 2 ms                   # how long the box takes to react; {random: [2 ms, 60 ms]} draws once a reaction
      send:                         # packets it makes, in this order
        - to: client                # client | server | both : to the client in the server's name, and the other way round
          when: trigger             # trigger (every whole copy of it) | later (each later packet of the client) | answer (each packet of the server)
          delay: 8 ms               # its own delay after the packet that caused it; unless given, it follows the entry before it
          flags: RA                 # letters of F S R P A U E C N
          copies: 3
          spacing: 100 us           # between copies, and between offsets
          seq: expected             # expected (next byte the impersonated side owes) | zero
          seq_offsets: [0, 1460]    # added to seq; one packet each, in each copy
          windows: [0, 1, 3]        #   or: multiples of the trigger's raw window, as a ladder
          ack: hello_end            # hello_end | hello_start | zero | {hello_end: 1} ; with an A flag or without
                                    #   to the server: zero, else what the client acknowledged
          ipid: 0                   # N | random (each) | random_same (one a reaction) | mirror (the trigger's) | {mirror: 1} (and so much more)
                                    #   | counter (the box's, of all it sends) | {counter: 256} (in such steps; -26 counts down)
          df: set                   # set | clear
          ttl: 64                   # N | {random: [39, 238]} (one a reaction: copies are alike) | {random_each: [39, 238]} | copy (the trigger's)
                                    #   | server (as the impersonated side's packets have it at the box) | {cycle: [39, 238]} (one more each packet)
          window: 0                 # N | random | random_same | mirror (the trigger's, raw) | {ttl_plus: 1375} (TTL at the box plus N) | {cycle: [1980, 1982]}
          tos: 0
          options: none             # none | copy (the trigger's TCP options) | {hex: "01 01 08 0a ..."} (its own, padded to four bytes)
          from: impersonated        # impersonated (the other side's address) | box (the box's own address, with the ports of the flow)
          payload: "text"           # text (UTF-8) | {hex: "01 02"} | {zeros: 6}
          reserved_bits: 0          # 0..7, the three bits that RFC 9293 reserves
        - to: client                # or, instead of `flags`, an ICMP error from the box's own address that quotes the trigger:
          icmp: admin_prohibited    #   admin_prohibited | host_prohibited | net_prohibited | host_unreachable | net_unreachable | port_unreachable
                                    #   with copies, spacing, ipid, df, ttl, tos as above
      rewrite:                      # the server's own packets of a triggered flow turned into this: header kept, payload cut off or replaced
        flags: RA
        packets: data               #   data (those with payload) | any
        ack: keep                   #   keep | zero | {plus: -100}
        options: keep               #   keep | none
        payload: "text"             #   what stands in its place, as above; nothing unless given
      throttle: {rate: 8 kB/s, how: shape}       # shape (queue) | police (drop); what the server sends in a triggered flow
      proxy: {answer: close}        # close | alert | drop : a terminating proxy for every name, which refuses the blocked one so
      mitm:                         # a terminating box that completes TLS itself, with a certificate of its own for the name
        issuer: "Some CA"           #   common name of the authority it makes for itself
        names: blocked              #   blocked | all : whose connections it opens; the others it leaves alone
        tls: "1.3"                  #   "1.2" | "1.3" : the newest version it speaks with the client
      residual:                     # afterwards, to other connections alike in `same`
        what: drop                  #   drop | rst
        for: 8 s
        same: [client, server, port]   #   client, client_port, server, port
        renewed: never              #   never | by_packets : whatever is punished starts the time anew
        from: both                  #   both | client : whose packets are dropped
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dpiprobe.signature.emulation_send import FLAG_BITS, ICMP_ERRORS, Send, read_flags, read_payload, read_send
from dpiprobe.signature.emulation_trigger import Trigger, read_trigger
from dpiprobe.signature.mapping_reader import Draw, MappingReader, Problem, duration_ns, rate_bytes, show

__all__ = [
    "FLAG_BITS", "ICMP_ERRORS", "Draw", "Emulation", "Mitm", "Problem", "Residual", "Rewrite", "Send", "Then", "Throttle", "Trigger", "duration_ns",
    "parse_emulation", "rate_bytes",
]  # fmt: skip

AT_ONCE, ANY_HELLO = Draw(0, 0), Trigger()


@dataclass(frozen=True, slots=True)
class Then:
    """What a triggered flow may still carry, from `after_bytes`/`after_packets` of the server (`both`: of either side) on (None: at once)."""

    to_server: str = "pass"
    to_client: str = "pass"
    after_bytes: int | None = None
    after_packets: Draw | None = None
    carrying: str = "any"
    both: bool = False


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What becomes of the server's own packets; `ack` is None for zero, else what is added to the genuine number."""

    flags: int
    packets: str = "data"
    ack: int | None = 0
    keep_options: bool = True
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Mitm:
    """A box that completes TLS with a certificate of its own."""

    issuer: str = "Lab Interception CA"
    names: str = "blocked"
    tls: str = "1.3"


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
    renewed: bool = False
    both: bool = True


@dataclass(frozen=True, slots=True)
class Emulation:
    """A whole device. `node` is the block as it stood in the file, for handing it on as data."""

    trigger: Trigger = ANY_HELLO
    hello: str = "pass"
    then: Then = Then()
    delay: Draw = AT_ONCE
    send: tuple[Send, ...] = ()
    throttle: Throttle | None = None
    proxy: str | None = None
    residual: Residual | None = None
    rewrite: Rewrite | None = None
    mitm: Mitm | None = None
    node: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


def parse_emulation(node: object) -> tuple[Emulation | None, list[Problem]]:
    """The block as a model, or None with every problem in it. A problem is (path below `emulate`, sentence)."""
    problems: list[Problem] = []
    read = MappingReader(node, (), problems, "`emulate`")
    emulation = Emulation(
        trigger=read_trigger(read, problems),
        hello=read.choice("hello", ("pass", "drop"), "pass"),
        then=_then(read, problems),
        delay=read.draw("delay", Draw(0, 0), read.nanoseconds),
        send=_sends(read, problems),
        throttle=_throttle(read, problems),
        proxy=_proxy(read, problems),
        residual=_residual(read, problems),
        rewrite=_rewrite(read, problems),
        mitm=_mitm(read, problems),
        node=dict(node) if isinstance(node, Mapping) else {},
    )
    read.finish()
    for key in ("send", "then", "throttle", "hello", "rewrite", "residual", "mitm", "delay"):
        if emulation.proxy is not None and key in read.node:
            read.problem(key, "a terminating proxy ends the connection itself; leave this out or leave `proxy` out")
        if emulation.mitm is not None and key != "mitm" and key in read.node:
            read.problem(key, "an intercepting box ends the connection itself; leave this out or leave `mitm` out")
    return (None, problems) if problems else (emulation, [])


def _then(parent: MappingReader, problems: list[Problem]) -> Then:
    node = parent.take("then")
    if "then" not in parent.node:
        return Then()
    read = MappingReader(node, ("then",), problems, "`then`")
    to_server = read.choice("to_server", ("pass", "drop"), "pass")
    to_client = read.choice("to_client", ("pass", "drop"), "pass")
    carrying = read.choice("carrying", ("any", "data"), "any")
    after = read.take("after")
    size: int | None = None
    packets: Draw | None = None
    both = False
    if "after" in read.node:
        inner = MappingReader(after, ("then", "after"), problems, "`after`")
        size = inner.number("bytes", 0, 1 << 40, 0) if "bytes" in inner.node else None
        bound = lambda key, value, default: inner.bounded(key, value, 0, 1 << 40, default)  # noqa: E731 (a closure over `inner`)
        packets = inner.draw("packets", Draw(0, 0), bound) if "packets" in inner.node else None
        both = inner.choice("from", ("server", "both"), "server") == "both"
        inner.known += ["bytes", "packets"]
        inner.finish()
        if isinstance(after, Mapping) and (size is None) == (packets is None):
            read.problem("after", "needs exactly one of `bytes` and `packets`")
    read.finish()
    return Then(to_server, to_client, size, packets, carrying, both)


def _sends(parent: MappingReader, problems: list[Problem]) -> tuple[Send, ...]:
    node = parent.take("send")
    if "send" not in parent.node:
        return ()
    if not isinstance(node, list):
        parent.problem("send", f"must be a list of packets, not {show(node)}")
        return ()
    return tuple(read_send(item, ("send", index), problems) for index, item in enumerate(node))


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
    same = read.words("same", ("client", "client_port", "server", "port"), ("client", "server", "port"))
    renewed = read.choice("renewed", ("never", "by_packets"), "never") == "by_packets"
    both = read.choice("from", ("both", "client"), "both") == "both"
    read.finish()
    return Residual(what, duration, same, renewed, both)


def _rewrite(parent: MappingReader, problems: list[Problem]) -> Rewrite | None:
    node = parent.take("rewrite")
    if "rewrite" not in parent.node:
        return None
    read = MappingReader(node, ("rewrite",), problems, "`rewrite`")
    flags = read_flags(read)
    packets = read.choice("packets", ("data", "any"), "data")
    value = read.take("ack")
    ack: int | None = 0
    if value == "zero":
        ack = None
    elif isinstance(value, Mapping) and set(value) == {"plus"} and isinstance(value["plus"], int) and abs(value["plus"]) < 1 << 31:
        ack = int(value["plus"])
    elif "ack" in read.node and value != "keep":
        read.problem("ack", f"{show(value)} is none of: keep, zero, {{plus: N}}")
    options = read.choice("options", ("keep", "none"), "keep")
    payload = read_payload(read)
    read.finish()
    return Rewrite(flags, packets, ack, options == "keep", payload)


def _mitm(parent: MappingReader, problems: list[Problem]) -> Mitm | None:
    node = parent.take("mitm")
    if "mitm" not in parent.node:
        return None
    read = MappingReader(node, ("mitm",), problems, "`mitm`")
    issuer = read.take("issuer")
    if "issuer" not in read.node:
        issuer = Mitm().issuer
    elif not isinstance(issuer, str) or not 0 < len(issuer) <= 64:  # RFC 5280 appendix A.1, ub-common-name
        read.problem("issuer", f"{show(issuer)} is no common name of 1 to 64 letters")
        issuer = Mitm().issuer
    names = read.choice("names", ("blocked", "all"), "blocked")
    tls = read.choice("tls", ("1.2", "1.3"), "1.3")
    read.finish()
    return Mitm(str(issuer), names, tls)
