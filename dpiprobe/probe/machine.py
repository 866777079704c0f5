"""One trial as a pure state machine: what happens to a connection goes in, what to do next comes out.

Alone responsible for how long a connection is watched, which decides what a capture can prove: copies of an unacknowledged hello, the
genuine answer behind a forged reset, the silence after an answer. Where a server that has acknowledged everything falls silent, a FIN asks whether it
can still be heard: the kernel of a server whose program hangs acknowledges it, a path that lets nothing more through does not.

Rules of this file:
- No socket, clock or randomness; times are monotonic nanoseconds that come with the events. The same events give the same commands.
- It never judges. `Account` is what the application saw; the verdict comes from the packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from dpiprobe.plan.plan import Pace
from dpiprobe.tls.sending import Segment, Sending

COPIES_WANTED = 3
SPAN_WANTED = 3.1
"""Retransmissions after the first transmission, and seconds from that to the last of them: a silence is judged by three copies over three
seconds (docs/verdicts.md), and the tenth is for the way from the decision to send to the wire. Where the round trip is 90 ms, Linux sends
copies after 0.3, 0.6, 1.2, 2.4 and 4.8 s: time alone would stop before the one that proves it."""
ROUND_TRIPS = 3  # to wait for what comes late: the genuine answer behind a forged one arrives one round trip later
CLOSING = 0.5  # seconds to wait for the other side's FIN
LOOK = 5_000_000  # ns between looks while a piece of the hello waits for the acknowledgement of the one before it
_S = 1_000_000_000

End = Literal["eof", "reset", "refused", "unreachable", "timeout", "error"]


class Dialogue(Protocol):
    """What is said on the connection. Bytes in, bytes out, no sockets."""

    done: bool
    """all that was to be learnt is learnt"""

    def open(self) -> bytes | Sending:
        """The first bytes to send: the hello, in one piece or in TCP segments that are to leave as they are."""
        ...

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the server (empty: its FIN); returns what to send."""
        ...

    def account(self) -> dict[str, Any]:
        """What the application saw, as JSON values."""
        ...


@dataclass(frozen=True, slots=True)
class Connected:
    """The handshake is complete. rtt: smoothed round trip by the kernel, ns, None where unknown."""

    at: int
    rtt: int | None


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of the server."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over for reading; `how`, and the system's words for it."""

    at: int
    how: End
    error: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How sending goes: segments not yet acknowledged, retransmissions so far."""

    at: int
    unacknowledged: int
    retransmissions: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: int


Event = Connected | Received | Ended | Progress | Tick


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes. boundary: in a segment of their own, nothing put behind them · urgent: their last byte as urgent data"""

    data: bytes
    boundary: bool = False
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Shut:
    """Send a FIN and go on reading."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The trial is over. abort: reset the connection, so that no copies follow into the next trial."""

    abort: bool


Command = Send | Shut | Finish


@dataclass(slots=True)
class Account:
    """What the application saw of one trial; all times in ns since the trial began, None where it did not happen."""

    connected: int | None = None
    rtt: int | None = None
    hello_sent: int | None = None
    hello_length: int | None = None
    hello_acknowledged: int | None = None
    answered: int | None = None
    ended: int | None = None
    end: End | None = None
    error: str = ""
    received: int = 0
    retransmissions: int = 0
    stage: str = "connecting"
    finished: int | None = None


@dataclass(slots=True)
class Machine:
    """Give it events with `handle`, carry out the commands it returns, and wake it (Tick) no later than `wake`."""

    began: int
    pace: Pace
    dialogue: Dialogue
    state: Literal["connecting", "speaking", "watching", "asking", "closing", "done"] = "connecting"
    account: Account = field(default_factory=Account)
    _until: int = 0
    _sent: int = 0
    _retransmissions_when_sent: int = 0
    _unacknowledged: bool = False
    _looked: int = 0
    _last_copy: int = 0
    _last_heard: int = 0
    _pieces: list[Segment] = field(default_factory=list)
    _due: int = 0
    _seen: int = 0

    def __post_init__(self) -> None:
        self._until = self.began + _ns(self.pace.connect)

    @property
    def wake(self) -> int:
        """When to tick at the latest."""
        if self._pieces and self.state == "speaking":
            return min(self._until, max(self._due, self._seen + LOOK) if self._pieces[0].await_ack else self._due)
        return self._until

    def handle(self, event: Event) -> list[Command]:
        """One event; the commands in order. After `Finish` nothing more comes."""
        if self.state == "done":
            return []
        self._seen = event.at
        if isinstance(event, Connected):
            commands = self._connected(event)
        elif isinstance(event, Received):
            commands = self._received(event)
        elif isinstance(event, Ended):
            commands = self._ended(event)
        elif isinstance(event, Progress):
            commands = self._progress(event)
        else:
            commands = []
        if self._pieces and event.at >= self._due:
            commands += self._next_pieces(event.at, acknowledged=not self._unacknowledged)
        return commands + self._in_time(event.at)

    def _since(self, at: int) -> int:
        return at - self.began

    def _patience(self, seconds: float) -> int:
        """At least these seconds, at least three round trips."""
        return max(_ns(seconds), ROUND_TRIPS * (self.account.rtt or 0))

    def _connected(self, event: Connected) -> list[Command]:
        self.account.connected, self.account.rtt = self._since(event.at), event.rtt
        hello = self.dialogue.open()
        self.account.hello_sent = self._since(event.at)
        self.state = self.account.stage = "speaking"
        if isinstance(hello, bytes):
            self.account.hello_length = len(hello)
            self._said(event.at)
            return [Send(hello)]
        self.account.hello_length = sum(len(s.data) for s in hello.segments)
        self._pieces = list(hello.segments)
        return self._next_pieces(event.at, acknowledged=True)

    def _next_pieces(self, at: int, *, acknowledged: bool) -> list[Command]:
        """The pieces of the hello whose turn has come. acknowledged: all that was sent so far is."""
        commands: list[Command] = []
        while self._pieces and self.state == "speaking":
            piece = self._pieces[0]
            if (piece.await_ack and not acknowledged) or at < self._due:
                break
            commands.append(Send(piece.data, boundary=True, urgent=piece.urgent))
            del self._pieces[0]
            acknowledged = False
            self._said(at)
            self._due = at + _ns(self._pieces[0].delay) if self._pieces else 0
        return commands

    def _said(self, at: int) -> None:
        self._sent, self._retransmissions_when_sent, self._unacknowledged = at, self.account.retransmissions, True
        self._looked = self._last_copy = at
        self._until = at + _ns(self.pace.unacknowledged)

    def _received(self, event: Received) -> list[Command]:
        account = self.account
        account.received += len(event.data)
        self._last_heard = event.at
        if account.answered is None:
            account.answered = self._since(event.at)
        reply = self.dialogue.receive(event.data)
        if self.state != "speaking":
            return []
        commands: list[Command] = []
        if reply:
            commands.append(Send(reply))
            self._said(event.at)
        if self.dialogue.done:
            self._watch(event.at + self._patience(self.pace.after_answer))
        else:
            exchange_ends = self.began + account.answered + _ns(self.pace.transfer)
            self._until = min(event.at + _ns(self.pace.answer), exchange_ends)
        return commands

    def _ended(self, event: Ended) -> list[Command]:
        account = self.account
        first = account.end is None
        if first:
            account.end, account.ended, account.error = event.how, self._since(event.at), event.error
        reply = self.dialogue.receive(b"") if event.how == "eof" and self.state == "speaking" else b""
        if self.state == "closing" or (self.state == "asking" and event.how == "eof"):
            self._until = event.at
        elif self.state == "asking":
            self._until = event.at + self._patience(self.pace.after_end)
        elif first and not (event.how == "eof" and self.state == "watching"):
            # A reset, or a close in the middle: what the server itself has to say may still be on the way.
            self._watch(event.at + self._patience(self.pace.after_end))
        return [Send(reply)] if reply else []

    def _progress(self, event: Progress) -> list[Command]:
        if event.retransmissions > self.account.retransmissions:
            self._last_copy = self._looked  # it left after the last look, so this is the earliest it can have been
        self.account.retransmissions, self._looked = event.retransmissions, event.at
        newly = self._unacknowledged and not event.unacknowledged
        self._unacknowledged = event.unacknowledged > 0
        if self.state == "asking" and newly:
            self._until = event.at + self._close_time()
        if self.state not in ("speaking", "asking"):
            return []
        if not event.unacknowledged:
            if newly and self.state == "speaking":
                if self.account.hello_acknowledged is None and not self._pieces:
                    self.account.hello_acknowledged = self._since(event.at)
                self._until = max(self._sent, self._last_heard) + _ns(self.pace.answer)
                if self.account.answered is not None:
                    self._until = min(self._until, self.began + self.account.answered + _ns(self.pace.transfer))
            return []
        copies = event.retransmissions - self._retransmissions_when_sent
        proved = copies >= COPIES_WANTED and self._last_copy - self._sent >= _ns(SPAN_WANTED)
        if proved and event.at - self._sent >= _ns(self.pace.unacknowledged_least):
            self._until = event.at
        return []

    def _close_time(self) -> int:
        return max(_ns(CLOSING), 2 * (self.account.rtt or 0))

    def _watch(self, until: int) -> None:
        self.state = self.account.stage = "watching"
        self._until = until

    def _in_time(self, at: int) -> list[Command]:
        if at < self._until:
            return []
        account = self.account
        alive = account.end is None
        if self.state == "watching" and alive:
            self.state, self._until = "closing", at + self._close_time()
            return [Shut()]
        if self.state == "speaking" and alive and not self._unacknowledged:
            account.end, account.ended = "timeout", self._since(at)
            self.state = "asking"
            self._said(at)
            return [Shut()]
        if self.state in ("connecting", "speaking") and alive:
            account.end, account.ended = "timeout", self._since(at)
        # Whatever still waits for an acknowledgement must not be sent again into the next trial; what both sides closed is closed in order.
        abort = account.end != "eof" or self._unacknowledged
        self.state = "done"
        account.finished = self._since(at)
        return [Finish(abort)]


def _ns(seconds: float) -> int:
    return round(seconds * _S)
