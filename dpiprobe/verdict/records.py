"""Verdicts as the records of design section 7: plain dicts in fixed key order, one a flow, one a (server, name), one for the capture.

Rules of this file: it decides nothing; absent knowledge is None; the same input gives the same dicts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any

from dpiprobe.capture.model import Capture
from dpiprobe.flow.flows import TRIGGER_WORDS, Flows
from dpiprobe.signature.match import Match
from dpiprobe.verdict.control import Controls
from dpiprobe.verdict.grouping import groups_of
from dpiprobe.verdict.judgements import Judgements
from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.names import NameJudgement
from dpiprobe.verdict.trials import Trials, gather

FORMAT = "dpiprobe/1"


@lru_cache(maxsize=1 << 14)
def endpoint(address: bytes, port: int) -> str:
    """`192.0.2.1:443` or `[2001:db8::1]:443` (RFC 5952)."""
    return f"{host(address)}:{port}"


@lru_cache(maxsize=4096)
def host(address: bytes) -> str:
    """An address as it stands before a port; a capture has few, and each in many flows."""
    if len(address) == 4:
        return "%d.%d.%d.%d" % tuple(address)  # noqa: UP031 - ten times as fast as the module, and a part has hundreds
    text = str(ipaddress.ip_address(address))
    return f"[{text}]" if len(address) == 16 else text


def iso(ns: int) -> str:
    """A time in UTC with nine decimals; integers all the way (a float would round)."""
    seconds, rest = divmod(ns, 1_000_000_000)
    days, second = divmod(seconds, 86400)
    year, month, day = _civil(days)
    return f"{year:04d}-{month:02d}-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{rest:09d}Z"


@lru_cache(maxsize=64)
def _civil(days: int) -> tuple[int, int, int]:
    """Days since 1970-01-01 as a Gregorian date; any integer, so that odd clocks of odd captures never raise."""
    era_days = days + 719468
    era, of_era = divmod(era_days, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (1 if month <= 2 else 0), month, day_of_year - (153 * shifted + 2) // 5 + 1


def server_of(flows: Flows, f: int) -> str:
    """The server endpoint of a flow as text."""
    return endpoint(flows.packets.addresses[int(flows.server[f])], int(flows.server_port[f]))


def client_of(flows: Flows, f: int) -> str:
    """The client endpoint of a flow as text."""
    return endpoint(flows.packets.addresses[int(flows.client[f])], int(flows.client_port[f]))


def flow_record(capture: str, flows: Flows, judgement: Judgement, matches: Sequence[Match]) -> dict[str, Any]:
    """The record of one flow."""
    f = judgement.flow
    trigger = flows.triggers[f]
    first = int(flows.start[f])
    start = flows.time(first)
    return {
        "format": FORMAT,
        "kind": "flow",
        "capture": capture,
        "flow": flows.label(f),
        "transport": "quic" if int(flows.transport[f]) == 17 else "tcp",
        "client": client_of(flows, f),
        "server": server_of(flows, f),
        "first_packet": flows.number(first),
        "packets": int(flows.stop[f] - flows.start[f]),
        "start": iso(start),
        "start_ns": start,
        "trigger_kind": TRIGGER_WORDS[int(flows.trigger_kind[f])],
        "server_name": trigger.server_name if trigger else None,
        "alpn": trigger.alpn if trigger else None,
        "ja4": trigger.ja4 if trigger else None,
        "ech": trigger.ech if trigger else None,
        "outcome": judgement.outcome,
        **verdict_of(judgement),
        "signature": judgement.signature,
        "matches": [m.plain() for m in matches],
        "observations": [
            {"kind": o.kind, "packets": sorted({flows.number(s) for s in o.slots}), **o.detail}
            for o in judgement.observations
        ],
        "reasons": judgement.reasons,
    }


def verdict_of(judgement: Judgement) -> dict[str, Any]:
    """The words that are said of a flow, and of a name by its lead."""
    return {
        "verdict": judgement.verdict,
        "because": judgement.because,
        "could_be": judgement.could_be,
        "mechanism": judgement.mechanism,
        "technique": judgement.technique,
        "techniques": judgement.techniques,
        "trigger": judgement.trigger,
        "direction": judgement.direction,
        "position": judgement.position,
        "confidence": judgement.confidence,
    }


def gather_names(flows: Flows, judgements: Judgements, controls: Controls, planned: Mapping[int, str] | None = None) -> Trials:
    """The trials of each (server, name) among these flows. `planned`: names that a plan meant flows to send, for those that sent none."""
    servers = groups_of(flows.server, flows.server_port)
    addresses, first = flows.packets.addresses, servers.first
    ends = [endpoint(addresses[a], port) for a, port in zip(flows.server[first].tolist(), flows.server_port[first].tolist(), strict=True)]
    return gather(flows, judgements, controls, (ends, servers.of), planned)


def name_record(capture: str, name: NameJudgement, among: Set[int] | None = None) -> dict[str, Any]:
    """The record of one (server, name). `among`: the flows (from 1) that are of interest, where that is not all of them; none is where all is well"""
    lead = name.lead
    flows = [] if among is not None and name.verdict == "ok" else [f + 1 for f in name.flows if among is None or f + 1 in among]
    return {
        "format": FORMAT,
        "kind": "name",
        "capture": capture,
        "server": name.server,
        "server_name": name.server_name,
        "controls": name.controls,
        "outcome": lead.outcome,
        **verdict_of(lead),
        "verdict": name.verdict,
        "confidence": name.confidence,
        "signature": lead.signature,
        "reasons": name.reasons,
        "trials": name.trials,
        "flows": flows,
    }


def capture_record(capture: Capture, tool: str, database: str) -> dict[str, Any]:
    """The record of the capture itself."""
    return {
        "format": FORMAT,
        "kind": "capture",
        "capture": capture.name,
        "sha256": capture.sha256,
        "packets": capture.frames,
        "undecoded": capture.undecoded,
        "undecoded_reasons": dict(sorted(capture.undecoded_reasons.items())),
        "other": capture.other,
        "fragments": capture.fragments,
        "damage": capture.damage,
        "drops": capture.drops,
        "links": capture.links,
        "complete": capture.complete,
        "tool": tool,
        "signatures": database,
    }


def all_records(
    capture: Capture,
    flows: Flows,
    judgements: Sequence[Judgement],
    names: Sequence[NameJudgement],
    matches: dict[int, list[Match]],
    tool: str,
    database: str,
) -> Iterator[dict[str, Any]]:
    """Flow records in the capture's order, then names, then the capture."""
    for judgement in judgements:
        yield flow_record(capture.name, flows, judgement, matches.get(judgement.flow, []))
    for name in names:
        yield name_record(capture.name, name)
    yield capture_record(capture, tool, database)
