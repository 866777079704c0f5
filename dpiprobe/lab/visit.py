"""The virtual client: one trial of a plan on a pure TCP endpoint, led by the prober's own state machine.

Rules of this file:
- `probe.machine.Machine` decides how long to watch and how to end, as it does on the wire; this file is its driver for `Endpoint`.
- What is said has the form of a TLS 1.3 handshake with one request behind it, or of an HTTP request; nothing that comes back is judged here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dpiprobe.lab.endpoint import Endpoint
from dpiprobe.lab.service import HEAD_SIZE, record, records
from dpiprobe.lab.weather import MS
from dpiprobe.plan.plan import Pace, Plan, Trial
from dpiprobe.probe.dialogue import crafted_hello
from dpiprobe.probe.machine import Command, Connected, Ended, Event, Finish, Machine, Progress, Received, Send, Shut, Tick

_CHANGE_CIPHER_SPEC = bytes.fromhex("14 03 03 00 01 01")
_DONE = bytes.fromhex("0e 00 00 00")  # ServerHelloDone (RFC 5246 section 7.4.5)
_LOOK = 50 * MS  # between looks at how sending goes, as the prober's driver has it (probe.kernel.POLL)
_FINISHED, _REQUEST = 53, 140  # bytes of an encrypted Finished (SHA-256) and of a short request


class TlsVisit:
    """A hello, and where `body` is not None a page of that size behind the handshake."""

    def __init__(self, hello: bytes, body: int | None) -> None:
        self.done = self.worked = False
        self.hello, self.body = hello, body
        self.stream, self.taken = b"", 0
        self.stage = "hello"

    def open(self) -> bytes:
        """The hello."""
        return self.hello

    def receive(self, data: bytes) -> bytes:
        """Read records, go on with the handshake."""
        if not data:
            self.done = True
            return b""
        self.stream += data
        if self.stream[0] not in (20, 22, 23):
            self.done = True
            return b""
        found, size = records(self.stream)
        self.stream = self.stream[size:]
        reply = b""
        for kind, content in found:
            if kind == 22 and content.endswith(_DONE) and self.stage in ("hello", "flight"):
                self.worked = True
                if self.body is None:
                    self.done = True
                    return b""
                self.stage = "page"
                reply += record(22, bytes(70)) + _CHANGE_CIPHER_SPEC + record(22, bytes(40)) + record(23, bytes(_REQUEST))
            elif kind == 22 and self.stage == "hello":
                self.stage = "retried" if len(content) < 100 else "flight"
                self.worked = True
                if self.stage == "retried":
                    reply += _CHANGE_CIPHER_SPEC + self.hello
                    self.stage = "hello"
            elif kind == 23 and self.stage == "flight":
                if self.body is None:
                    self.done = True
                    return b""
                self.stage = "page"
                reply += _CHANGE_CIPHER_SPEC + record(23, bytes(_FINISHED)) + record(23, bytes(_REQUEST))
            elif kind == 23:
                self.taken += len(content) - 17
                self.done = self.done or self.taken >= HEAD_SIZE + (self.body or 0)
            elif kind == 21:
                self.done = True
        return reply

    def account(self) -> dict[str, Any]:
        """What the application saw."""
        return {"answer": "completed" if self.worked else None}


class HttpVisit:
    """One GET request."""

    def __init__(self, name: str, body: int) -> None:
        self.done = self.worked = False
        self.name, self.left = name, body + HEAD_SIZE

    def open(self) -> bytes:
        """The request."""
        return f"GET / HTTP/1.1\r\nHost: {self.name}\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()

    def receive(self, data: bytes) -> bytes:
        """Count."""
        self.worked = self.worked or data[:12] == b"HTTP/1.1 200"
        self.left -= len(data)
        self.done = self.done or not data or self.left <= 0
        return b""

    def account(self) -> dict[str, Any]:
        """What the application saw."""
        return {"answer": "page" if self.worked else None}


def dialogue(plan: Plan, trial: Trial, port: int, body: int | None) -> TlsVisit | HttpVisit:
    """What this trial says: the crafted hello where it is all (`--way hello`: the same bytes but for the name), one of its own where a page follows."""
    if port == 80:
        return HttpVisit(trial.name, body or 1_000)
    if body is not None:
        trial = replace(trial, settings={**trial.settings, "hello_seed": f"{trial.settings.get('hello_seed')}/{trial.number}"})
    return TlsVisit(crafted_hello(plan, trial), body)


class Visit:
    """One connection of the client."""

    def __init__(self, trial: Trial, said: TlsVisit | HttpVisit, end: Endpoint, now: int, pace: Pace) -> None:
        self.trial, self.said, self.end = trial, said, end
        self.machine = Machine(now, pace, said)
        self.finished = False
        self.connected = self.over = self.unreachable = False
        self.progress = (0, 0)
        self.look_at: int | None = None
        end.connect(now)

    def is_finished(self) -> bool:
        """The trial is over; the endpoint may still live."""
        return self.finished

    def wake_at(self) -> int | None:
        """When the trial, or its endpoint, wants to be woken."""
        times = [at for at in (self.end.wake_at(), *(() if self.finished else (self.machine.wake, self.look_at))) if at is not None]
        return min(times, default=None)

    def step(self, now: int) -> None:
        """Tell the machine what has changed, and do what it says."""
        end = self.end
        end.wake(now)
        if self.finished:
            end.inbox = b""
            return
        if not self.connected and end.state == "established":
            self.connected = True
            self._feed(Connected(now, end.srtt or None))
        if self.connected and not end.dead:
            progress = (int(end.nxt != end.una), end.retransmissions)
            due = self.look_at is not None and now >= self.look_at
            if progress != self.progress or due:
                self.progress = progress
                self._feed(Progress(now, *progress))
            if not progress[0]:
                self.look_at = None
            elif due or self.look_at is None:
                self.look_at = now + _LOOK
        else:
            self.look_at = None
        if end.inbox and not self.finished:
            data, end.inbox = end.inbox, b""
            self._feed(Received(now, data))
        if not self.over and not self.finished and (end.dead or end.peer_closed):
            self.over = True
            if end.dead:
                word = "unreachable" if self.unreachable else "timeout" if end.tries else "reset" if self.connected else "refused"
                self._feed(Ended(now, word))  # type: ignore[arg-type]
            else:
                self._feed(Ended(now, "eof"))
        if not self.finished:
            self._feed(Tick(now))

    def _feed(self, event: Event) -> None:
        for command in self.machine.handle(event):
            self._do(event.at, command)

    def _do(self, now: int, command: Command) -> None:
        if isinstance(command, Send):
            self.end.send(now, command.data)
            self.progress = (1, self.end.retransmissions)
        elif isinstance(command, Shut):
            self.end.close(now)
        elif isinstance(command, Finish):
            self.finished = True
            if command.abort:
                self.end.abort(now)
            else:
                self.end.close(now, discards=True)
