"""The ladder of one flow: hosts as vertical lines, time down the left, each packet an arrow, evidence marked with what it is evidence of.

Rules of this file:
- It draws what the capture and the record of the flow say; it decides nothing. Packet numbers are Wireshark's.
- Sequence and acknowledgement numbers are relative as Wireshark shows them (the SYN is 0, the first byte of payload 1), and raw where
  the capture does not show where a side began.
- Long flows keep their beginning, their end and everything that is marked; what is left out is counted.
- Text only, the same everywhere, so that colour is never needed: `*` marks packets that let a signature's clause hold, `+` those that
  an observation names and no signature claims.
"""

from __future__ import annotations

import ipaddress
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, STRAY, Flows
from dpiprobe.report.printable import duration, pad, printable, ranges, width
from dpiprobe.wire.packets import (
    ACK,
    CWR,
    ECE,
    FIN,
    NS,
    OPT_FAST_OPEN,
    OPT_MD5,
    OPT_MSS,
    OPT_OTHER,
    OPT_SACK,
    OPT_SACK_OK,
    OPT_TIMESTAMPS,
    OPT_WSCALE,
    PSH,
    RESERVED,
    RST,
    SYN,
    TCP,
    URG,
    Packets,
)

FLAG_WORDS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK"), (URG, "URG"), (ECE, "ECE"), (CWR, "CWR"), (NS, "NS"))
OPTION_WORDS = (
    (OPT_MSS, "mss"), (OPT_WSCALE, "ws"), (OPT_SACK_OK, "sack-ok"), (OPT_SACK, "sack"), (OPT_TIMESTAMPS, "ts"), (OPT_MD5, "md5"),
    (OPT_FAST_OPEN, "tfo"), (OPT_OTHER, "other"),
)
SHAFT = 34  # characters between the two hosts
BEGINNING, END = 40, 12  # rows kept of a long flow


@dataclass(slots=True)
class Rung:
    """One packet of the ladder. since: ns since the anchor · label: what the arrow says · detail: header fields · marks: evidence of what."""

    number: int
    since: int
    origin: int
    label: str
    detail: str
    marks: Marks


@dataclass(slots=True)
class Marks:
    """What one packet is evidence of. claims: signature -> clauses that it lets hold, the winning signature first · seen: observations."""

    claims: dict[str, list[str]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.claims or self.seen)

    def text(self) -> str:
        """All of it in one phrase."""
        return "; ".join([*(f"{signature}: {', '.join(clauses)}" for signature, clauses in self.claims.items()), *self.seen])


def marks_of(record: Mapping[str, Any]) -> dict[int, Marks]:
    """Packet number -> what it is evidence of, from held clauses and observations."""
    marks: dict[int, Marks] = {}
    winner = record.get("signature")
    for match in sorted(record.get("matches") or (), key=lambda match: match.get("signature") != winner):
        signature = printable(str(match.get("signature")))
        for clause, state in (match.get("clauses") or {}).items():
            for number in (state.get("packets") or ()) if state.get("state") == "held" else ():
                clauses = marks.setdefault(int(number), Marks()).claims.setdefault(signature, [])
                if clause not in clauses:
                    clauses.append(printable(str(clause)))
    for observation in record.get("observations") or ():
        kind = printable(str(observation.get("kind")))
        for number in observation.get("packets") or ():
            seen = marks.setdefault(int(number), Marks()).seen
            if kind not in seen:
                seen.append(kind)
    return marks


def anchor(flows: Flows, flow: int) -> tuple[int, str]:
    """The time that the ladder counts from, ns, and its name: the trigger, else the SYN, else the first packet."""
    for slots, word in ((flows.hello, _trigger_word(flows, flow)), (flows.syn, "SYN")):
        if int(slots[flow]) >= 0:
            return flows.time(int(slots[flow])), word
    return flows.time(int(flows.start[flow])), "first packet"


def _trigger_word(flows: Flows, flow: int) -> str:
    return {1: "ClientHello", 2: "HTTP request", 3: "QUIC Initial"}.get(int(flows.trigger_kind[flow]), "client's first data")


def rungs(flows: Flows, flow: int, record: Mapping[str, Any]) -> list[Rung]:
    """All packets of a flow in capture order. `flow` is the index into `flows`, from 0."""
    zero, _ = anchor(flows, flow)
    marks = marks_of(record)
    out = []
    for slot in flows.slots(flow):
        row = int(flows.row[slot])
        number, origin = flows.number(slot), int(flows.origin[slot])
        label, detail = _describe(flows, flow, slot, row, origin)
        out.append(Rung(number, flows.time(slot) - zero, origin, label, detail, marks.get(number, Marks())))
    return out


def _describe(flows: Flows, flow: int, slot: int, row: int, origin: int) -> tuple[str, str]:
    """What an arrow says, and the header fields beside it."""
    packets = flows.packets
    common = [f"ttl {int(packets.ttl[row])}"]
    if packets.ip_id[row] >= 0:
        common.append(f"id 0x{int(packets.ip_id[row]):04x}")
        common.append("df" if packets.df[row] == 1 else "no-df")
    if packets.tos[row] > 0:
        common.append(f"tos 0x{int(packets.tos[row]):02x}")
    if origin == ICMP_ERROR or packets.icmp_type[row] >= 0:
        return f"ICMP {int(packets.icmp_type[row])}/{int(packets.icmp_code[row])}", " ".join([f"from {_source(packets, row)}", *common])
    length = int(packets.payload_length[row])
    if packets.protocol[row] != TCP:
        return f"UDP {length}", " ".join([_note(flows, flow, slot), *common]).strip()
    flags = int(packets.flags[row])
    words = [word for bit, word in FLAG_WORDS if flags & bit]
    label = " ".join(words or ["(no flags)"]) + (f" {length}" if length else "")
    fields = [f"seq {_relative(int(packets.seq[row]), flows, flow, origin)}"]
    if flags & ACK:
        fields.append(f"ack {_relative(int(packets.ack[row]), flows, flow, SERVER if origin == CLIENT else CLIENT)}")
    elif packets.ack[row] > 0:
        fields.append(f"ack-field {int(packets.ack[row])}")
    fields += [f"win {int(packets.window[row])}", *common]
    options = [word for bit, word in OPTION_WORDS if int(packets.options[row]) & bit]
    fields.append("opts " + ",".join(options) if options else "no-opts")
    if flags & RESERVED:
        fields.append(f"reserved 0x{(flags & RESERVED) >> 9:x}")
    if origin == STRAY:
        fields.insert(0, f"from {_source(packets, row)}")
    if flows.duplicate[slot] == 1:
        fields.append("capture-copy")
    return label, " ".join(filter(None, [*fields, _note(flows, flow, slot)]))


def _note(flows: Flows, flow: int, slot: int) -> str:
    """Landmarks in words."""
    trigger = flows.triggers[flow] if flow < len(flows.triggers) else None
    notes = []
    if slot == int(flows.hello[flow]):
        name = f" for {printable(trigger.server_name)}" if trigger is not None and trigger.server_name else ""
        notes.append(f"[{_trigger_word(flows, flow)}{name}]")
    if slot == int(flows.ack_end[flow]):
        notes.append("[acknowledges all of it]")
    if slot == int(flows.answer[flow]):
        notes.append("[first answer]")
    return " ".join(notes)


def _relative(raw: int, flows: Flows, flow: int, side: int) -> str:
    """A sequence number as Wireshark shows it: relative to the SYN of the side whose stream it counts."""
    base = int((flows.client_base if side == CLIENT else flows.server_base)[flow])
    if base < 0:
        return f"{raw} (raw)"
    ahead = (raw - base + 1 + (1 << 31)) % (1 << 32) - (1 << 31)
    return str(ahead)


def _source(packets: Packets, row: int) -> str:
    return str(ipaddress.ip_address(packets.addresses[int(packets.source[row])]))


def draw(flows: Flows, flow: int, record: Mapping[str, Any], *, everything: bool = False, room: int | None = None) -> list[str]:
    """The whole ladder as lines: head, what was found, arrows with evidence marked by `*`, and what the marks mean.

    flow: index into `flows`, from 0 · record: that flow's record · everything: leave nothing out · room: the screen's width in cells, None
    for no screen; what does not fit beside an arrow stands beneath it
    """
    all_rungs = rungs(flows, flow, record)
    _, word = anchor(flows, flow)
    lines = [*_head(record, flows, flow), f"times since the {word}", ""]
    digits = max(6, len(str(all_rungs[-1].number)) if all_rungs else 0)
    left = " " * (digits + 15)
    lines.append(f"{left}client{'server':>{SHAFT - 4}}")
    for part in _choose(all_rungs, everything):
        lines += [f"{left} {part}"] if isinstance(part, str) else _line(part, digits, room)
    lines += ["", *_legend(all_rungs, record)]
    return [piece for line in lines for piece in _wrapped(line, room)]


def _wrapped(line: str, room: int | None) -> list[str]:
    """Sentences in lines of the screen; arrows are laid out already."""
    if room is None or width(line) <= room or "|" in line:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, max(room, 40), subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True)


def _head(record: Mapping[str, Any], flows: Flows, flow: int) -> list[str]:
    def get(key: str) -> str:
        return printable(str(record.get(key) or ""))

    lines = [f"flow {record.get('flow', flow + 1)}: {get('client')} -> {get('server')}  {get('server_name') or '(no name)'}"]
    verdict = get("verdict")
    if verdict:
        parts = [verdict + (f" ({get('confidence')})" if get("confidence") and verdict in ("blocked", "contested") else "")]
        claimed = ("position",) if verdict in ("blocked", "contested") else ()  # as analyze: nobody is placed who is not accused
        parts += [f"{key} {get(key)}" for key in ("because", "technique", "signature", *claimed) if get(key) and get(key) != "unknown"]
        lines.append(", ".join(parts))
    lines += [f"  {printable(str(reason))}" for reason in record.get("reasons") or ()]
    rtt = int(flows.rtt[flow])
    samples = int(flows.rtt_samples[flow])
    lines.append(f"smallest round trip {duration(rtt)} ({samples} sample{'s' * (samples != 1)})" if rtt >= 0 else "round trip not known")
    return lines


def _choose(all_rungs: list[Rung], everything: bool) -> list[Rung | str]:
    """The rungs to draw, gaps as a sentence."""
    if everything or len(all_rungs) <= BEGINNING + END + 5:
        return list(all_rungs)
    out: list[Rung | str] = []
    skipped: list[Rung] = []
    for index, rung in enumerate(all_rungs):
        if index < BEGINNING or index >= len(all_rungs) - END or rung.marks:
            if skipped:
                out.append(_gap(skipped))
                skipped = []
            out.append(rung)
        else:
            skipped.append(rung)
    return out


def _gap(skipped: list[Rung]) -> str:
    client = sum(rung.origin == CLIENT for rung in skipped)
    return f":   {len(skipped)} packets left out, {client} of them from the client; --all shows them"


def _line(rung: Rung, digits: int, room: int | None) -> list[str]:
    mark = "*" if rung.marks.claims else "+" if rung.marks else " "
    text = f" {rung.label} "
    if rung.origin == CLIENT:
        arrow = "--" + text + "-" * max(SHAFT - 3 - len(text), 1) + ">"
    elif rung.origin == SERVER:
        arrow = "<" + "-" * max(SHAFT - 3 - len(text), 1) + text + "--"
    else:  # not from either end: a third address, or a router
        arrow = "<" + "~" * max(SHAFT - 3 - len(text), 1) + text + "~x"
    evidence = f"   <== {rung.marks.text()}" if rung.marks else ""
    drawn = f"{mark} {rung.number:>{digits}} {duration(rung.since):>11} {pad('|' + arrow + '|', SHAFT + 2)}"
    whole = f"{drawn} {rung.detail}{evidence}".rstrip()
    if room is None or width(whole) <= room:
        return [whole]
    indent = " " * (digits + 3)
    beneath = [text for text in (rung.detail, evidence.strip()) if text]
    return [drawn.rstrip(), *(line for text in beneath for line in textwrap.wrap(
        text, max(room, 40), initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False))]  # fmt: skip


def _legend(all_rungs: list[Rung], record: Mapping[str, Any]) -> list[str]:
    """What every mark stands for, with its packets; then the clauses that this capture cannot show."""
    by_mark: dict[str, list[int]] = {}
    for rung in all_rungs:
        for signature, clauses in rung.marks.claims.items():
            for clause in clauses:
                by_mark.setdefault(f"* {signature}, {clause}", []).append(rung.number)
    for rung in all_rungs:
        for kind in rung.marks.seen:
            by_mark.setdefault(f"+ {kind}", []).append(rung.number)
    lines = [f"{mark}: packet{'s' * (len(numbers) != 1)} {ranges(numbers)}" for mark, numbers in by_mark.items()]
    drawn = {rung.number for rung in all_rungs}
    for match in record.get("matches") or ():
        held = {name: state for name, state in (match.get("clauses") or {}).items() if state.get("state") == "held" and not state.get("server_packets")}
        whole = [printable(name) for name, state in held.items() if not drawn.intersection(map(int, state.get("packets") or ()))]
        if whole:
            lines.append(f"  {printable(str(match.get('signature')))}: held by the flow as a whole or by other flows: {', '.join(whole)}")
        unseen = [printable(name) for name, state in (match.get("clauses") or {}).items() if state.get("state") == "not_visible"]
        if unseen:
            lines.append(f"  {printable(str(match.get('signature')))}: not visible in this capture: {', '.join(unseen)}")
    if any(rung.marks for rung in all_rungs):
        return ["* holds a clause of a signature, + is an observation:", *lines]
    return [*lines, "no packet of this flow is evidence of anything"]
