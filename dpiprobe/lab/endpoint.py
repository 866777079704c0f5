"""A small TCP endpoint as a pure state machine: segments and times in, segments out. A terminating box is two of them back to back.

Rules of this file:
- No I/O, no clock. `now` is in ns; whatever is to be sent is appended to `out`; `wake_at` says when the retransmission timer wants `wake`.
- It is a plain, honest stack: in-order delivery with out-of-order storage, retransmission with back-off (RFC 6298), selective acknowledgements
  (`selective.py`) and recovery by them (RFC 6675; what is overtaken is given a quarter of a round trip, RFC 8985), tail loss probes (RFC 8985 section 7),
  recovery hole by hole where the peer does not report them (RFC 6582), slow start, timestamps (RFC 7323), challenge ACKs (RFC 5961), delayed ACKs
  where asked for (RFC 9293 section 3.8.6.3). No urgent data, no zero-window probes: enough for a lab's path, not for the Internet.
- It looks like Linux on the wire (MSS, SACK permitted, timestamps, window scale; an IP ID that counts, 0 in a SYN/ACK; DF; timestamps on a reset
  of its own, none on the bare reset for data that nobody reads), since that is what middleboxes and servers run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from dpiprobe.lab import recovery, segment, selective, tcp_options
from dpiprobe.lab.segment import ACK, FIN, PSH, RST, SYN, Segment

MSS = 1460
_WINDOW, _SCALE = 64_240, 7  # what Linux announces first on Ethernet, and its usual scale
_RTO_FIRST, _RTO_LEAST, _RTO_MOST = 1_000_000_000, 200_000_000, 16_000_000_000  # RFC 6298 2.1; Linux' TCP_RTO_MIN; bounded for the lab
_RETRIES = 8
_INITIAL_WINDOW = 10 * MSS  # RFC 6928
_ACK_DELAY, _QUICK_ACKS = 40_000_000, 16  # Linux: TCP_DELACK_MIN; TCP_MAX_QUICKACKS
_CHALLENGE_GAP = 500_000_000  # ns between challenge ACKs (Linux: tcp_invalid_ratelimit)


@dataclass(frozen=True, slots=True)
class Address:
    """Four or sixteen bytes and a port."""

    ip: bytes
    port: int


class Endpoint:
    """One side of one connection. `inbox` collects what the peer sent in order; `peer_closed`, `dead` (reset or given up) and `done` tell its end."""

    def __init__(self, local: Address, remote: Address, rng: random.Random, ttl: int = 64) -> None:
        self.local, self.remote, self.ttl = local, remote, ttl
        self.ipid = rng.randrange(0x10000)
        self.stamp_base = rng.randrange(1 << 32)
        self.iss = self.una = self.nxt = rng.randrange(1 << 32)
        self.rcv_nxt = 0
        self.state = "closed"  # closed | listening | syn_sent | syn_received | established
        self.pending = b""  # from `una` on (without SYN)
        self.stored: dict[int, bytes] = {}
        self.inbox = b""
        self.out: list[bytes] = []
        self.peer_closed = self.dead = False
        self.closing = self.fin_sent = self.fin_acked = False
        self.discards = False  # the program has gone: data that still comes is answered by a reset, as kernels do (RFC 2525 section 2.17)
        self.peer_fin: int | None = None
        self.peer_window, self.peer_scale, self.peer_mss = _WINDOW, 0, 536
        self.stamps, self.peer_stamp, self.scaling = False, 0, False
        self.congestion, self.threshold, self.duplicates, self.recover = _INITIAL_WINDOW, 1 << 30, 0, self.iss
        self.repairing = self.timed_out = False  # a loss was noticed: what is missing up to `recover` is sent again, from `cursor` on
        self.cursor = self.iss
        self.selective, self.board = False, selective.Scoreboard()
        self.told: list[selective.Range] = []
        self.suspect = 0  # when a hole counts as lost that fewer than three segments have overtaken
        self.probing = False  # the timer is that of a tail loss probe
        self.latest = 0
        self.again: selective.Range | None = None  # what came twice, to be told in the next acknowledgement
        self.rto, self.tries, self.timer = _RTO_FIRST, 0, 0
        self.srtt, self.rttvar = 0, 0
        self.mss = MSS if len(local.ip) == 4 else MSS - 20  # RFC 8200 section 3: the header is that much longer
        self.retransmissions = 0
        self.delays_acks = self.stampless = False
        self.quick, self.owed, self.ack_timer = _QUICK_ACKS, 0, 0
        self.challenged = -_CHALLENGE_GAP
        self.measured: tuple[int, int] | None = None  # (sequence number, sent at) of the segment that is being timed

    @property
    def done(self) -> bool:
        """Nothing will ever be sent or received again."""
        return self.dead or (self.fin_acked and self.peer_closed)

    def listen(self) -> None:
        """Wait for a SYN."""
        self.state = "listening"

    def connect(self, now: int) -> None:
        """Send a SYN."""
        self.state = "syn_sent"
        self._send_syn(now, SYN)

    def send(self, now: int, data: bytes) -> None:
        """Queue bytes for the peer."""
        if not (self.dead or self.closing):
            self.pending += data
            self.push(now)

    def close(self, now: int, *, discards: bool = False) -> None:
        """No more will be sent; `discards`: and nothing read either (close, not shutdown)."""
        self.discards |= discards
        if not self.closing and not self.dead:
            self.closing = True
            self.push(now)

    def abort(self, now: int) -> None:
        """Reset the connection."""
        if not self.dead and self.state in ("established", "syn_received"):
            self._emit(now, RST | ACK, self.nxt)
        self._die()

    def wake_at(self) -> int | None:
        """When the next timer runs out."""
        return min((at for at in (self.ack_timer, self.timer, self.suspect) if at), default=None)

    def wake(self, now: int) -> None:
        """Retransmit what is oldest, send an acknowledgement that was put off, if their time has come."""
        if self.ack_timer and now >= self.ack_timer:
            self._emit(now, ACK, self.nxt)
        if self.suspect and now >= self.suspect:
            recovery.begin(self, now)
        if not self.timer or now < self.timer:
            return
        if self.probing:
            recovery.probe(self, now)
            return
        self.tries += 1
        if self.tries > _RETRIES:
            self._die()
            return
        self.rto = min(self.rto * 2, _RTO_MOST)
        self.measured = None
        recovery.shrink(self)
        self.congestion = MSS
        self.repairing = self.timed_out = True
        self.recover, self.cursor, self.suspect = self.nxt, self.una, 0
        self.timer = now + self.rto
        self._retransmit(now)

    def segment(self, now: int, seen: Segment) -> None:
        """A segment of the peer has arrived."""
        if self.dead:
            return
        self._read_options(seen)
        if self.state == "listening":
            if seen.flags & SYN and not seen.flags & (ACK | RST):
                self.rcv_nxt = seen.end
                self.peer_window = seen.window
                self.state = "syn_received"
                self._send_syn(now, SYN | ACK)
            return
        if self.state == "syn_sent":
            if seen.flags & ACK and seen.ack != (self.iss + 1) & 0xFFFFFFFF:
                return
            if seen.flags & RST:
                if seen.flags & ACK:
                    self._die()
                return
            if seen.flags & SYN and seen.flags & ACK:
                self.rcv_nxt = seen.end
                self.una = seen.ack
                self.peer_window = seen.window
                self.state, self.timer, self.tries, self.probing = "established", 0, 0, False
                self._measure(now, seen.ack)
                self._emit(now, ACK, self.nxt)
                self.push(now)
            return
        if seen.flags & RST:
            if seen.seq == self.rcv_nxt:  # RFC 5961 section 3.2
                self._die()
            elif 0 < segment.after(seen.seq, self.rcv_nxt) < _WINDOW:
                self._challenge(now)
            return
        if seen.flags & SYN:
            if self.state == "syn_received" and not seen.flags & ACK:
                self._send_syn(now, SYN | ACK)
            elif self.state == "established" and seen.flags & ACK:
                self._emit(now, ACK, self.nxt)
            else:
                self._challenge(now)
            return
        if not seen.flags & ACK:
            return
        self._acknowledged(now, seen)
        self._receive(now, seen)
        self.push(now)

    def _acknowledged(self, now: int, seen: Segment) -> None:
        fresh = segment.after(seen.ack, self.una)
        if fresh > segment.after(self.nxt, self.una):
            return
        if self.state == "syn_received" and fresh >= 1:
            self.state = "established"
            self.una = (self.una + 1) & 0xFFFFFFFF
            fresh -= 1
            self.timer, self.tries = 0, 0
            self._measure(now, seen.ack)
        self.peer_window = seen.window << self.peer_scale
        if fresh > 0:
            taken = min(fresh, len(self.pending))
            self.pending = self.pending[taken:]
            self.fin_acked |= self.fin_sent and fresh > taken
            self.una = seen.ack
            self.tries, self.duplicates = 0, 0
            recovery.grow(self, taken)
            self._measure(now, seen.ack)
            recovery.arm(self, now)
            if self.repairing and segment.after(self.recover, self.una) <= 0:
                self.repairing = self.timed_out = False
            if self.repairing and not self.selective:
                self._retransmit(now)
        elif fresh == 0 and not seen.length and segment.after(self.nxt, self.una) > 0 and not self.selective:
            self.duplicates += 1
            if self.duplicates == 3 and not self.repairing:
                self.measured = None
                self.repairing, self.recover = True, self.nxt
                recovery.shrink(self)
                self._retransmit(now)
        if self.selective:
            recovery.read_board(self, now, moved=fresh > 0)

    @property
    def size(self) -> int:
        """Bytes of data in a full segment."""
        return min(self.mss, self.peer_mss) - (12 if self.stamps else 0)

    def _receive(self, now: int, seen: Segment) -> None:
        if seen.payload and self.discards:
            self.out.append(self._packet(now, RST, seen.ack, bare=True))
            self._die()
            return
        offset = segment.after(seen.seq, self.rcv_nxt)
        if seen.payload:
            self.latest = seen.seq
            self.again = (seen.seq, (seen.seq + len(seen.payload)) & 0xFFFFFFFF) if offset <= -len(seen.payload) or seen.seq in self.stored else None
        if seen.flags & FIN:
            self.peer_fin = (seen.seq + len(seen.payload)) & 0xFFFFFFFF
        if seen.payload and -len(seen.payload) < offset < 1 << 20:
            self.stored[seen.seq] = max(self.stored.get(seen.seq, b""), seen.payload, key=len)
        moved = True
        while moved:
            moved = False
            for start, payload in list(self.stored.items()):
                skip = segment.after(self.rcv_nxt, start)
                if skip >= 0:
                    del self.stored[start]
                    if skip < len(payload):
                        self.inbox += payload[skip:]
                        self.rcv_nxt = (start + len(payload)) & 0xFFFFFFFF
                        moved = True
        if self.peer_fin == self.rcv_nxt and not self.peer_closed:
            self.peer_closed = True
            self.rcv_nxt = (self.rcv_nxt + 1) & 0xFFFFFFFF
        if seen.length or offset < 0:
            self._acknowledge(now, at_once=offset != 0 or bool(self.stored) or bool(seen.flags & FIN))

    def _acknowledge(self, now: int, *, at_once: bool) -> None:
        """At once, or every second segment, or when the timer runs out."""
        self.owed += 1
        self.quick -= 1
        if at_once or not self.delays_acks or self.quick >= 0 or self.owed >= 2:
            self._emit(now, ACK, self.nxt)
        elif not self.ack_timer:
            self.ack_timer = now + _ACK_DELAY

    def _challenge(self, now: int) -> None:
        """RFC 5961 sections 3.2 and 4.2, not more often than section 7 allows."""
        if now - self.challenged >= _CHALLENGE_GAP:
            self.challenged = now
            self._emit(now, ACK, self.nxt)

    def push(self, now: int, *, probe: bool = False) -> None:
        """Send what both windows allow, and the FIN when everything else is out; as a probe one segment that the congestion window does not allow."""
        if self.state != "established" or self.dead:
            return
        in_flight = segment.after(self.nxt, self.una)
        size = self.size
        room = min(size, self.peer_window - in_flight) if probe else min(self.congestion, self.peer_window) - in_flight
        while in_flight < len(self.pending) and room > 0:
            data = self.pending[in_flight : in_flight + min(size, room)]
            last = in_flight + len(data) == len(self.pending)
            self._transmit(now, data, ACK | (PSH if last else 0))
            in_flight += len(data)
            room -= len(data)
        if self.closing and not self.fin_sent and in_flight == len(self.pending):
            self.fin_sent = True
            self._transmit(now, b"", ACK | FIN)

    def _transmit(self, now: int, data: bytes, flags: int) -> None:
        if self.measured is None:
            self.measured = (self.nxt, now)
        self._emit(now, flags, self.nxt, data)
        self.nxt = (self.nxt + len(data) + bool(flags & FIN)) & 0xFFFFFFFF
        if not self.timer or self.probing or not self.repairing:
            recovery.arm(self, now)

    def _retransmit(self, now: int) -> None:
        self.retransmissions += 1
        if self.state in ("syn_sent", "syn_received"):
            self._send_syn(now, SYN if self.state == "syn_sent" else SYN | ACK)
        elif self.pending or (self.fin_sent and not self.fin_acked):
            hole = self.board.hole(self.una, self.nxt)
            most = segment.after(hole[1], self.una) if hole is not None and hole[0] == self.una else self.size
            self.cursor = self.resend(now, self.una, most, counted=True)
        else:
            self.timer = 0

    def resend(self, now: int, seq: int, most: int, *, counted: bool = False) -> int:
        """One segment again, of at most `most` bytes from `seq` on; returns the sequence number after it."""
        self.retransmissions += not counted
        self.measured = None
        at = segment.after(seq, self.una)
        out = min(segment.after(self.nxt, self.una), len(self.pending))
        data = self.pending[at : min(at + min(self.size, most), out)]
        if data:
            self._emit(now, ACK | PSH, seq, data)
            return (seq + len(data)) & 0xFFFFFFFF
        if self.fin_sent and not self.fin_acked:
            self._emit(now, ACK | FIN, (self.nxt - 1) & 0xFFFFFFFF)
        return self.nxt

    def _send_syn(self, now: int, flags: int) -> None:
        if self.nxt == self.iss:
            self.measured = (self.iss, now)
        self.nxt = (self.iss + 1) & 0xFFFFFFFF
        self.timer = self.timer if self.timer > now else now + self.rto
        self._emit(now, flags, self.iss)

    def _measure(self, now: int, ack: int) -> None:
        """The retransmission timeout from a round trip that was not retransmitted (Karn); RFC 6298 section 2, the least as Linux has it."""
        if self.measured is not None and segment.after(ack, self.measured[0]) > 0:
            trip = now - self.measured[1]
            self.rttvar = (3 * self.rttvar + abs(self.srtt - trip)) // 4 if self.srtt else trip // 2
            self.srtt = (7 * self.srtt + trip) // 8 if self.srtt else trip
            self.rto = min(self.srtt + max(_RTO_LEAST, 4 * self.rttvar), _RTO_MOST)
            self.measured = None

    def _read_options(self, seen: Segment) -> None:
        found = tcp_options.read(seen.options)
        self.told = found.held
        if seen.flags & SYN:
            self.selective, self.scaling = found.permits_selective, found.scale is not None
            self.peer_scale = found.scale or 0
            self.peer_mss = max(64, found.mss) if found.mss is not None else self.peer_mss
        if found.stamp is not None:
            self.stamps |= bool(seen.flags & SYN) and not self.stampless
            if segment.after(seen.seq, self.rcv_nxt) <= 0 or seen.flags & SYN:
                self.peer_stamp = found.stamp

    def _emit(self, now: int, flags: int, seq: int, data: bytes = b"") -> None:
        if flags & ACK:
            self.owed = self.ack_timer = 0
        self.out.append(self._packet(now, flags, seq, data))

    def _packet(self, now: int, flags: int, seq: int, data: bytes = b"", *, bare: bool = False) -> bytes:
        active = flags & (SYN | ACK) == SYN  # a SYN/ACK only repeats what the SYN offered
        stamp = tcp_options.stamps(self.stamp_base + now // 1_000_000, self.peer_stamp) if active or self.stamps else b""
        if flags & SYN:
            scale = _SCALE if active or self.scaling else None
            options = tcp_options.of_syn(self.mss, stamp, scale, knows_selective=active or self.selective)
        elif bare:
            options = b""
        else:
            tells = self.selective and not data and flags & (ACK | RST) == ACK and (self.stored or self.again is not None)
            options = tcp_options.of_segment(stamp, selective.blocks(self.stored, self.rcv_nxt, self.latest, self.again) if tells else [])
            self.again = None if tells else self.again
        unnumbered = bare or flags & (SYN | ACK) == SYN | ACK
        if not unnumbered:
            self.ipid = (self.ipid + 1) & 0xFFFF
        return segment.build(
            Segment(
                self.local.ip, self.remote.ip, self.local.port, self.remote.port, seq, self.rcv_nxt if flags & ACK else 0, flags,
                0 if bare else (_WINDOW >> _SCALE if self.scaling and not flags & SYN else _WINDOW), data, options, self.ttl,
                0 if unnumbered else self.ipid,
            )
        )

    def _die(self) -> None:
        self.dead, self.timer, self.ack_timer, self.suspect, self.pending = True, 0, 0, 0, b""
