"""A lab that stays: `lab up` leaves a keeper process behind, `lab exec` runs programs in its nodes, `lab down` ends it.

Rules of this file:
- The keeper is an ordinary user of `session.Lab`; when it ends, however it ends, its lab goes with it.
- Its door is a Unix socket with an abstract name (unix(7)): it is in no folder and ends with the keeper, so nothing is left, also after SIGKILL.
  Who knocks and who answers are checked by uid (SO_PEERCRED), on both sides. Messages are JSON, standard streams go as descriptors.
- One standing lab a name, of each user.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dpiprobe.errors import DpiprobeError, EnvironmentError_, UsageError
from dpiprobe.lab.availability import package_environment
from dpiprobe.lab.session import Lab

_START = "from dpiprobe.lab.standing import keep; keep()"
_MESSAGE = 1 << 18
_PATIENCE = 20.0


def door(name: str) -> str:
    """The abstract address of a standing lab's socket; UsageError where the name cannot be one."""
    if not name or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 40:
        raise UsageError(f"{name!r} cannot name a lab; use letters, digits, - and _")
    return f"\0dpiprobe-lab-{os.getuid()}-{name}"


def up(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Stand a lab up and leave it; `options` are the arguments of `Lab` as plain data. Returns what it says of itself: box, server, client, names, pid.

    Raises UsageError where one of that name stands already, EnvironmentError_ where none can be made.
    """
    if _answers(name):
        raise UsageError(f"a lab named {name!r} is up; take it down first with `dpiprobe lab down --name {name}`, or choose another --name")
    said = os.memfd_create("said")
    try:
        keeper = subprocess.Popen(
            [sys.executable, "-c", _START, name, json.dumps(dict(options))],
            env=package_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True, text=True,
        )  # fmt: skip
        assert keeper.stdout is not None
        with keeper.stdout:
            line = keeper.stdout.readline()
        last = os.pread(said, 1 << 16, 0).decode("utf-8", "replace").strip().rpartition("\n")[2]
    finally:
        os.close(said)
    told: dict[str, Any] = json.loads(line) if line else {"error": f"its keeper ended at once ({last or 'without a word'}); try `dpiprobe lab run` to see more"}
    if "error" in told:
        raise (UsageError if told.get("usage") else EnvironmentError_)(told["error"])
    return told


def execute(name: str, node: str, argv: Sequence[str]) -> int:
    """Run a program in a node of a standing lab with this process's standard streams; its exit code (negative: a signal)."""
    with _knock(name) as line:
        request = {"op": "exec", "node": node, "argv": list(argv), "cwd": str(Path.cwd()), "env": dict(os.environ)}
        socket.send_fds(line, [json.dumps(request).encode()], [0, 1, 2])
        while True:
            try:
                answer = json.loads(line.recv(_MESSAGE) or b'{"error": "the lab went down"}')
            except KeyboardInterrupt:
                line.send(b'{"op": "interrupt"}')  # the program is in another session, so the terminal's Ctrl-C does not reach it
                continue
            break
    if "error" in answer:
        raise (UsageError if answer.get("usage") else EnvironmentError_)(answer["error"])
    return int(answer["status"])


def down(name: str) -> None:
    """Take a standing lab down, and wait until it is gone; UsageError where there is none."""
    with _knock(name) as line:
        line.send(b'{"op": "down"}')
        line.settimeout(_PATIENCE)
        with contextlib.suppress(OSError):
            line.recv(_MESSAGE)
    deadline = time.monotonic() + _PATIENCE
    while _answers(name) and time.monotonic() < deadline:
        time.sleep(0.02)


def describe(name: str) -> dict[str, Any] | None:
    """What a standing lab says of itself, None where there is none."""
    line = _connect(name)
    if line is None:
        return None
    with line:
        try:
            line.send(b'{"op": "describe"}')
            told: dict[str, Any] | None = json.loads(line.recv(_MESSAGE) or b"null")
        except OSError:
            return None  # it is going down just now
    return told


def _connect(name: str) -> socket.socket | None:
    """A line to the keeper of that name, None where nobody of this user answers."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        line.connect(door(name))
    except OSError:
        line.close()
        return None
    if _uid(line) != os.getuid():
        line.close()
        return None
    return line


def _uid(line: socket.socket) -> int:
    """Whose process is at the other end."""
    uid: int = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    return uid


def _answers(name: str) -> bool:
    line = _connect(name)
    if line is not None:
        line.close()
    return line is not None


def _knock(name: str) -> socket.socket:
    line = _connect(name)
    if line is None:
        raise UsageError(f"there is no lab named {name!r}; stand one up with `dpiprobe lab up`")
    return line


def keep() -> None:
    """Entry of the keeper: arguments are the lab's name and options. It says in one line on stdout how it went, then serves."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if options.get("delay") is not None:
        options["delay"] = tuple(options["delay"])
    try:
        lab = Lab(**options).start()
    except DpiprobeError as problem:
        print(json.dumps({"error": str(problem), "usage": isinstance(problem, UsageError)}), flush=True)
        return
    try:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(door(name))
        listener.listen(16)
        keeper = _Keeper(lab, {"box": options.get("box"), "server": lab.server, "client": lab.client, "pid": os.getpid(), "seed": lab.seed, **lab.environment})
        print(json.dumps(keeper.told), flush=True)
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 1)
        keeper.serve(listener)
    finally:
        lab.close()


class _Keeper:
    """Serves one standing lab until it is told to end, or its holder has gone."""

    def __init__(self, lab: Lab, told: dict[str, Any]) -> None:
        self.lab, self.told = lab, told
        self.over = threading.Event()

    def serve(self, listener: socket.socket) -> None:
        listener.settimeout(0.2)
        while not self.over.is_set() and self.lab.standing:
            try:
                line, _ = listener.accept()
            except TimeoutError:
                continue
            if _uid(line) != os.getuid():
                line.close()
                continue
            threading.Thread(target=self._guest, args=(line,), daemon=True).start()

    def _guest(self, line: socket.socket) -> None:
        """One request of one guest."""
        with line, contextlib.suppress(OSError):
            data, fds, _, _ = socket.recv_fds(line, _MESSAGE, 3)
            if not data:
                return
            try:
                answer = self._do(line, json.loads(data), fds)
            except DpiprobeError as problem:
                answer = {"error": str(problem), "usage": isinstance(problem, UsageError)}
            finally:
                for fd in fds:
                    with contextlib.suppress(OSError):
                        os.close(fd)
            line.send(json.dumps(answer).encode())

    def _do(self, line: socket.socket, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        if request["op"] == "down":
            self.over.set()
            return {}
        if request["op"] == "describe":
            return self.told
        stdin, stdout, stderr = fds
        process = self.lab.popen(request["node"], request["argv"], cwd=request["cwd"], env=request["env"], stdin=stdin, stdout=stdout, stderr=stderr)
        threading.Thread(target=self._watch, args=(line, process), daemon=True).start()
        return {"status": process.wait()}

    @staticmethod
    def _watch(line: socket.socket, process: Any) -> None:
        """A guest that interrupts, interrupts its program; one that goes away ends it."""
        with contextlib.suppress(OSError):
            while process.poll() is None:
                process.send_signal(signal.SIGINT if line.recv(_MESSAGE) else signal.SIGKILL)
