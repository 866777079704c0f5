"""What one suspect packet looks like inside its flow: one small pure function for each word of the vocabulary.

Each takes a `Suspects` (the rows and their anchors) and returns the values over its n rows with a mask of where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT, ICMP_ERROR, SERVER, UNKNOWN
from dpiprobe.observe.suspect_rows import HEAD, Suspects
from dpiprobe.observe.table import Values
from dpiprobe.wire.packets import ACK, OPT_TIMESTAMPS, RST, TCP, TEXT

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def _known(s: Suspects) -> Bools:
    return np.ones(len(s.slot), bool)


def _tcp(s: Suspects) -> Bools:
    return np.asarray(s.of(s.flows.packets.protocol) == TCP, np.bool_)


def _carries_payload(s: Suspects) -> Bools:
    return np.asarray(s.origin != ICMP_ERROR, np.bool_)


def delay(s: Suspects) -> Values:
    known = s.trigger >= 0
    return Values(s.of(s.flows.packets.time) - s.at(s.trigger, s.flows.packets.time), known)


def delay_over_rtt(s: Suspects) -> Values:
    rtt = s.server_rtt[s.flow]
    since = delay(s)
    known = since.known & (rtt > 0)
    return Values(since.data / np.where(rtt > 0, rtt, 1), known)


def ttl(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.ttl), _known(s))


def ttl_shift(s: Suspects) -> Values:
    anchor = s.flows.syn_ack[s.flow]
    return Values(s.of(s.flows.packets.ttl) - s.at(anchor, s.flows.packets.ttl), (anchor >= 0) & (s.origin == SERVER))


USUAL_INITIAL_TTLS = np.array([32, 64, 128, 255])
"""Initial TTLs of common stacks; techniques.md (Henan 64, Turkmenistan 128) and RFC 1700 (64), older Windows 32, Solaris and routers 255."""


def ttl_initial(s: Suspects) -> Values:
    value = s.of(s.flows.packets.ttl)
    return Values(USUAL_INITIAL_TTLS[np.minimum(np.searchsorted(USUAL_INITIAL_TTLS, value), 3)], _known(s))


def ipid(s: Suspects) -> Values:
    value = s.of(s.flows.packets.ip_id)
    return Values(value, value >= 0)


def ipid_step(s: Suspects) -> Values:
    value, before = s.of(s.flows.packets.ip_id), s.at(s.previous, s.flows.packets.ip_id)
    return Values((value - before) & 0xFFFF, (s.previous >= 0) & (value >= 0) & (before >= 0))


def ipid_mirror(s: Suspects) -> Values:
    value, before = s.of(s.flows.packets.ip_id), s.at(s.trigger, s.flows.packets.ip_id)
    return Values((value - before) & 0xFFFF, (s.trigger >= 0) & (value >= 0) & (before >= 0))


def df(s: Suspects) -> Values:
    value = s.of(s.flows.packets.df)
    return Values(np.where(value == 1, 0, 1), value >= 0)


def tos(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.tos), _known(s))


def window(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.window), _tcp(s))


def window_mirror(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.window) - s.at(s.trigger, s.flows.packets.window), (s.trigger >= 0) & _tcp(s))


def window_minus_ttl(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.window) - s.of(s.flows.packets.ttl), _tcp(s))


def seq_raw(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.seq), _tcp(s))


def seq_ahead(s: Suspects) -> Values:
    expected = np.where(s.origin == CLIENT, s.flows.client_next[s.slot], s.flows.server_next[s.slot])
    base = np.where(s.origin == CLIENT, s.flows.client_base[s.flow], s.flows.server_base[s.flow])
    raw = (base + expected) & 0xFFFFFFFF
    ahead = ((s.of(s.flows.packets.seq) - raw + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    fin_counted = s.had_fin & (ahead == 1)  # a FIN takes one sequence number
    return Values(np.where(fin_counted, 0, ahead), _tcp(s) & (base >= 0))


def seq_ladder(s: Suspects) -> Values:
    packets = s.flows.packets
    answered = s.answered.copy()
    late = _tcp(s) & (answered >= 0) & ((s.of(packets.flags) & RST) != 0) & (_ladder_distance(s, answered) < 0)
    for i in np.flatnonzero(late).tolist():
        answered[i] = _answered_late(s, i)
    step = s.at(answered, packets.window)
    known = (answered >= 0) & (step > 0) & _tcp(s) & ((s.at(answered, packets.flags) & ACK) != 0)
    return Values(_ladder_distance(s, answered) / np.where(step > 0, step, 1), known)


def _ladder_distance(s: Suspects, answered: Ints) -> Ints:
    return np.asarray(((s.of(s.flows.packets.seq) - s.at(answered, s.flows.packets.ack) + (1 << 31)) & 0xFFFFFFFF) - (1 << 31), np.int64)


def _answered_late(s: Suspects, row: int) -> int:
    """Of a reset with a number that the other side had left behind: the last packet there that had not yet acknowledged more (an injector that is
    slow answers what is long past); the last of all where there is none."""
    flows, packets, slot = s.flows, s.flows.packets, int(s.slot[row])
    before = np.arange(int(flows.start[flows.flow[slot]]), slot)
    rows = flows.row[before]
    asks = (flows.origin[before] == CLIENT) & ((packets.flags[rows] & (ACK | RST)) == ACK)
    left = ((packets.seq[flows.row[slot]] - packets.ack[rows]) & 0xFFFFFFFF) < 1 << 31
    found = before[asks & left]
    return int(found[-1]) if len(found) and int(s.origin[row]) != CLIENT else int(s.answered[row])


def ack_ahead(s: Suspects) -> Values:
    return _ack_from(s, s.flows.hello_end)


def ack_from_start(s: Suspects) -> Values:
    return _ack_from(s, s.flows.hello_start)


def _ack_from(s: Suspects, landmark: Ints) -> Values:
    place = landmark[s.flow]
    base = s.flows.client_base[s.flow]
    raw = (base + np.where(place == UNKNOWN, 0, place)) & 0xFFFFFFFF
    ahead = ((s.of(s.flows.packets.ack) - raw + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    return Values(ahead, _tcp(s) & (s.origin != CLIENT) & (place != UNKNOWN) & (base >= 0))


def ack_raw(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.ack), _tcp(s))


def options(s: Suspects) -> Values:
    bits = s.of(s.flows.packets.options)
    return Values(np.where((bits & OPT_TIMESTAMPS) != 0, 1, np.where(bits == 0, 0, 2)), _tcp(s))


def options_missing(s: Suspects) -> Values:
    negotiated = s.flows.timestamps[s.flow]
    bare = (s.of(s.flows.packets.options) & OPT_TIMESTAMPS) == 0
    return Values(bare & (negotiated == 1), _tcp(s) & (negotiated >= 0) & (s.origin != 2))


def reserved_bits(s: Suspects) -> Values:
    return Values((s.of(s.flows.packets.flags) >> 8) & 0xF, _tcp(s))


def urgent(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.urgent), _tcp(s))


def payload(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.payload_length), _carries_payload(s))


@dataclass(frozen=True, slots=True)
class Payloads:
    """The payloads of the suspect rows, copied out of the capture when they are asked for."""

    suspects: Suspects

    @property
    def dtype(self) -> np.dtype[np.object_]:
        """As of an object array."""
        return np.dtype(object)

    def __len__(self) -> int:
        return len(self.suspects.slot)

    def sizes(self, at: Ints) -> Ints:
        """How many bytes the payloads of these rows have."""
        suspects = self.suspects
        return suspects.flows.packets.payload_captured[suspects.flows.row[suspects.slot[at]]]

    def may_hold(self, at: Ints, texts: tuple[bytes, ...]) -> Bools:
        """Whether a text may be in the payloads of these rows, as far as that is known without them."""
        packets, rows = self.suspects.flows.packets, self.suspects.row[at]
        if packets.wordless is None or min(map(_lettered, texts), default=0) < TEXT:
            return np.ones(len(rows), np.bool_)
        return np.asarray(packets.wordless[rows] == 0, np.bool_)

    def __getitem__(self, at: Any) -> Any:
        """The payload of one row, or an object array of those of several."""
        packets, rows = self.suspects.flows.packets, self.suspects.row[at]
        if not rows.ndim:
            return packets.payload(int(rows))
        out = np.empty(len(rows), object)
        out[:] = packets.payloads(rows)
        return out


def _lettered(text: bytes) -> int:
    """How many bytes in a row of a text are letters or spaces at most."""
    return max(map(len, re.findall(rb"[A-Za-z ]+", text)), default=0)


def payload_bytes(s: Suspects) -> Values:
    whole = s.of(s.flows.packets.payload_captured) == s.of(s.flows.packets.payload_length)
    return Values(cast("npt.NDArray[np.object_]", Payloads(s)), _carries_payload(s) & whole)


def payload_zeros(s: Suspects) -> Values:
    length = s.of(s.flows.packets.payload_length)
    zero = np.zeros(len(s.slot), bool)
    begins = np.flatnonzero((length > 0) & (s.first == 0))
    zero[begins] = ~s.heads(begins).any(axis=1)
    for i in np.flatnonzero(zero & (s.of(s.flows.packets.payload_captured) > HEAD)).tolist():
        zero[i] = not s.flows.packets.payload(int(s.row[i])).strip(b"\0")
    return Values(length, _carries_payload(s) & zero)


def ip_length(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.ip_length), _known(s))


def repeats(s: Suspects) -> Values:
    packets = s.flows.packets
    columns = (
        packets.seq, packets.ack, packets.flags, packets.ip_id, packets.window, packets.urgent, packets.payload_length, packets.ttl,
        packets.tos, packets.options, packets.ts_value, packets.ts_echo, packets.icmp_type, packets.icmp_code, packets.payload_captured,
    )  # fmt: skip
    headers, count = _numbered([*(s.of(c) for c in columns), s.origin, s.flow])
    alike = count[headers] > 1  # only where all else is equal the payloads need a look
    group, count = _numbered([headers, _payload_identity(s, alike)])
    return Values(count[group], _known(s))


def _numbered(keys: list[Ints]) -> tuple[Ints, Ints]:
    """Equal numbers for rows that are equal in all keys, and how many rows each number has."""
    order = np.lexsort(keys)
    new = np.zeros(len(order), bool)
    new[:1] = True
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(new) - 1
    return group, np.bincount(group).astype(np.int64)


def _payload_identity(s: Suspects, asked: Bools) -> Ints:
    """Equal numbers for equal payloads among the rows asked for, 0 for none and for all others."""
    seen: dict[bytes, int] = {b"": 0}
    out = np.zeros(len(s.slot), np.int64)
    for i in np.flatnonzero(asked & (s.of(s.flows.packets.payload_captured) > 0)).tolist():
        out[i] = seen.setdefault(s.flows.packets.payload(int(s.row[i])), len(seen))
    return out


def http_status(s: Suspects) -> Values:
    """The three digits of a status line `HTTP/1.x NNN` (RFC 9112 section 4)."""
    value, rows = np.full(len(s.slot), -1, np.int64), np.flatnonzero(s.first == ord("H"))
    if not len(rows):
        return Values(value, np.zeros(len(value), bool))
    head = s.heads(rows)
    digits = head[:, 9:12].astype(np.int64) - ord("0")
    known = (head[:, :7] == np.frombuffer(b"HTTP/1.", np.uint8)).all(axis=1) & ((head[:, 7] == ord("0")) | (head[:, 7] == ord("1")))
    known &= (head[:, 8] == ord(" ")) & (digits >= 0).all(axis=1) & (digits <= 9).all(axis=1) & (digits[:, 0] >= 1) & (digits[:, 0] <= 5)
    value[rows[known]] = (digits @ (100, 10, 1))[known]
    return Values(value, value >= 0)


def tls_alert(s: Suspects) -> Values:
    """The description of a plaintext alert record of level 1 or 2 (RFC 8446 sections 5.1 and 6)."""
    value, known, rows = np.full(len(s.slot), -1, np.int64), np.zeros(len(s.slot), bool), np.flatnonzero(s.first == 0x15)
    head, captured = s.heads(rows), s.flows.packets.payload_captured[s.row[rows]]
    alert = (captured >= 7) & (head[:, 1] == 3) & (head[:, 3] == 0) & (head[:, 4] == 2) & ((head[:, 5] == 1) | (head[:, 5] == 2))
    known[rows[alert]] = True
    value[rows[alert]] = head[alert, 6]
    return Values(value, known)


def tls_type(s: Suspects) -> Values:
    first, packets = s.first, s.flows.packets
    known = (first >= 20) & (first <= 24)
    rows = known.nonzero()[0]
    if len(rows):
        row = s.row[rows]
        whole = (packets.payload_captured[row] >= 3).nonzero()[0]
        known[rows] = False
        known[rows[whole]] = np.frombuffer(packets.arena, np.uint8)[packets.payload_offset[row[whole]] + 1] == 3
    return Values(np.where(known, first.astype(np.int64), -1), known)


def body_contains(s: Suspects) -> Values:
    return payload_bytes(s)


def icmp_type(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.icmp_type), s.origin == ICMP_ERROR)


def icmp_code(s: Suspects) -> Values:
    return Values(s.of(s.flows.packets.icmp_code), s.origin == ICMP_ERROR)


def after_fin(s: Suspects) -> Values:
    return Values(s.had_fin.copy(), _tcp(s))


def overlaps(s: Suspects) -> Values:
    return Values(s.overlapping[s.slot], _tcp(s))


def echoes_timestamps(s: Suspects) -> Values:
    """A forger on the path can copy a value too; but one that answers the trigger with the value of an earlier segment copies badly."""
    flows, packets = s.flows, s.flows.packets
    echo, sent = s.of(packets.ts_echo), packets.ts_value[flows.row]
    asked = np.zeros(len(flows), bool)
    asked[s.flow[echo >= 0]] = True
    said = np.flatnonzero((sent >= 0) & ((flows.origin == CLIENT) | (flows.origin == SERVER)) & asked[flows.flow])
    keys, first = np.unique((flows.flow[said] * 2 + (flows.origin[said] == CLIENT) << 32) | sent[said], return_index=True)
    if not len(keys):
        return Values(np.zeros(len(s.slot), bool), _tcp(s))
    wanted = (s.flow * 2 + (s.origin != CLIENT) << 32) | np.maximum(echo, 0)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return Values((echo >= 0) & (keys[at] == wanted) & (said[first[at]] < s.slot), _tcp(s))


PACKET_FUNCTIONS: dict[str, Callable[[Suspects], Values]] = {
    f.__name__: f
    for f in (
        delay, delay_over_rtt, ttl, ttl_shift, ttl_initial, ipid, ipid_step, ipid_mirror, df, tos, window, window_mirror, window_minus_ttl,
        seq_raw, seq_ahead, seq_ladder, ack_ahead, ack_from_start, ack_raw, options, options_missing, reserved_bits, urgent, payload,
        payload_bytes, payload_zeros, ip_length, repeats, http_status, body_contains, tls_alert, tls_type, icmp_type, icmp_code, after_fin,
        overlaps, echoes_timestamps,
    )
}  # fmt: skip

OVER_ALL = frozenset({"repeats"})
"""Features of a row that depend on the other rows."""
PAYLOADS = frozenset({"payload_bytes", "body_contains"})
"""Features whose values are payloads, which are copied when they are asked for."""

__all__ = ["OVER_ALL", "PACKET_FUNCTIONS", "PAYLOADS"]
