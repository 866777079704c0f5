"""A draft of a signature from packets that no device claims: clustered by what they share, commented, ready to edit.

Rules of this file:
- What the packets share over several flows is asked for; what one flow alone shows may be chance and stands in comments.
- The draft passes the reader and matches the flows it was made from. It says TODO where only a person knows.
- Packets that only a technique claims (a generic signature) are free: nobody has named who made them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dpiprobe.observe.table import CLIENT, ICMP_ERROR, ORIGINS, SuspectTable
from dpiprobe.observe.vocabulary import PACKET_FEATURES
from dpiprobe.signature.match import Match, unclaimed
from dpiprobe.signature.reader import read_signature
from dpiprobe.wire.packets import ACK, FIN, PSH, RST, SYN, URG

ORIGIN_WORDS = {index: word for word, index in ORIGINS.items()}
LETTERS = (("S", SYN), ("F", FIN), ("R", RST), ("A", ACK))
TRIGGERS = {0: "syn", 1: "client_hello", 2: "http_request", 3: "quic_initial"}

SHAPE = ("df", "options", "seq_ahead", "ack_ahead", "ack_raw", "payload", "reserved_bits", "payload_zeros", "http_status", "tls_alert", "icmp_type",
         "icmp_code")  # fmt: skip
"""What a packet is built like: asked for as soon as all packets of the cluster agree."""
CONSTANTS = ("ipid", "window", "ttl_initial", "tos", "ip_length", "window_minus_ttl")
"""What may be a device's constant or chance: asked for where two flows agree, else a comment."""
SHORT, LONG, LEAST_WORDS = 64, 400, 6
"""Bytes and letters of a payload that are written out, and letters that make words of it. Policy."""
_NEAR_MISS = {0: "closed-port", 2: "genuine-redirect"}
SILENT_NEAR_MISS, RESET_NEAR_MISS = "hung-server-acks", "server-reset-unknown-name"
STOCK_NEAR_MISSES = frozenset({*_NEAR_MISS.values(), SILENT_NEAR_MISS, RESET_NEAR_MISS})
"""The recorded cases that a draft begins with: genuine behaviour of another kind, so that something is there. By trigger, then by technique."""
COPIES = ("ipid_mirror", "window_mirror")
"""What a device may copy from the trigger: 0 says so."""


@dataclass(slots=True)
class Cluster:
    """Rows that look alike. name: of the clause · key: origin, flags and whether it carries payload"""

    name: str
    key: tuple[int, int, bool]
    rows: list[int] = field(default_factory=list)


def draft(table: SuspectTable, matches: Iterable[Match], flows: Sequence[int], identity: str = "new-signature") -> str | None:
    """YAML of a signature of what nobody claims in these flows (of one behaviour); None where there is nothing to describe."""
    free = unclaimed(table, [m for m in matches if m.deployment])
    rows = [r for r in range(len(table.flow)) if free[r] and int(table.flow[r]) in flows and _strange(table, r)]
    clusters = _clusters(table, rows)
    kind = int(table.trigger_kind[flows[0]])
    if not clusters:
        technique, clause = _silence(table, flows)
        return None if technique is None else _file(identity, technique, kind, clause, _silent_box(technique, kind))
    clauses = [line for cluster in clusters for line in _clause(table, cluster, flows)]
    text = _file(identity, _technique(table, clusters, flows), kind, clauses, _emulation(kind, clusters, table, flows))
    signature, problems, _ = read_signature(text, "draft")
    if problems:  # a value the grammar cannot say: never for the features above, but a draft that is refused helps nobody
        return None
    if signature is not None and signature.distinctive_fields:
        return text.replace(
            "generic: true         # no field is distinctive so far: it names a technique",
            f"generic: false        # distinctive: {', '.join(signature.distinctive_fields)}",
        )
    return text


def _value(table: SuspectTable, row: int, name: str) -> Any:
    values = table.feature(name)
    return values.data[row].item() if values.known[row] and hasattr(values.data[row], "item") else values.data[row] if values.known[row] else None


def _strange(table: SuspectTable, row: int) -> bool:
    """Worth describing: no client's packet, no ordinary answer of the server."""
    if int(table.origin[row]) == CLIENT:
        return False
    if int(table.origin[row]) != ORIGINS["server"] or int(table.flags[row]) & RST:
        return True
    if _value(table, row, "overlaps"):
        return bool(_value(table, row, "options_missing")) or not _value(table, row, "echoes_timestamps")
    plain = _value(table, row, "http_status") is not None or _value(table, row, "tls_alert") is not None
    missing = bool(_value(table, row, "options_missing"))
    early = (_value(table, row, "delay_over_rtt") or 1.0) <= 0.5
    return missing or early or (plain and not _value(table, row, "echoes_timestamps"))


def _clusters(table: SuspectTable, rows: Sequence[int]) -> list[Cluster]:
    found: dict[tuple[int, int, bool], Cluster] = {}
    for row in rows:
        flags = int(table.flags[row]) & (SYN | FIN | RST | ACK)
        key = (int(table.origin[row]), flags, bool(_value(table, row, "payload")))
        if key not in found:
            base = "told" if key[0] == ICMP_ERROR else "resets" if flags & RST else "close" if flags & FIN else "answer"
            taken = sum(c.name.rstrip("_0123456789") == base for c in found.values())
            found[key] = Cluster(base if not taken else f"{base}_{taken + 1}", key)
        found[key].rows.append(row)
    return list(found.values())  # rows ascend, so clusters stand in the order of their first packets


def _clause(table: SuspectTable, cluster: Cluster, flows: Sequence[int]) -> list[str]:
    """The lines of one clause, comments included."""
    origin, flags, _ = cluster.key
    lines = [f"  {cluster.name}:", f"    from: {ORIGIN_WORDS[origin]}"]
    if origin != ICMP_ERROR and flags:
        lines.append(f"    flags: {''.join(letter for letter, bit in LETTERS if flags & bit)}")
    seen_in = {int(table.flow[r]) for r in cluster.rows}
    for name in SHAPE:
        shared = _shared(table, cluster.rows, name)
        if shared is None or (name == "ack_raw" and (flags & ACK or shared != 0)) or (name == "ack_ahead" and not flags & ACK):
            continue
        if name == "reserved_bits" and shared == 0:
            continue
        lines.append(f"    {name}: {_said(name, shared)}")
    for name in COPIES:
        if _shared(table, cluster.rows, name) == 0 and _shared(table, cluster.rows, name.removesuffix("_mirror")) != 0:
            lines.append(f"    {name}: 0         # a copy of the trigger's")
    for name in CONSTANTS:
        shared = _shared(table, cluster.rows, name)
        if shared is None:
            shown = sorted({str(v) for r in cluster.rows if (v := _value(table, r, name)) is not None})
            if shown:
                lines.append(f"    # {name} differs: {', '.join(shown[:6])}{' ...' if len(shown) > 6 else ''}")
        elif (name, shared) == ("tos", 0) or (name == "ip_length" and not cluster.key[2]):
            continue
        elif name == "window_minus_ttl" and _shared(table, cluster.rows, "window") is not None:
            continue  # a constant window says it already, and the difference would only hold as many hops away as this capture was taken
        elif len(seen_in) == 1 and name in ("ip_length", "window_minus_ttl"):
            continue  # what one flow shows of these says nothing more than payload, window and TTL do
        elif len(seen_in) > 1 or (shared == 0 and name in ("ipid", "window")):
            lines.append(f"    {name}: {shared}")
        else:
            lines.append(f"    # {name}: {shared}     one flow: constant or chance? Draft from several flows to know")
    lines += _groups(table, cluster, flows)
    body = _shared(table, cluster.rows, "body_contains")
    if isinstance(body, bytes) and body and _shared(table, cluster.rows, "payload_zeros") is None:
        if flags & RST and len(body) <= SHORT:  # no stack puts bytes into a reset: they are the device's own
            lines.append(f'    payload_bytes: "{body.hex(" ")}"')
        elif (words := _words(body)) is not None:
            lines.append(f"    # body_contains: {words}     ask for what only this notice has; constant or chance?")
    delays = [d for r in cluster.rows if (d := _value(table, r, "delay_over_rtt")) is not None]
    if delays:
        lines.append(f"    # delay_over_rtt: at most {max(delays):.2f}     0.5 or less is early: no server can answer so soon")
    return lines


def _groups(table: SuspectTable, cluster: Cluster, flows: Sequence[int]) -> list[str]:
    """Several packets in a flow: what is equal in them, or the step from one to the next."""
    by_flow = {f: [r for r in cluster.rows if int(table.flow[r]) == f] for f in flows}
    sizes = {len(rows) for rows in by_flow.values() if rows}
    if not sizes or min(sizes) < 2:
        return []
    seen_in = {f for f, rows in by_flow.items() if rows}
    same = [n for n in ("ipid", "seq_raw", "window") if all(_shared(table, rows, n) is not None for rows in by_flow.values() if rows)]
    lines = [f"    count: at least {min(sizes)}"]
    if same:
        lines.insert(0, f"    same: [{', '.join(n.removesuffix('_raw') for n in same)}]")
    for name in ("ipid", "window", "ttl"):
        pairs = [b - a for rows in by_flow.values() for a, b in _neighbours([_value(table, r, name) for r in rows])]
        steps = {(p + 0x8000) % 0x10000 - 0x8000 for p in pairs} if name == "ipid" else set(pairs)
        if len(steps) == 1 and (step := steps.pop()) != 0 and (name != "ipid" or len(pairs) > 1):
            lines.append(f"    # step: {{{name.removesuffix('_raw')}: {step}}}     from one to the next")
    ladders = {_offsets(table, rows) for rows in by_flow.values() if rows}
    if len(ladders) == 1 and len(set(offsets := ladders.pop())) > 1:
        mark, note = ("", "") if len(seen_in) > 1 else ("# ", "     one flow: constant or chance?")
        lines.append(f"    {mark}seq_offsets: [{', '.join(map(str, offsets))}]{note}")
    longest = max(int(table.time[rows[-1]] - table.time[rows[0]]) for rows in by_flow.values() if rows)
    lines.append(f"    # span: at most {max(longest // 1000, 1)} us     what was seen; leave room for jitter")
    return lines


def _offsets(table: SuspectTable, rows: Sequence[int]) -> tuple[int, ...]:
    """Sequence numbers relative to the first packet's; nothing where there are none (ICMP)."""
    raw = [_value(table, r, "seq_raw") for r in rows]
    return () if None in raw else tuple(int(n) - int(raw[0]) for n in raw)


def _neighbours(values: Sequence[Any]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in pairwise(values) if a is not None and b is not None]


def _shared(table: SuspectTable, rows: Sequence[int], name: str) -> Any:
    """The value that all rows have, None where one differs or cannot be seen."""
    values = [_value(table, r, name) for r in rows]
    return values[0] if values and values[0] is not None and all(v == values[0] for v in values) else None


def _said(name: str, value: Any) -> str:
    feature = PACKET_FEATURES[name]
    return feature.choices[int(value)] if feature.kind == "choice" else str(value)


def _words(body: bytes) -> str | None:
    """Quoted words of a payload that are worth asking for: its Location header, else its first line of text."""
    text = body.decode("ascii", "replace").replace("\ufffd", "")
    lines = [line for line in text.splitlines() if line.lower().startswith("location:")] or [text[:24]]
    chosen = "".join(c for c in lines[0] if c.isprintable())[:60]
    return json.dumps(chosen) if len(chosen) >= LEAST_WORDS else None


def _silence(table: SuspectTable, flows: Sequence[int]) -> tuple[str | None, list[str]]:
    """(technique, clauses on the flow) where no packet speaks: a trigger not acknowledged to its end, or not answered, or an answer that stops."""
    f = flows[0]

    def of(name: str) -> Any:
        column = table.flow_feature(name)
        return column.data[f].item() if column.known[f] else None

    ack, copies, stopped = of("server_ack"), of("retransmissions"), of("then_silence")
    control = "  others_finish: {control: completes}"
    if ack is not None and int(ack) != 2 and (copies or 0) >= 2:
        word = ("none", "partial", "end")[int(ack)]
        asked = f"{{server_ack: {word}, answered: false, retransmissions: at least 2, unacknowledged_for: at least 3 s}}"
        return "drop.hello", [f"  unacknowledged: {{flow: {asked}}}"]
    if of("answered") and (stopped or 0) >= 3_000_000_000:
        size = f"  # server_bytes: {of('server_bytes')} here: where does it stop in other flows?"
        return "drop.stall", [f"  stalled: {{flow: {{answered: true, then_silence: at least 3 s}}}}{size}", control]
    if ack is not None and int(ack) == 2 and not of("answered") and (of("watched_after") is not None):
        silent = "  silence: {absent: {from: server, lacks: [S], within: 3 s}}"
        return "drop.answer", ["  heard: {flow: {server_ack: end, answered: false}}", silent, control]
    return None, []


def _silent_box(technique: str, kind: int) -> list[str]:
    """The lab's box that swallows as much."""
    lines = ["emulate:", f"  trigger: {TRIGGERS.get(kind, 'client_hello')}", f"  hello: {'drop' if technique == 'drop.hello' else 'pass'}"]
    then = {"drop.hello": "{to_server: drop, to_client: pass}", "drop.answer": "{to_server: pass, to_client: drop, after: {packets: 1}}",
            "drop.stall": "{to_server: drop, to_client: drop, after: {bytes: 16000}}   # TODO: after as many as it lets through"}[technique]  # fmt: skip
    return [*lines, f"  then: {then}"]


def _technique(table: SuspectTable, clusters: Sequence[Cluster], flows: Sequence[int]) -> str:
    if all(int(table.trigger_kind[f]) == 0 for f in flows):
        return "address.icmp" if clusters[0].key[0] == ICMP_ERROR else "address.rst"
    for cluster in clusters:
        if cluster.key[2] and not cluster.key[1] & RST:
            status = _shared(table, cluster.rows, "http_status")
            if status is not None:
                return "data.redirect" if 300 <= int(status) < 400 else "data.blockpage"
            return "data.alert" if _shared(table, cluster.rows, "tls_alert") is not None else "data"
    if any(c.key[1] & RST for c in clusters):
        ack = table.flow_feature("server_ack")
        heard = [int(ack.data[f]) == 2 for f in flows if ack.known[f]]
        return "rst.on-path" if heard and all(heard) else "rst"
    return "icmp" if clusters[0].key[0] == ICMP_ERROR else "fin"


MECHANISM = {"rst": ("tls.reset.sni", "http.reset.host"), "data": ("tls", "http"), "data.redirect": ("tls", "http.redirect"),
             "data.blockpage": ("tls", "http.blockpage"), "data.alert": ("tls.alert.sni", "http"), "drop.stall": ("tls.stall", "http.timeout"),
             "fin": ("tls.close.sni", "http.close.host"),
             "drop": ("tls.timeout.sni", "http.timeout.host"), "icmp": ("tls.timeout.sni", "http.timeout.host"), "address": ("tcp", "tcp")}  # fmt: skip


def _emulation(kind: int, clusters: Sequence[Cluster], table: SuspectTable, flows: Sequence[int]) -> list[str]:
    """The lab's box that does the same, as far as the packets tell: what one flow shows stands in it, so that the box makes that very case."""
    trigger = TRIGGERS.get(kind, "client_hello")
    ack = table.flow_feature("server_ack")
    swallowed = kind and all(bool(ack.known[f]) and int(ack.data[f]) != 2 for f in flows)
    lines = ["emulate:", f"  trigger: {trigger}", f"  hello: {'drop' if swallowed else 'pass'}"]
    sends = [line for cluster in clusters if (line := _send(cluster, table, kind)) is not None]
    delays = [d for c in clusters for r in c.rows[:1] if (d := _value(table, r, "delay")) is not None and d > 0]
    lines += [f"  delay: {max(min(delays) // 1_000_000, 1)} ms   # what came after the trigger at the client; less where the box is"] if delays else []
    return [*lines, "  send:", *sends] if sends else lines


def _written(body: bytes) -> str:
    """A payload as the emulation takes it: text where it is text, else its bytes; long ones are for a person to shorten."""
    text = body[:LONG].decode("ascii", "replace")
    if all(c.isprintable() or c in "\r\n\t" for c in text) and "\ufffd" not in text:
        return json.dumps(text)
    return f'{{hex: "{body[:SHORT].hex(" ")}"}}'


ICMP_WORDS = {(3, 13): "admin_prohibited", (3, 10): "host_prohibited", (3, 9): "net_prohibited", (3, 1): "host_unreachable", (3, 0): "net_unreachable",
              (3, 3): "port_unreachable"}  # fmt: skip


def _send(cluster: Cluster, table: SuspectTable, kind: int) -> str | None:
    """One entry of `send`, or None where the box cannot say it."""
    origin, flags, carries = cluster.key

    def of(name: str) -> Any:
        return _shared(table, cluster.rows, name)

    ttl = of("ttl_initial") or 64
    if origin == ICMP_ERROR:
        word = ICMP_WORDS.get((of("icmp_type") or -1, -1 if of("icmp_code") is None else of("icmp_code")))
        return None if word is None else f"    - {{to: client, icmp: {word}, ipid: {0 if of('ipid') == 0 else 'random'}, df: clear, ttl: {ttl}}}"
    if not flags:
        return None
    also = [int(table.flags[r]) for r in cluster.rows]
    pushed = "P" * ((carries and not flags & RST) or all(f & PSH for f in also)) + "U" * all(f & URG for f in also)
    letters = "".join(letter for letter, bit in (("S", SYN), ("F", FIN), ("R", RST)) if flags & bit) + pushed + "A" * bool(flags & ACK)
    one_flow = [r for r in cluster.rows if int(table.flow[r]) == int(table.flow[cluster.rows[0]])]
    ipid = "mirror" if of("ipid_mirror") == 0 and of("ipid") != 0 else "random" if of("ipid") is None else of("ipid")
    window = "mirror" if of("window_mirror") == 0 and of("window") != 0 else "random" if of("window") is None else of("window")
    tos = f"tos: {of('tos')}, " if of("tos") else ""
    body, zeros = of("body_contains"), of("payload_zeros")
    payload = f", payload: {{zeros: {zeros}}}" if zeros else ""
    if carries and not zeros:
        payload = f", payload: {_written(body)}" if isinstance(body, bytes) else ', payload: "TODO"'
    offsets = _offsets(table, one_flow)
    many = f", seq_offsets: [{', '.join(map(str, offsets))}]" if len(set(offsets)) > 1 else f", copies: {len(one_flow)}" if len(one_flow) > 1 else ""
    return (
        f"    - {{to: client, flags: {letters}{many}, seq: {'zero' if kind == 0 and of('seq_raw') == 0 else 'expected'}, "
        f"ack: {'hello_end' if flags & ACK else 'zero'}, ipid: {ipid}, df: {'set' if of('df') == 0 else 'clear'}, ttl: {ttl}, window: {window}, {tos}"
        f"options: none{payload}}}"
    )


def _file(identity: str, technique: str, kind: int, clauses: Sequence[str], emulation: Sequence[str]) -> str:
    mechanism = (MECHANISM.get(technique) or MECHANISM[technique.split(".", maxsplit=1)[0]])[1 if kind == 2 else 0]
    near_miss = _NEAR_MISS.get(kind, SILENT_NEAR_MISS if technique.startswith("drop") else RESET_NEAR_MISS)
    return "\n".join(
        [
            f"id: {identity}     # the file's name without .yaml",
            "title: TODO, who does what in a few words",
            f"mechanism: {mechanism}",
            f"technique: {technique}",
            "status: experimental",
            "confidence: low       # until a source says that these values are the device's own",
            "generic: true         # no field is distinctive so far: it names a technique",
            "seen: {where: TODO}",
            "description: TODO, what happens, so that a newcomer understands it.",
            "looks_like: TODO, what else looks like it, and how to tell.",
            'references: ["TODO: the capture or paper this comes from"]',
            f"trigger: {TRIGGERS.get(kind, 'client_hello')}",
            "expect:",
            *clauses,
            *emulation,
            f"examples: {{match: [{identity}], near_miss: [{near_miss}]}}   # cases that are there, or that you make",
            "",
        ]
    )
