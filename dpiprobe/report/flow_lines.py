"""Flow records of a whole batch as lines, straight from columns: the bytes that `jsonl.line` makes of `flow_record`, many flows at once.

Rules of this file:
- It knows the shape of a flow record a second time, for speed alone; a test holds both equal for any judgement. What differs between records of one
  kind is put into a line that was encoded once.
- Text that is no valid UTF-8 is left to `jsonl.line`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import TRIGGER_WORDS, Flows
from dpiprobe.report import line_loop
from dpiprobe.report.jsonl import line
from dpiprobe.signature.match import STATES, Later, Match, Together
from dpiprobe.verdict.fine import Fine, judged_fine, why_fine
from dpiprobe.verdict.model import Judgement
from dpiprobe.verdict.observations import Seen
from dpiprobe.verdict.records import FORMAT, flow_record, host, iso, verdict_of
from dpiprobe.wire.compiled import at_hand

Ints = npt.NDArray[np.int64]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_KEPT = 1 << 14
MANY = 64
"""Packets of a batch, for each flow whose line is made, up to which the numbers of all are looked up at once; policy."""
Told = tuple[str, list[int], Any]
"""An observation: its kind, slots and what else is said of it."""
SOME = 1_234_567_890_123
"""A number that stands for others where a sentence is taken apart."""


class Written(NamedTuple):
    """Lines, one behind the other, each with its newline. flow, size: of each line"""

    flow: Ints
    text: bytes
    size: Ints

    def lines(self) -> list[bytes]:
        """One by one."""
        ends = np.cumsum(self.size)
        return [self.text[begin:end] for begin, end in zip((ends - self.size).tolist(), ends.tolist(), strict=True)]


def written(flow: Ints, lines: Sequence[bytes]) -> Written:
    """Lines that were made one by one."""
    return Written(flow, b"".join(lines), np.array([*map(len, lines)], np.int64))


def joined(parts: Sequence[Written]) -> Written:
    """All lines of several."""
    flow, text, size = zip(*parts, strict=True)
    return Written(np.concatenate(flow), b"".join(text), np.concatenate(size))


class _Pieces:
    """Pieces of text that lines are made of, by number."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []

    def all(self, texts: Sequence[bytes]) -> Ints:
        """Numbers of new pieces."""
        first = len(self.texts)
        self.texts += texts
        return np.arange(first, len(self.texts))

    def each(self, texts: Iterable[bytes]) -> Ints:
        """Numbers of pieces among which many are equal."""
        known: dict[bytes, int] = {}
        numbers = [known.setdefault(text, len(known)) for text in texts]
        return self.all([*known])[numbers] if numbers else np.empty(0, np.int64)

    def of(self, values: Ints, text: Callable[[int], str]) -> Ints:
        """Numbers of the pieces that stand for values."""
        known, place = np.unique(values, return_inverse=True)
        return self.all([text(value).encode() for value in known.tolist()])[place]


def _lines(flow: Ints, template: bytes, fields: Sequence[Ints], pieces: _Pieces) -> Written:
    """One line a flow. fields: what stands at the places of `template`: numbers (%d, %09d) or pieces (%b)"""
    loops = at_hand(line_loop)
    parts = re.split(rb"(%d|%b|%09d)", template)
    if loops is None:
        columns = [
            [pieces.texts[i] for i in column.tolist()] if place == b"%b" else column.tolist() for place, column in zip(parts[1::2], fields, strict=True)
        ]
        return written(flow, [template % values for values in zip(*columns, strict=True)])
    texts = pieces.all([text.replace(b"%%", b"%") for text in parts[::2]]).tolist()
    kinds, which = [line_loop.TEXT], [texts[0]]
    for column, (place, text) in enumerate(zip(parts[1::2], texts[1:], strict=True)):
        kinds += [_KINDS[place], line_loop.TEXT]
        which += [column, text]
    sizes = np.array([*map(len, pieces.texts)], np.int64)
    begins = np.concatenate(([0], np.cumsum(sizes)))
    kind, place_of, columns_ = np.array(kinds), np.array(which), np.stack(fields)
    room = len(flow) * (int(sizes[texts].sum()) + 20 * len(fields)) + sum(int(sizes[fields[i]].sum()) for i, p in enumerate(parts[1::2]) if p == b"%b")
    out, ends = np.empty(room, np.uint8), np.empty(len(flow), np.int64)
    loops.lay(np.frombuffer(b"".join(pieces.texts), np.uint8), begins, kind, place_of, columns_, len(flow), out, ends)
    return Written(flow, out[: int(ends[-1]) if len(flow) else 0].tobytes(), np.diff(ends, prepend=0))


_KINDS = {b"%b": line_loop.PIECE, b"%d": line_loop.NUMBER, b"%09d": line_loop.NINE}


def _escaped(text: str) -> bytes:
    return text.replace("%", "%%").encode()


@lru_cache(maxsize=_KEPT)
def _quoted(text: str) -> str:
    """Words, of which there are few."""
    return encode_basestring(text)


class FlowLines:
    """Makes the lines of flows of one batch."""

    def __init__(self, capture: str, flows: Flows) -> None:
        self._capture = capture
        self._flows = flows
        self._packets: dict[tuple[int, ...], str] = {}
        self._matches: dict[int, dict[int, str]] = {}  # of signatures, by what shows their matches together and the place among these

    def fine(self, fine: Fine) -> Written:
        """Lines of flows that simply worked."""
        try:
            return self._fine(fine)
        except UnicodeEncodeError:
            return written(fine.flow, [self._line(fine.judgement(place), ()) for place in range(len(fine.flow))])

    def others(self, judgements: Sequence[Judgement], matches: Mapping[int, Sequence[Match]]) -> Written:
        """Lines of any flows."""
        chosen = np.array([judgement.flow for judgement in judgements], np.int64)
        try:
            return self._others(chosen, judgements, matches)
        except UnicodeEncodeError:
            return written(chosen, [self._line(judgement, matches.get(judgement.flow, ())) for judgement in judgements])

    def _line(self, judgement: Judgement, matches: Sequence[Match]) -> bytes:
        return line(flow_record(self._capture, self._flows, judgement, matches)).encode() + b"\n"

    def _head(self) -> bytes:
        """The beginning of a line, with places for `_facts`."""
        begin = _escaped(_encode({"format": FORMAT, "kind": "flow", "capture": self._capture}).removesuffix("}"))
        return begin + (
            b',"flow":%d,"transport":"%b","client":"%b:%d","server":"%b:%d","first_packet":%d,"packets":%d,"start":"%b.%09dZ","start_ns":%d,%b,'
        )

    def _fine(self, fine: Fine) -> Written:
        """All that differ only in numbers at once."""
        begin = self._head() + _escaped(_said(judged_fine(0, 0, 0)).decode()) + b',"matches":[],"observations":'
        seen = fine.answer >= 0
        alike = fine.kind * 2 + seen
        parts = [Written(fine.flow[:0], b"", fine.flow[:0])]
        for kind in np.unique(alike).tolist():
            here = np.flatnonzero(alike == kind)
            pieces = _Pieces()
            fields = self._facts(fine.flow[here], pieces)
            observed = b"[]"
            if kind % 2:
                observed = b'[{"kind":"answer","packets":[%d]}]'
                fields.append(self._numbers(fine.answer[here]))
            before, named, after = why_fine(kind // 2, SOME).partition(str(SOME))
            if named:
                fields.append(fine.number[here])
            reason = _escaped(before) + (b"%d" if named else b"") + _escaped(after)
            parts.append(_lines(fine.flow[here], begin + observed + b',"reasons":["' + reason + b'"]}\n', fields, pieces))
        return joined(parts)

    def _others(self, chosen: Ints, judgements: Sequence[Judgement], matches: Mapping[int, Sequence[Match]]) -> Written:
        pieces = _Pieces()
        self._show(match for judgement in judgements for match in matches.get(judgement.flow, ()))
        seen = [_told(judgement) for judgement in judgements]
        number = self._numbered(seen)
        ends = [self._end(judgement, matches.get(judgement.flow, ()), told, number) for judgement, told in zip(judgements, seen, strict=True)]
        fields = [*self._facts(chosen, pieces), pieces.each(map(_said, judgements)), pieces.all(ends)]
        return _lines(chosen, self._head() + b'%b,"matches":[%b]}\n', fields, pieces)

    def _end(self, judgement: Judgement, matches: Sequence[Match], told: Sequence[Told], number: Mapping[int, int] | Sequence[int]) -> bytes:
        """What a line has behind the words of the verdict. told: what was observed · number: of the packet in each slot"""
        self._packets.clear()
        matched = ",".join([self._match(match) for match in matches]) if matches else ""
        reasons = ",".join(map(encode_basestring, judgement.reasons))
        return f'{matched}],"observations":[{self._observed(told, number)}],"reasons":[{reasons}'.encode()

    def _facts(self, chosen: Ints, pieces: _Pieces) -> list[Ints]:
        """What flows are, in the order of the head; text by the number of its piece."""
        flows = self._flows
        first = flows.start[chosen]
        label = (chosen if flows.numbers is None else flows.numbers[chosen]) + 1
        time = flows.packets.time[flows.row[first]]
        second, rest = np.divmod(time, 1_000_000_000)
        transport = np.where(flows.transport[chosen] == 17, *pieces.all([b"quic", b"tcp"]).tolist())
        client, server = (pieces.of(addresses, lambda a: host(flows.packets.addresses[a])) for addresses in (flows.client[chosen], flows.server[chosen]))
        date = pieces.of(second, lambda moment: iso(moment * 1_000_000_000).removesuffix(".000000000Z"))
        return [
            label, transport, client, flows.client_port[chosen], server, flows.server_port[chosen], self._numbers(first), flows.stop[chosen] - first, date,
            rest, time, self._asked(chosen, pieces),
        ]  # fmt: skip

    def _numbers(self, slots: Ints) -> Ints:
        return self._flows.packets.number[self._flows.row[slots]]

    def _asked(self, chosen: Ints, pieces: _Pieces) -> Ints:
        """What flows asked for; those that asked alike often share one object."""
        triggers, first = self._flows.triggers, len(pieces.texts)
        known: dict[tuple[int, int], int] = {}
        numbers = []
        for f, kind in zip(chosen.tolist(), self._flows.trigger_kind[chosen].tolist(), strict=True):
            trigger = triggers[f]
            number = known.setdefault((id(trigger), kind), len(known))
            if first + number == len(pieces.texts):
                asked = (trigger.server_name, tuple(trigger.alpn) if trigger.alpn is not None else None, trigger.ja4, trigger.ech) if trigger else (None,) * 4
                pieces.texts.append(_asked(TRIGGER_WORDS[kind], *asked))
            numbers.append(first + number)
        return np.array(numbers, np.int64)

    def _observed(self, told: Sequence[Told], number: Mapping[int, int] | Sequence[int]) -> str:
        """What was observed of a flow. number: of the packet in each slot"""
        texts, numbered = [], number.__getitem__
        for kind, slots, more in told:
            begin = _OPENED.get(kind) or _opened(kind)
            text = f"{begin}{number[slots[0]]}]" if len(slots) == 1 else f"{begin}{self._listed(tuple(sorted({*map(numbered, slots)})))}]"
            if more:
                text += f",{_encode(more if isinstance(more, dict) else {'server_packets': more})[1:-1]}"
            texts.append(text)
        return "},".join(texts) + "}" if texts else ""

    def _numbered(self, seen: Sequence[Sequence[Told]]) -> Mapping[int, int] | Sequence[int]:
        """The number of the packet in each slot that any of these observations names."""
        if len(seen) * MANY > len(self._flows.row):
            everything: list[int] = self._numbers(np.arange(len(self._flows.row))).tolist()
            return everything
        slots = [slot for told in seen for _, some, _ in told for slot in some]
        return dict(zip(slots, self._numbers(np.array(slots, np.int64)).tolist(), strict=True))

    def _show(self, matches: Iterable[Match]) -> None:
        """Make the texts of those matches that are shown together."""
        asked: dict[int, tuple[str, Together, list[int]]] = {}
        for match in matches:
            if isinstance(match, Later) and isinstance(match.told, Together):
                asked.setdefault(id(match.told), (match.signature, match.told, []))[2].append(match.place)
        self._matches = {which: dict(zip(places, _shown(name, told, np.array(places)), strict=True)) for which, (name, told, places) in asked.items()}

    def _match(self, match: Match) -> str:
        """A match as `Match.plain` has it."""
        if isinstance(match, Later) and isinstance(match.told, Together):
            return self._matches[id(match.told)][match.place]
        listed, bare = self._listed, _BARE
        clauses = [
            f'{_quoted(name)}:{{"state":"{state}","packets":[{packets[0] if len(packets) == 1 else listed(packets)}]}}'
            if packets
            else bare.get((name, state)) or _bare(name, state)
            for name, (state, packets) in match.clauses.items()
        ]
        return f'{{"signature":{_quoted(match.signature)},"clauses":{{{",".join(clauses)}}}}}'

    def _listed(self, numbers: tuple[int, ...]) -> str:
        """Packet numbers; what one clause or finding of a flow rests on, others of it rest on too."""
        if len(numbers) == 1:
            return str(numbers[0])
        text = self._packets.get(numbers)
        if text is None:
            text = self._packets[numbers] = ",".join(map(str, numbers))
        return text


def _told(judgement: Judgement) -> Sequence[Told]:
    """What was observed of a flow."""
    seen = judgement.observations
    return seen.told() if isinstance(seen, Seen) else [(one.kind, one.slots, one.detail) for one in seen]


_OPENED: dict[str, str] = {}


def _opened(kind: str) -> str:
    """Where an observation of a kind begins, of which there are few."""
    text = _OPENED[kind] = f'{{"kind":{_quoted(kind)},"packets":['
    return text


def _shown(signature: str, together: Together, places: Ints) -> list[str]:
    """Matches of a signature as `Match.plain` has them."""
    columns = []
    for name, states, packets in together.columns(places):
        if packets is None:
            bare = [_BARE.get((name, state)) or _bare(name, state) for state in STATES]
            columns.append([bare[state] for state in states])
        else:
            begin = [f'{_quoted(name)}:{{"state":"{state}","packets":[' for state in STATES]
            columns.append([f"{begin[state]}{','.join(map(str, own))}]}}" for state, own in zip(states, packets, strict=True)])
    head = f'{{"signature":{_quoted(signature)},"clauses":{{'
    return [f"{head}{','.join(clauses)}}}}}" for clauses in zip(*columns, strict=True)]


_BARE: dict[tuple[str, str], str] = {}


def _bare(name: str, state: str) -> str:
    """A clause that names no packets; databases have so many."""
    text = _BARE[name, state] = f'{_quoted(name)}:{{"state":"{state}","packets":[]}}'
    return text


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
