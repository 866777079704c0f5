"""Why a flow was called what it was, and what would change that: the sentences under the ladder.

Rules of this file:
- It decides nothing and repeats no rule: verdict, reasons and evidence are the judge's. It names the packets that speak for each other explanation, and
  against it, so that a reader can open them.
- What the capture does not show is said to be unknown; nothing is inferred from it.
- What would change a verdict follows the rules of docs/verdicts.md: for each word, what the next word would need.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dpiprobe.observe.table import CLIENT, SERVER
from dpiprobe.report.printable import duration, printable, ranges
from dpiprobe.wire.packets import FIN, RST, SYN

if TYPE_CHECKING:
    from dpiprobe.explain import Explanation
    from dpiprobe.verdict.model import Judgement

ACCUSED = ("blocked", "contested")
WIDTH = 140
MARGIN = 16
"""Bytes by which a hello may be longer than others without counting as larger: a longer name. Policy."""

NEEDS: Mapping[str, str] = {
    "no-trigger": "a hello or a request in the flow; without one only the address can be judged",
    "no-control": "another name that works at this address before and after, by a hello alike in length and segments (--control NAME says which it is)",
    "too-few-trials": "the same in three trials, with a control that works in between",
    "truncated": "a capture that goes on for at least 3 s after the hello",
    "one-direction": "the other direction: what the server sent is not in the capture",
    "mid-stream": "a capture that begins before the connection does",
    "ttl-limited": "a hello that was meant to arrive: these were sent with a short TTL",
    "capture-loss": "a capture that lost nothing: bytes are acknowledged here that are not in the file",
    "server-or-third-party": "a packet earlier than half the smallest round trip, a field that no stack of the server writes, an answer after the reset, or a "
    "capture at the server (--server-side FILE)",
    "silent": "three copies over 3 s that nobody acknowledges while hellos alike are, before and after, and no SYN/ACK that comes again; or a capture at the "
    "server (--server-side FILE)",
    "whose-proxy": "an unrelated server's network behind the same proxy, a trace, or a capture at the server (--server-side FILE)",
}


def why(explanation: Explanation, number: int, record: Mapping[str, Any], signatures: Sequence[Any] = ()) -> list[str]:
    """Lines under a ladder. number: the flow's, from 1 · signatures: those of the database, to name what almost matched"""
    flow = number - 1
    lines = ["", *_part("what decided", _decided(explanation, flow, record)), *_part("other explanations", _others(explanation, flow, record))]
    lines += _part("almost matched", _near(explanation, flow, record, signatures))
    return [*lines, *_part("what would change this", _change(explanation, flow, record))]


def _part(head: str, said: Sequence[str]) -> list[str]:
    if not said:
        return []
    return [f"{head}:", *(line for text in said for line in textwrap.wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    "))]


def _decided(explanation: Explanation, flow: int, record: Mapping[str, Any]) -> list[str]:
    """The judge's findings, those that carry a verdict alone first; else its reasons."""
    judgement = explanation.judgements[flow]
    out = []
    for finding in sorted(judgement.evidence, key=lambda e: not e.sufficient):
        numbers = sorted({explanation.flows.number(s) for s in finding.slots if s >= 0})
        strength = "sufficient alone" if finding.sufficient else "not enough alone"
        at = f", packet{'s' * (len(numbers) != 1)} {ranges(numbers)}" if numbers else ""
        out.append(f"{finding.kind.replace('-', ' ')} ({strength}{at}): {printable(finding.reason)}")
    out = out or [printable(str(reason)) for reason in record.get("reasons") or ()]
    return [*out, *_confidence(judgement, record), *_together(explanation, flow, record)]


def _confidence(judgement: Judgement, record: Mapping[str, Any]) -> list[str]:
    """Which line of the table of confidence (docs/verdicts.md) an accusation stands on."""
    level = str(record.get("confidence"))
    if record.get("verdict") not in ACCUSED:
        return []
    proof = [e for e in judgement.evidence if e.sufficient]
    kinds = sorted({e.kind.replace("-", " ") for e in proof})
    strong = [e for e in proof if e.weight == "high"]
    named = sorted({e.signature for e in strong if e.signature})
    if level == "high" and named:
        return [f"confidence high: {' and '.join(map(printable, named))}, a signature of high confidence, names what no stack of the server makes"]
    if level == "high" and strong:
        return [f"confidence high: {strong[0].kind.replace('-', ' ')} is enough for that by itself"]
    if level == "high":
        kinds = kinds if len(kinds) > 1 else sorted({e.kind.replace("-", " ") for e in judgement.evidence})
        return [f"confidence high: {len(kinds)} kinds of evidence agree, {', '.join(kinds)}"] if len(kinds) > 1 else []
    if len(kinds) != 1:
        return []
    if level == "medium":
        return [f"confidence medium, not high: one kind of evidence, {kinds[0]}, and no signature of high confidence names these packets"]
    return [f"confidence low: one kind of evidence, {kinds[0]}, with something against it or with figures that nobody has verified"]


def _together(explanation: Explanation, flow: int, record: Mapping[str, Any]) -> list[str]:
    """What all flows of the name amount to, where that is another word or another confidence than this one's: `analyze` prints that."""
    for whole in explanation.records:
        if whole.get("kind") == "name" and flow + 1 in (whole.get("flows") or ()):
            said, alone = ((r.get("verdict"), r.get("confidence") if r.get("verdict") in ACCUSED else None) for r in (whole, record))
            if said == alone:
                return []
            numbers = ranges(sorted(map(int, whole["flows"])))
            return [f"all flows of the name together ({numbers}): {said[0]}{f' ({said[1]})' if said[1] else ''}, as analyze says{_whence(explanation, whole)}"]
    return []


def _whence(explanation: Explanation, whole: Mapping[str, Any]) -> str:
    """Where the confidence of a name is from: from the flow that has it alone, else from trials that agree."""
    if whole.get("verdict") not in ACCUSED:
        return ""
    mine = [r for r in explanation.records if r.get("kind") == "flow" and r.get("flow") in whole["flows"]]
    alike = [int(r["flow"]) for r in mine if (r.get("verdict"), r.get("confidence")) == (whole.get("verdict"), whole.get("confidence"))]
    if alike:
        return f": flow{'s' * (len(alike) != 1)} {ranges(alike)} alone bear{'s' * (len(alike) == 1)} that out"
    return ": so many trials agree while a control works"


def _others(explanation: Explanation, flow: int, record: Mapping[str, Any]) -> list[str]:
    """Who else could have done it, with the packets that speak for and against."""
    out: list[str] = []
    if record.get("verdict") == "ok":
        return out
    rows = _evidence_rows(explanation, flow, record)
    if rows:
        out.append(_server(explanation, flow, rows[0]))
        out.append(_client(explanation, flow, rows[0]))
    elif record.get("outcome") == "silent":
        out += _silence(explanation, flow)
    out.append(_address(explanation, flow, record))
    if explanation.observed.flows.duplicate[explanation.flows.start[flow] : explanation.flows.stop[flow]].any():
        out.append("the capture: it holds copies of its own (marked capture-copy); they are not counted")
    if record.get("could_be") and record.get("verdict") not in ACCUSED:
        out.append("left open: " + ", ".join(map(str, record["could_be"])))
    return out


def _evidence_rows(explanation: Explanation, flow: int, record: Mapping[str, Any]) -> list[int]:
    """Suspect rows of the flow that came in the server's name and are evidence: of the winning signature, else resets and closes."""
    observed = explanation.observed
    begin, end = np.searchsorted(observed.flow, (flow, flow + 1)).tolist()
    named = {
        n for m in record.get("matches") or () if m.get("signature") == record.get("signature") for c in m["clauses"].values()
        if c["state"] == "held" for n in c["packets"]
    }  # fmt: skip
    mine = [r for r in range(begin, end) if int(observed.origin[r]) == SERVER]
    return [r for r in mine if int(observed.number[r]) in named] or [r for r in mine if int(observed.flags[r]) & (RST | FIN)]


def _server(explanation: Explanation, flow: int, row: int) -> str:
    """What speaks for the server as the sender of a packet, and what against."""
    observed, flows = explanation.observed, explanation.flows
    number = int(observed.number[row])

    def of(name: str) -> Any:
        values = observed.feature(name)
        return values.data[row].item() if bool(values.known[row]) else None

    against: list[str] = []
    fore: list[str] = []
    early, delay, rtt = of("delay_over_rtt"), of("delay"), int(observed.server_rtt[flow])
    if early is not None and delay is not None:
        text = f"it came {duration(int(delay))} after the trigger, the smallest round trip to the server is {duration(rtt)}"
        (against if early <= 0.5 else fore if early >= 1 else []).append(text)
    if of("options_missing"):
        against.append("it lacks the timestamps that the connection agreed on (a reset only should carry them)")
    if of("echoes_timestamps"):
        fore.append("it carries this connection's timestamps")
    shift = of("ttl_shift")
    if shift:
        against.append(f"its TTL is {abs(shift)} {'above' if shift > 0 else 'below'} that of the SYN/ACK (load balancers do that too)")
    elif shift == 0:
        fore.append("it has the SYN/ACK's TTL")
    step = of("ipid_step")
    if step is not None and 0 < step <= 16 and of("ipid"):
        fore.append("its IP ID continues the server's counter")
    time = int(observed.time[row])
    for slot, what in ((int(flows.ack_end[flow]), "acknowledges the whole trigger"), (int(flows.answer[flow]), "answers it")):
        if slot >= 0 and flows.time(slot) > time:
            length = int(flows.packets.payload_length[int(flows.row[slot])])
            if length > 0 and of("seq_ahead") == length:
                fore.append(f"its sequence number counts the {length} bytes of packet {flows.number(slot)}, as of one that left first and was overtaken")
                continue
            against.append(f"packet {flows.number(slot)} {what} after it")
        elif slot >= 0 and flows.time(slot) < time and what.startswith("ack"):
            fore.append(f"packet {flows.number(slot)} had acknowledged the whole trigger before")
    said = [f"Against: {'; '.join(against)}."] * bool(against) + [f"For: {'; '.join(fore)}."] * bool(fore)
    return f"did the server itself send packet {number}? " + (" ".join(said) or "Nothing in this capture speaks for or against it.")


def _client(explanation: Explanation, flow: int, row: int) -> str:
    """Whether the client had closed before."""
    observed = explanation.observed
    begin, end = np.searchsorted(observed.flow, (flow, flow + 1)).tolist()
    own = [r for r in range(begin, end) if int(observed.origin[r]) == CLIENT and int(observed.flags[r]) & (RST | FIN)]
    before = [r for r in own if r < row and bool(observed.reaches_server[r])]
    if before:
        return f"is it an answer to the client's own close? Possibly: the client had closed in packet {int(observed.number[before[0]])}."
    if own:
        return f"is it an answer to the client's own close? No: the client's first FIN or RST is packet {int(observed.number[own[0]])}, after it."
    return "is it an answer to the client's own close? No: the client sends neither FIN nor RST."


def _silence(explanation: Explanation, flow: int) -> list[str]:
    """What else keeps a trigger from being acknowledged."""
    flows = explanation.flows
    hello, trigger = int(flows.hello[flow]), flows.triggers[flow]
    again = [
        flows.number(slot) for slot in flows.slots(flow)
        if slot > hello and int(flows.origin[slot]) == SERVER and int(flows.packets.flags[int(flows.row[slot])]) & SYN
    ]  # fmt: skip
    out = [
        f"is the server's accept queue full? Possibly: its SYN/ACK came again in packet{'s' * (len(again) != 1)} {ranges(again)}." if again
        else "is the server's accept queue full? Nothing says so: its SYN/ACK did not come again."
    ]  # fmt: skip
    lengths = sorted({t.length for g in explanation.controls.worked[flow] if (t := flows.triggers[g]) is not None and t.length})
    if trigger is not None and lengths:
        least, most = lengths[0], lengths[-1]
        span = f"{least} bytes" if least == most else f"{least} to {most} bytes"
        word = "Possibly" if trigger.length > most + MARGIN else "No"
        out.append(f"does the path lose large packets? {word}: the trigger has {trigger.length} bytes, those of names that worked {span}.")
    return out


def _address(explanation: Explanation, flow: int, record: Mapping[str, Any]) -> str:
    """Whether other names work at the address."""
    controls, flows = explanation.controls, explanation.flows
    good, bad = controls.worked[flow], controls.failed[flow]
    triggers = flows.triggers

    def told(members: Sequence[int]) -> str:
        names = sorted({t.server_name for g in members if (t := triggers[g]) is not None and t.server_name})
        return f"{printable(', '.join(names[:4])) or 'connections'} (flow{'s' * (len(members) != 1)} {ranges(sorted(g + 1 for g in members))})"

    question = "is it the address, the path or an outage?"
    if good and not bad:
        return f"{question} Hardly: at the same address worked {told(good)}."
    if bad and not good:
        return f"{question} Possibly: at the same address failed alike {told(bad)}."
    if good:
        return f"{question} At the same address worked {told(good)}, and failed {told(bad)}."
    if record.get("server_name") is None:  # no name to compare: what became of the other connections to that address
        others = [r for r in explanation.records if r.get("kind") == "flow" and r.get("server") == record.get("server") and r.get("flow") != flow + 1]
        fine = [int(r["flow"]) for r in others if r.get("outcome") == "worked"]
        rest = [int(r["flow"]) for r in others if r.get("outcome") != "worked"]
        worked, not_so = (f"flow{'s' * (len(n) != 1)} {ranges(n)}" if n else "no other flow" for n in (fine, rest))
        if others:
            return f"{question} This flow sent no name to compare; at the same address worked {worked}, and did not work {not_so}."
    return f"{question} It cannot be said: no other name was tried at this address."


def _near(explanation: Explanation, flow: int, record: Mapping[str, Any], signatures: Sequence[Any]) -> list[str]:
    from dpiprobe.report.near import near

    if record.get("verdict") == "ok" and not record.get("matches"):
        return []
    matched = {str(m.get("signature")) for m in record.get("matches") or ()}
    return [n.text() for n in near(signatures, explanation.observed, flow, matched)]


def _change(explanation: Explanation, flow: int, record: Mapping[str, Any]) -> list[str]:
    """What the next word would need."""
    verdict, because = record.get("verdict"), record.get("because")
    winner = next((m.definition for m in explanation.matches.get(flow, []) if m.signature == record.get("signature")), None)
    good = explanation.controls.worked[flow]
    out = []
    if verdict in ACCUSED:
        kinds = sorted({e.kind.replace("-", " ") for e in explanation.judgements[flow].evidence if e.sufficient})
        if kinds:
            each = "; each of them carries it" if len(kinds) > 1 else ""
            out.append(f"it would not be {verdict} without what is sufficient alone: {', '.join(kinds)}{each}")
        if good:
            out.append("a random name of equal length that fails alike at this address: then the server refuses names it does not serve")
        if winner is not None:
            out.append(f"what looks like {winner.id}: {' '.join(winner.looks_like.split())}")
        if verdict == "contested":
            out.append("blocked instead, had the client believed the forged packets before the genuine answer")
        if record.get("confidence") != "high":
            out.append("higher confidence: the same in three trials with working controls, or a capture at the server (--server-side FILE)")
    elif verdict == "insufficient":
        key = "silent" if (record.get("outcome"), because) == ("silent", "server-or-third-party") else str(because)
        out.append("it could be said with " + NEEDS.get(key, NEEDS["server-or-third-party"]))
    elif verdict == "down":
        out.append(
            "blocked instead by a field that no stack of the server writes, by a packet before the server could answer, or by a capture at the server that "
            "shows that it sent something else (--server-side FILE)"
        )
    elif verdict == "ok":
        out.append("contested instead by a forged packet beside the answer; blocked by a name that fails again and again where others work")
    return out
