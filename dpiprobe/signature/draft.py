"""A draft of a signature from packets that no device claims: clustered by what they share, commented, ready to edit.

Rules of this file:
- What the packets share over several flows is asked for; what one flow alone shows may be chance and stands in comments.
- The draft passes the reader and matches the flows it was made from. It says TODO where only a person knows.
- Packets that only a technique claims (a generic signature) are free: nobody has named who made them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dpiprobe.observe.table import CLIENT, ICMP_ERROR, ORIGINS, SuspectTable
from dpiprobe.observe.vocabulary import PACKET_FEATURES
from dpiprobe.signature.match import Match, unclaimed
from dpiprobe.signature.reader import read_signature
from dpiprobe.wire.packets import ACK, FIN, RST, SYN

ORIGIN_WORDS = {index: word for word, index in ORIGINS.items()}
LETTERS = (("S", SYN), ("F", FIN), ("R", RST), ("A", ACK))
TRIGGERS = {0: "syn", 1: "client_hello", 2: "http_request", 3: "quic_initial"}

SHAPE = ("df", "options", "seq_ahead", "ack_ahead", "ack_raw", "payload", "reserved_bits", "payload_zeros", "http_status", "tls_alert", "icmp_type",
         "icmp_code")  # fmt: skip
"""What a packet is built like: asked for as soon as all packets of the cluster agree."""
CONSTANTS = ("ipid", "window", "ttl_initial", "tos", "ip_length", "window_minus_ttl")
"""What may be a device's constant or chance: asked for where two flows agree, else a comment."""
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
        clause = _silence(table, flows)
        return None if clause is None else _file(identity, "drop.hello", kind, clause, _emulation(kind, [], table))
    clauses = [line for cluster in clusters for line in _clause(table, cluster, flows)]
    text = _file(identity, _technique(table, clusters, flows), kind, clauses, _emulation(kind, clusters, table))
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
        elif len(seen_in) > 1 or (shared == 0 and name in ("ipid", "window")):
            lines.append(f"    {name}: {shared}")
        else:
            lines.append(f"    # {name}: {shared}     one flow: constant or chance? Draft from several flows to know")
    lines += _groups(table, cluster, flows)
    body = _shared(table, cluster.rows, "body_contains")
    if isinstance(body, bytes) and body and _shared(table, cluster.rows, "payload_zeros") is None:
        head = body[:24].decode("ascii", "replace").encode("ascii", "backslashreplace").decode()
        lines.append(f"    # payload begins {head!r}: ask for words of it with body_contains: \"...\"")
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
    same = [n for n in ("ipid", "seq_raw", "window") if all(_shared(table, rows, n) is not None for rows in by_flow.values() if rows)]
    lines = [f"    count: at least {min(sizes)}"]
    if same:
        lines.insert(0, f"    same: [{', '.join(n.removesuffix('_raw') for n in same)}]")
    for name in ("window", "ttl", "seq_raw"):
        steps = {b - a for rows in by_flow.values() for a, b in _neighbours([_value(table, r, name) for r in rows])}
        if len(steps) == 1 and (step := steps.pop()) != 0:
            lines.append(f"    # step: {{{name.removesuffix('_raw')}: {step}}}     from one to the next")
    longest = max(int(table.time[rows[-1]] - table.time[rows[0]]) for rows in by_flow.values() if rows)
    lines.append(f"    # span: at most {max(longest // 1000, 1)} us     what was seen; leave room for jitter")
    return lines


def _neighbours(values: Sequence[Any]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in pairwise(values) if a is not None and b is not None]


def _shared(table: SuspectTable, rows: Sequence[int], name: str) -> Any:
    """The value that all rows have, None where one differs or cannot be seen."""
    values = [_value(table, r, name) for r in rows]
    return values[0] if values and values[0] is not None and all(v == values[0] for v in values) else None


def _said(name: str, value: Any) -> str:
    feature = PACKET_FEATURES[name]
    return feature.choices[int(value)] if feature.kind == "choice" else str(value)


def _silence(table: SuspectTable, flows: Sequence[int]) -> list[str] | None:
    """A clause on the flow where no packet speaks: a trigger that was never acknowledged to its end."""
    ack, copies = table.flow_feature("server_ack"), table.flow_feature("retransmissions")
    f = flows[0]
    if not ack.known[f] or int(ack.data[f]) == 2 or not copies.known[f] or int(copies.data[f]) < 2:
        return None
    word = ("none", "partial", "end")[int(ack.data[f])]
    return ["  unacknowledged:", f"    flow: {{server_ack: {word}, answered: false, retransmissions: at least 2, unacknowledged_for: at least 3 s}}"]


def _technique(table: SuspectTable, clusters: Sequence[Cluster], flows: Sequence[int]) -> str:
    if all(int(table.trigger_kind[f]) == 0 for f in flows):
        return "address.icmp" if clusters[0].key[0] == ICMP_ERROR else "address.rst"
    for cluster in clusters:
        if cluster.key[2] and not cluster.key[1] & RST:
            return "data"
    if any(c.key[1] & RST for c in clusters):
        ack = table.flow_feature("server_ack")
        heard = [int(ack.data[f]) == 2 for f in flows if ack.known[f]]
        return "rst.on-path" if heard and all(heard) else "rst"
    return "icmp" if clusters[0].key[0] == ICMP_ERROR else "fin"


MECHANISM = {"rst": ("tls.reset.sni", "http.reset.host"), "data": ("tls", "http"), "fin": ("tls.close.sni", "http.close.host"),
             "drop": ("tls.timeout.sni", "http.timeout.host"), "icmp": ("tls.timeout.sni", "http.timeout.host"), "address": ("tcp", "tcp")}  # fmt: skip


def _emulation(kind: int, clusters: Sequence[Cluster], table: SuspectTable) -> list[str]:
    """The lab's box that does the same, as far as the packets tell."""
    trigger = TRIGGERS.get(kind, "client_hello")
    lines = ["emulate:", f"  trigger: {trigger}", "  hello: pass           # TODO: drop, where the server never saw it"]
    sends = []
    for cluster in clusters:
        origin, flags, _ = cluster.key
        if origin == ICMP_ERROR or not flags:
            continue
        df = _shared(table, cluster.rows, "df")
        zeros = _shared(table, cluster.rows, "payload_zeros")
        payload = f", payload: {{zeros: {zeros}}}" if zeros else ', payload: "TODO"' if cluster.key[2] else ""
        letters = "".join(letter for letter, bit in LETTERS if flags & bit)
        sends.append(
            f"    - {{to: client, flags: {letters}, seq: {'zero' if kind == 0 else 'expected'}, ack: {'hello_end' if flags & ACK else 'zero'}, ipid: random, "
            f"df: {'set' if df == 0 else 'clear'}, ttl: 64, window: 0, options: none{payload}}}"
        )
    return [*lines, "  send:", *sends] if sends else [*lines[:2], "  hello: drop"]


def _file(identity: str, technique: str, kind: int, clauses: Sequence[str], emulation: Sequence[str]) -> str:
    mechanism = MECHANISM[technique.split(".", maxsplit=1)[0]][1 if kind == 2 else 0]
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
            f"examples: {{match: [{identity}], near_miss: [server-reset-unknown-name]}}",
            "",
        ]
    )
