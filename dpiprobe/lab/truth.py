"""What a box is, in the words of a verdict: read off its `emulate:` block, for the comparison after the judging is done.

Rules of this file:
- Nothing that judges may import it. Physics decides (what is dropped, what is sent to whom), not what the signature calls itself.
- Two devices that make the same packets cannot be told apart; `twins` names those whose signature may win on each other's box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dpiprobe.signature.emulation import Emulation, Send, parse_emulation
from dpiprobe.signature.mapping_reader import Draw

_FIN, _RST, _ACK = 0x01, 0x04, 0x10


@dataclass(frozen=True, slots=True)
class Truth:
    """techniques: those that are right in full depth · positions · http: the trigger is an HTTP request · both_ways: it needs to see the server's packets
    all_names: it acts on every name (an address, or any hello), so no control can work and design section 4 asks for no more than its possibility
    punishes: technique of later connections, None without residual punishment · idle: why the prober's plan never sets it off, else empty
    far_only: all that it makes goes to the server, so its fields never reach the client's capture"""

    techniques: frozenset[str]
    positions: frozenset[str]
    http: bool = False
    both_ways: bool = False
    all_names: bool = False
    punishes: str | None = None
    idle: str = ""
    far_only: bool = False


def truth_of(node: object) -> Truth:
    """What the box of a block is. The block was parsed before and is right."""
    emulation, problems = parse_emulation(node)
    assert emulation is not None, problems
    kind = emulation.trigger.kind
    techniques = _techniques(emulation, address=kind.startswith("syn"))
    held = emulation.hello == "drop" or any(t.startswith(("proxy", "mitm", "throttle", "drop", "rst.rewrite")) for t in techniques)
    positions = {"in-path"} if held else {"on-path"}
    return Truth(
        techniques, frozenset(positions), kind == "http_request", _both_ways(emulation), emulation.trigger.by_address or emulation.trigger.names == "any",
        f"residual.{emulation.residual.what}" if emulation.residual else None, _idle(emulation),
        bool(emulation.send) and all(send.to == ("server",) for send in emulation.send),
    )  # fmt: skip


def truth_of_software(technique: str) -> Truth:
    """What a real program is (real/program.py says its technique)."""
    return Truth(frozenset({technique}), frozenset({"on-path" if technique == "rst.on-path" else "in-path"}), all_names=technique.startswith("address"))


def _both_ways(emulation: Emulation) -> bool:
    acts_on_answers = emulation.then.to_client == "drop" or emulation.then.after_bytes is not None or emulation.then.after_packets is not None
    terminates = emulation.proxy is not None or emulation.mitm is not None
    sends_on_answers = any(send.when == "answer" for send in emulation.send)
    hears_answers = emulation.trigger.kind == "syn_ack"
    return hears_answers or terminates or acts_on_answers or sends_on_answers or emulation.throttle is not None or emulation.rewrite is not None


def _idle(emulation: Emulation) -> str:
    trigger = emulation.trigger
    if trigger.extension is not None:
        return "the plan's hellos carry no ESNI or ECH"
    if trigger.bare_header:
        return "the client's segments carry timestamps"
    if trigger.direction == "inbound":
        return "the client opens all connections"
    return "the plan asks other ports" if trigger.ports is not None and not trigger.ports & {80, 443} else ""


_ANSWERED = 2
"""Packets of the server after the hello from which on something of its answer has passed: the first is the acknowledgement."""


def _late(emulation: Emulation) -> bool:
    then = emulation.then
    after = bool(then.after_bytes) or (then.after_packets is not None and then.after_packets.low >= _ANSWERED)
    return after and (then.to_client == "drop" or then.to_server == "drop")


def _techniques(emulation: Emulation, *, address: bool) -> frozenset[str]:
    dropped = emulation.hello == "drop"
    if emulation.mitm is not None:
        return frozenset({"mitm"})
    if emulation.proxy is not None:
        return frozenset({f"proxy.{emulation.proxy}"})
    if emulation.rewrite is not None:
        return frozenset({"rst.rewrite" if emulation.rewrite.flags & _RST else _of_text(emulation.rewrite.payload) or "fin"})
    if address:
        sends = {_kind_of(send).split(".", maxsplit=1)[0] for send in emulation.send}
        if emulation.trigger.kind == "syn_ack" and not dropped and "rst" in sends:
            # they come on the heels of the SYN/ACK: before the hello, or beside it (design section 4: `address` is where no trigger was sent)
            return frozenset({"address.rst", "rst.on-path"})
        if not dropped and all(send.flags & _RST and not send.flags & _ACK for send in emulation.send):
            # a client that waits for a SYN/ACK ignores it (RFC 9293 section 3.10.7.3), and goes on to the hello
            return frozenset({"address.rst", "rst.on-path"})
        return frozenset({"address.rst" if "rst" in sends else "address.icmp" if "icmp" in sends else "address.drop"})
    kinds = {_kind_of(send) for send in emulation.send}
    told = {"rst.in-path" if kind == "rst" and dropped else "rst.on-path" if kind == "rst" else kind for kind in kinds}
    if any(kind.startswith("data") for kind in told):  # precedence: data before rst before fin (design section 4)
        told = {kind for kind in told if kind.startswith("data")}
    elif any(kind.startswith("rst") for kind in told):
        told = {kind for kind in told if kind.startswith("rst")}
    if told and dropped and all(send.to == ("server",) for send in emulation.send):
        return frozenset({*told, "drop.hello"})  # all that the client gets of it is silence
    if told:
        return frozenset(told)
    if emulation.throttle is not None:
        return frozenset({f"throttle.{emulation.throttle.how}"})
    if dropped:
        return frozenset({"drop.hello"})
    if _late(emulation):
        return frozenset({"drop.stall"})
    if emulation.then.to_client == "drop":
        return frozenset({"drop.answer"})
    return frozenset({"drop"})


def _kind_of(send: Send) -> str:
    """The technique of one kind of packet: what a client that receives it would believe."""
    if send.icmp is not None:
        return "icmp"
    if send.flags & _RST:
        return "rst"
    return _of_text(send.payload) or ("fin" if send.flags & _FIN else "rst")


def _of_text(text: bytes) -> str | None:
    """The technique of forged payload, None where there is none."""
    if text.startswith(b"HTTP/1.") and text[9:10] == b"3":
        return "data.redirect"
    if text[:2] == b"\x15\x03":
        return "data.alert"
    if text.startswith(b"HTTP/") or b"<html" in text.lower():
        return "data.blockpage"
    return "data" if text.strip(b"\0") else None


def twins(blocks: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """For each block the names of all blocks that make the same packets at other times or in other ranges (delay, spacing, TTL and so on aside)."""
    looks = {name: _looks(node) for name, node in blocks.items()}
    return {name: frozenset(other for other, look in looks.items() if look == looks[name]) for name in blocks}


def _looks(node: object) -> object:
    emulation, _ = parse_emulation(node)
    assert emulation is not None
    still = Draw(0, 0)
    sends = tuple(replace(send, delay=None, spacing=0, ttl=still) for send in emulation.send)
    return replace(emulation, delay=still, send=sends, trigger=replace(emulation.trigger, kind="client_hello"), residual=None, node={})
