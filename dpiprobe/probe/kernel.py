"""The kernel engine: real, non-blocking sockets that carry out a plan, one connection at a time.

Rules of this file:
- It moves bytes and events between a socket and the trial's machine (`machine.py`) and decides nothing itself.
- Source ports are reserved before the first packet (`reserve`), so the plan knows every flow beforehand.
- Whatever the network does is a result. Only this machine being unable to try at all is an exception.
- An interrupt ends the trial under way with an account of what there was; the socket is gone before the interrupt goes on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dpiprobe.errors import EnvironmentError_
from dpiprobe.plan.plan import Plan, Trial, endpoint
from dpiprobe.probe.dialogue import dialogue_of
from dpiprobe.probe.machine import Command, Connected, End, Ended, Event, Finish, Machine, Progress, Received, Send, Shut, Tick
from dpiprobe.probe.route import Route, Target

POLL = 0.05  # seconds between looks at how sending goes
_MS = 1_000_000

# struct tcp_info of linux/tcp.h: eight bytes, then 32-bit fields
_CLOSED = 7  # TCP_CLOSE, the first byte
_UNACKNOWLEDGED_AT, _RTT_AT, _TOTAL_RETRANSMISSIONS_AT = 24, 68, 100

_ENDS: dict[int, End] = {
    errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable", errno.EHOSTDOWN: "unreachable",
    errno.EACCES: "unreachable", errno.EPERM: "unreachable", errno.ENOPROTOOPT: "unreachable", errno.EPROTO: "unreachable",
}  # fmt: skip
"""How connect() and recv() report RSTs and ICMP errors (tcp(7), net/ipv4/icmp.c: icmp_err_convert)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial as it was run, and what the application saw of it, as JSON values. `worked`: the server answered the hello as TLS."""

    trial: Trial
    worked: bool
    account: dict[str, Any]


def reserve(count: int, route: Route, target: Target, interface: str | None = None) -> list[socket.socket]:
    """`count` bound sockets, each with a source port of its own. `interface`: leave through it, whatever the route says.

    Raises EnvironmentError_ where there are not as many ports or descriptors."""
    _allow_descriptors(count + 64)
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            one = socket.socket(target.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            made.append(one)
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if interface is not None and socket.if_nametoindex(interface) != 1:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            one.bind(route.sockaddr)
    except OSError as error:
        for one in made:
            one.close()
        raise EnvironmentError_(f"cannot reserve {count} source ports ({error.strerror}); give fewer names or repetitions") from None
    return made


def endpoint_of(bound: socket.socket) -> str:
    """The source endpoint of a reserved socket."""
    address, port = bound.getsockname()[:2]
    return endpoint(str(address), int(port))


def run_trial(plan: Plan, trial: Trial, bound: socket.socket, target: Target) -> Outcome:
    """Carry out one trial on its reserved socket, which is closed afterwards. On KeyboardInterrupt the outcome so far goes on as `Interrupted`."""
    start_ns, began = time.time_ns(), time.monotonic_ns()
    dialogue = dialogue_of(plan, trial)
    machine = Machine(began, plan.pace, dialogue)
    driver = _Driver(bound, machine)
    interrupted = False
    try:
        driver.connect(target.sockaddr)
        while machine.state != "done":
            driver.turn()
    except KeyboardInterrupt:
        interrupted = True
        driver.abandon()
    finally:
        bound.close()
    account = {**asdict(machine.account), **dialogue.account(), "interrupted": interrupted}
    worked = account["answer"] in ("server_hello", "completed")
    outcome = Outcome(replace(trial, start_ns=start_ns), worked, account)
    if interrupted:
        raise Interrupted(outcome)
    return outcome


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a trial; `outcome` is what there was."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class _Driver:
    """One socket, one machine."""

    def __init__(self, bound: socket.socket, machine: Machine) -> None:
        self._socket = bound
        self._machine = machine
        self._poll = select.poll()
        self._pending: list[tuple[bytes, int]] = []  # what is still to be sent, each with its flags
        self._connected = False
        self._reading = True
        self._dead = False

    def connect(self, sockaddr: Sequence[Any]) -> None:
        code = self._socket.connect_ex(tuple(sockaddr))
        if code not in (0, errno.EINPROGRESS):
            self._lost(code)
            return
        self._poll.register(self._socket.fileno(), select.POLLOUT)

    def turn(self) -> None:
        """Wait for the next thing to happen, at most POLL seconds, and deal with it."""
        left = max(0, self._machine.wake - time.monotonic_ns()) / _MS
        ready = self._poll.poll(min(left, POLL * 1000))
        if not self._connected:
            if ready:
                self._finish_connect()
        elif ready:
            self._look()  # before reading: what is acknowledged by now is not a matter of what is read
            self._pull()  # before sending: an error that a send fetches would hide what came before it
            if self._pending and self._reading and ready[0][1] & select.POLLOUT:
                self._push()
        if self._machine.state == "done":
            return
        self._look()
        self._feed(Tick(time.monotonic_ns()))

    def _look(self) -> None:
        """Tell the machine how sending goes; a connection that was reset has forgotten what was acknowledged."""
        if self._connected and not self._dead and self._machine.state != "done":
            state, unacknowledged, retransmissions, _ = self._info()
            if state != _CLOSED:
                self._feed(Progress(time.monotonic_ns(), unacknowledged, retransmissions))

    def abandon(self) -> None:
        """Reset the connection, whatever its state."""
        self._linger_off()

    def _finish_connect(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._lost(code)
            return
        self._connected = True
        self._watch()
        _, _, _, rtt = self._info()
        self._feed(Connected(time.monotonic_ns(), rtt * 1000 or None))

    def _lost(self, code: int) -> None:
        self._dead = True
        self._stop_reading()
        self._feed(Ended(time.monotonic_ns(), _ENDS.get(code, "error"), os.strerror(code)))

    def _stop_reading(self) -> None:
        self._reading = False
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._socket.fileno())

    def _watch(self) -> None:
        if self._reading:
            self._poll.register(self._socket.fileno(), select.POLLIN | (select.POLLOUT if self._pending else 0))

    def _pull(self) -> None:
        for _ in range(16):
            if not self._reading or self._machine.state == "done":
                return
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(error.errno or 0)
                return
            if not data:
                self._stop_reading()
                self._feed(Ended(time.monotonic_ns(), "eof"))
                return
            self._feed(Received(time.monotonic_ns(), data))

    def _push(self) -> None:
        while self._pending:
            data, flags = self._pending[0]
            try:
                sent = self._socket.send(data, flags)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                # A reset is told once, by whoever asks first; what had come before it can still be read by nobody.
                if not self._dead:
                    self._lost(error.errno or 0)
                return
            if sent < len(data):
                self._pending[0] = (data[sent:], flags)
                break
            del self._pending[0]
        self._watch()

    def _feed(self, event: Event) -> None:
        for command in self._machine.handle(event):
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, Send):
            # MSG_EOR keeps the kernel from putting later bytes into the same segment (tcp_skb_can_collapse_to, Linux 4.7)
            self._pending.append((command.data, (socket.MSG_EOR if command.boundary else 0) | (socket.MSG_OOB if command.urgent else 0)))
            self._push()
        elif isinstance(command, Shut):
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                if not self._dead:
                    self._lost(error.errno or 0)
        elif isinstance(command, Finish) and command.abort:
            self._linger_off()

    def _linger_off(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _info(self) -> tuple[int, int, int, int]:
        """State, segments not acknowledged, retransmissions in total, smoothed round trip in microseconds."""
        raw = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        at = (_UNACKNOWLEDGED_AT, _TOTAL_RETRANSMISSIONS_AT, _RTT_AT)
        unacknowledged, retransmissions, rtt = (int(struct.unpack_from("=I", raw, place)[0]) for place in at)
        return raw[0], unacknowledged, retransmissions, rtt


def _allow_descriptors(wanted: int) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
