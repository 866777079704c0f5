"""Flow records of a whole batch as lines, straight from columns: the bytes that `jsonl.line` makes of `flow_record`, many flows at once.

Rules of this file:
- It knows the shape of a flow record a second time, for speed alone; a test holds both equal for any judgement. What differs between records of one
  kind is put into a line that was encoded once.
- Text that is no valid UTF-8 is left to `jsonl.line`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import TRIGGER_WORDS, Flows, Trigger
from dpiprobe.report.jsonl import line
from dpiprobe.signature.match import Match
from dpiprobe.verdict.fine import Fine, judged_fine, why_fine
from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.records import FORMAT, flow_record, host, iso, verdict_of

Ints = npt.NDArray[np.int64]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_KEPT = 1 << 14


@lru_cache(maxsize=_KEPT)
def _quoted(text: str) -> str:
    """Words, of which there are few."""
    return encode_basestring(text)


class FlowLines:
    """Makes the lines of flows of one batch."""

    def __init__(self, capture: str, flows: Flows) -> None:
        self._capture = capture
        self._flows = flows
        self._triggers: dict[tuple[int, int], bytes] = {}
        self._packets: dict[tuple[int, ...], str] = {}

    def fine(self, fine: Fine) -> list[bytes]:
        """Lines of flows that simply worked, each with its newline."""
        try:
            return self._fine(fine)
        except UnicodeEncodeError:
            return [self._line(fine.judgement(place), ()) for place in range(len(fine.flow))]

    def others(self, judgements: Sequence[Judgement], matches: Mapping[int, Sequence[Match]]) -> list[bytes]:
        """Lines of any flows, each with its newline."""
        try:
            return self._others(judgements, matches)
        except UnicodeEncodeError:
            return [self._line(judgement, matches.get(judgement.flow, ())) for judgement in judgements]

    def _line(self, judgement: Judgement, matches: Sequence[Match]) -> bytes:
        return line(flow_record(self._capture, self._flows, judgement, matches)).encode() + b"\n"

    def _head(self) -> bytes:
        """The beginning of a line, with places for `_facts`."""
        begin = _encode({"format": FORMAT, "kind": "flow", "capture": self._capture}).removesuffix("}").replace("%", "%%").encode()
        return begin + (
            b',"flow":%d,"transport":"%b","client":"%b:%d","server":"%b:%d","first_packet":%d,"packets":%d,"start":"%b.%09dZ","start_ns":%d,%b,'
        )

    def _fine(self, fine: Fine) -> list[bytes]:
        template = self._head() + _said(judged_fine(0, 0, 0)).replace(b"%", b"%%") + b',"matches":[],"observations":%b,"reasons":["%b"]}\n'
        answers = self._numbers(np.maximum(fine.answer, 0)).tolist()
        seen = (b'[{"kind":"answer","packets":[%d]}]' % n if answer >= 0 else b"[]" for answer, n in zip(fine.answer.tolist(), answers, strict=True))
        reasons = (why_fine(kind, number).encode() for kind, number in zip(fine.kind.tolist(), fine.number.tolist(), strict=True))
        return [template % fields for fields in zip(*self._facts(fine.flow), seen, reasons, strict=True)]

    def _others(self, judgements: Sequence[Judgement], matches: Mapping[int, Sequence[Match]]) -> list[bytes]:
        template = self._head() + b'%b,"matches":[%b]}\n'
        facts = self._facts(np.array([judgement.flow for judgement in judgements], np.int64))
        ends = (
            f'{",".join(map(self._match, matches.get(judgement.flow, ())))}],"observations":[{observed}],"reasons":['
            f'{",".join(map(encode_basestring, judgement.reasons))}'.encode()
            for judgement, observed in zip(judgements, self._observed(judgements), strict=True)
        )  # fmt: skip
        return [template % fields for fields in zip(*facts, map(_said, judgements), ends, strict=True)]

    def _facts(self, chosen: Ints) -> tuple[Iterable[Any], ...]:
        """What flows are, in the order of the head."""
        flows = self._flows
        first = flows.start[chosen]
        label = (chosen if flows.numbers is None else flows.numbers[chosen]) + 1
        clients, servers = flows.client[chosen].tolist(), flows.server[chosen].tolist()
        hosts = {address: host(flows.packets.addresses[address]).encode() for address in {*clients, *servers}}
        time = flows.packets.time[flows.row[first]]
        second, rest = np.divmod(time, 1_000_000_000)
        seconds = second.tolist()
        dates = {moment: iso(moment * 1_000_000_000).removesuffix(".000000000Z").encode() for moment in set(seconds)}
        kinds = flows.trigger_kind[chosen].tolist()
        return (
            label.tolist(), [b"quic" if transport == 17 else b"tcp" for transport in flows.transport[chosen].tolist()],
            map(hosts.__getitem__, clients), flows.client_port[chosen].tolist(), map(hosts.__getitem__, servers), flows.server_port[chosen].tolist(),
            self._numbers(first).tolist(), (flows.stop[chosen] - first).tolist(), map(dates.__getitem__, seconds), rest.tolist(), time.tolist(),
            [self._trigger(flows.triggers[f], kind) for f, kind in zip(chosen.tolist(), kinds, strict=True)],
        )  # fmt: skip

    def _numbers(self, slots: Ints) -> Ints:
        return self._flows.packets.number[self._flows.row[slots]]

    def _trigger(self, trigger: Trigger | None, kind: int) -> bytes:
        """What a flow asked for; flows that asked alike often share one object."""
        key = (id(trigger), kind)
        text = self._triggers.get(key)
        if text is None:
            asked = (trigger.server_name, tuple(trigger.alpn) if trigger.alpn is not None else None, trigger.ja4, trigger.ech) if trigger else (None,) * 4
            text = self._triggers[key] = _asked(TRIGGER_WORDS[kind], *asked)
        return text

    def _observed(self, judgements: Sequence[Judgement]) -> Iterable[str]:
        """What was observed of each; the numbers of all packets are looked up at once."""
        slots = [slot for judgement in judgements for observation in judgement.observations for slot in observation.slots]
        numbers = self._numbers(np.array(slots, np.int64)).tolist() if slots else []
        begin = 0
        for judgement in judgements:
            texts = []
            for observation in judgement.observations:
                end = begin + len(observation.slots)
                packets = numbers[begin] if end - begin == 1 else self._listed(tuple(sorted(set(numbers[begin:end]))))
                more = f",{_encode(observation.detail)[1:-1]}" if observation.detail else ""
                texts.append(f'{{"kind":{_quoted(observation.kind)},"packets":[{packets}]{more}}}')
                begin = end
            yield ",".join(texts)

    def _match(self, match: Match) -> str:
        """A match as `Match.plain` has it."""
        clauses = [
            f'{_quoted(name)}:{{"state":"{state}","packets":[{self._listed(packets)}]}}' if packets else _bare(name, state)
            for name, (state, packets) in match.clauses.items()
        ]
        return f'{{"signature":{_quoted(match.signature)},"clauses":{{{",".join(clauses)}}}}}'

    def _listed(self, numbers: tuple[int, ...]) -> str:
        """Packet numbers; what one clause or finding of a flow rests on, others rest on too."""
        text = self._packets.get(numbers)
        if text is None:
            text = self._packets[numbers] = ",".join(map(str, numbers))
        return text


@lru_cache(maxsize=_KEPT)
def _bare(name: str, state: str) -> str:
    """A clause that names no packets."""
    return f'{_quoted(name)}:{{"state":"{state}","packets":[]}}'


def _said(judgement: Judgement) -> bytes:
    """The words of a verdict, which few combinations have."""
    j = judgement
    return _words(
        j.outcome, j.verdict, j.because, (*j.could_be,), j.mechanism, j.technique, (*j.techniques,), j.trigger, j.direction, j.position, j.confidence,
        j.signature,
    )  # fmt: skip


@lru_cache(maxsize=_KEPT)
def _words(
    outcome: str, verdict: str, because: str | None, could_be: tuple[str, ...], mechanism: str | None, technique: str | None, techniques: tuple[str, ...],
    trigger: str, direction: str, position: str, confidence: str, signature: str | None,
) -> bytes:  # fmt: skip
    judgement = Judgement(
        0, outcome, verdict, because, [*could_be], mechanism, technique, [*techniques], trigger, direction, position, confidence, signature,
    )  # fmt: skip
    return _encode({"outcome": outcome, **verdict_of(judgement), "signature": signature})[1:-1].encode()


@lru_cache(maxsize=_KEPT)
def _asked(kind: str | None, name: str | None, alpn: tuple[str, ...] | None, ja4: str | None, ech: str | None) -> bytes:
    return _encode({"trigger_kind": kind, "server_name": name, "alpn": alpn, "ja4": ja4, "ech": ech})[1:-1].encode()
