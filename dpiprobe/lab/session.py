"""A lab as its user holds it: `with Lab("in-path-reset") as lab: lab.run_in("client", [...])`.

Rules of this file:
- Everything real happens in the holder (holder.py); this side only sends requests and hands over descriptors. It may be used from any thread.
- A lab is down when `close` returns, and also when this process ends in any other way.
- A machine that cannot have a lab is an EnvironmentError_ that says what is missing; a box or node that does not exist is a UsageError.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.lab import catalogue, topology
from dpiprobe.lab.availability import START, available, missing_package, package_environment, why
from dpiprobe.lab.conditions import Condition, condition
from dpiprobe.lab.inside import LabCapture, LabProcess
from dpiprobe.lab.plain import to_plain
from dpiprobe.lab.real.shelf import PREFIX, program
from dpiprobe.lab.server import ANY, BEHAVIOURS

__all__ = ["Lab", "LabCapture", "LabProcess", "available"]

ALLOWED, BLOCKED = "allowed.example", "blocked.example"  # RFC 2606: never real
_BUILDING, _PATIENCE = 60.0, 30.0  # seconds the holder may take to build (real programs load slowly), and to answer
_MESSAGE = 1 << 18


OneBox = str | Mapping[str, object] | None


def _blocks(box: OneBox | Sequence[OneBox], signatures: Mapping[str, Mapping[str, object]] | None) -> Any:
    """Names as the `emulate:` blocks they stand for; a list where several boxes stand on the path."""
    if isinstance(box, str):
        if "+" in box:
            return _blocks(box.split("+"), signatures)
        if signatures is None and box != "none":
            signatures = catalogue.from_database()
        return catalogue.block(box, signatures)
    return [_blocks(one, signatures) for one in box] if isinstance(box, Sequence) else box


class Lab:
    """client - r1 - box - r2 - server, standing between `with` and the end of the block.

    box: a name from the catalogue, a signature id, an `emulate:` block as a mapping, None, or several of those in a list, the first nearest to the client
    blocked: the names the box acts on, as its name rule says
    conditions: a name from conditions.py or a Condition: what the path is like
    delay: one way, ms, (client - box, box - server) · loss: chance that a packet is lost, the same for both halves or (client - box, box - server), 0..1;
    both go before what the conditions say · tls: the newest version that the server speaks, "1.2" or "1.3"
    server_program: a real server in its stead (real/servers.py) · a box named `real-...` is real software (real/shelf.py)
    behaviours: name (`*`: any other) -> what the *server* does by itself (server.BEHAVIOURS); server_ttl: its packets start with; server_timestamps: it
    knows that TCP option · body: bytes of the server's answer, if the path is not /bytes/N
    seed: of the box's and the path's randomness (None: a new one; `lab.seed` tells)
    signatures: `emulate:` blocks by signature id (None: those of the program)
    """

    client, server = topology.CLIENT, topology.SERVER  # with IPv6 the addresses of the instance are others
    allowed_name, blocked_name = ALLOWED, BLOCKED

    def __init__(
        self,
        box: OneBox | Sequence[OneBox] = "none",
        *,
        blocked: Sequence[str] = (BLOCKED,),
        conditions: str | Condition = "plain",
        delay: tuple[float, float] | None = None,
        loss: float | tuple[float, float] | None = None,
        tls: str = "1.3",
        server_program: str | None = None,
        behaviours: Mapping[str, str] | None = None,
        server_ttl: int = 64,
        server_timestamps: bool = True,
        body: int = 1000,
        seed: int | None = None,
        signatures: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        from dpiprobe.lab import boxes

        self.box = None if isinstance(box, str) and box.startswith(PREFIX) else _blocks(box, signatures)
        self.blocked = list(blocked)
        self.seed = secrets.randbits(48) if seed is None else seed
        self.condition = path = condition(conditions) if isinstance(conditions, str) else conditions
        if path.full:
            raise UsageError(f"{path.name} needs a server of the virtual clock; real kernels do not drop a share of their accept queue")
        losses = loss if isinstance(loss, tuple) or loss is None else (loss, loss)
        if (delay and min(delay) < 0) or not all(0 <= one <= 1 for one in losses or ()):
            raise UsageError("delays must not be negative and losses must lie between 0 and 1; give delays in ms, loss as a fraction")
        if tls not in ("1.2", "1.3"):
            raise UsageError(f"the server speaks TLS up to 1.2 or 1.3, not {tls!r}")
        if delay is not None:
            near, far = (round(one * 1_000_000) for one in delay)
            self.condition = path = replace(path, near=(near, near), far=(far, far))
        ipv6 = path.version == 6
        if ipv6:
            self.client, self.server = topology.CLIENT6, topology.SERVER6
        for name, what in (behaviours or {}).items():
            if what not in BEHAVIOURS:
                raise UsageError(f"the server cannot {what!r} for {name}; it can: {', '.join(BEHAVIOURS)}")
        real = box if isinstance(box, str) and box.startswith(PREFIX) else None
        if real is not None:
            program(real)
            if ipv6 or path.one_way:
                raise UsageError(f"real software stands on IPv4 paths that go both ways through it; not under the condition {path.name}")
        if server_program is not None:
            from dpiprobe.lab.real.servers import server_program as find_server

            find_server(server_program)
        boxes.make(self.box, self.blocked, [], random.Random(0))  # a wrong block is the caller's error, and known now
        self._config: dict[str, Any] = {
            "box": self.box, "blocked": self.blocked, "blocked_addresses": [topology.SERVER, topology.SERVER6], "seed": self.seed,
            "condition": to_plain(path), "losses": losses, "ipv6": ipv6, "cookies": path.cookies, "merged": path.merged, "tls": tls,
            "real": real, "server_program": server_program,
            "behaviours": {**({} if ANY in (behaviours or {}) else {ALLOWED: "ok", BLOCKED: "ok"}), **(behaviours or {})}, "body": body,
            "names": list(dict.fromkeys([ALLOWED, BLOCKED, *(name for name in behaviours or {} if name != ANY), *self.blocked])),
            "server_ttl": server_ttl, "server_timestamps": server_timestamps,
        }  # fmt: skip
        self._holder: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._answers: dict[int, dict[str, Any]] = {}
        self._exits: dict[int, int] = {}
        self._captures: set[int] = set()
        self._count = 0
        self._state = "new"
        self._trouble = ""
        self._gone = False
        self.how = ""

    @property
    def standing(self) -> bool:
        """It has been started and is still there."""
        return self._state == "ready" and not self._gone

    @property
    def settle(self) -> float:
        """Seconds after which nothing that was sent is still under way: one round trip and a little."""
        path = self.condition
        return (sum(path.near) + sum(path.far) + 4 * path.jitter) / 1e9 + 0.05

    @property
    def environment(self) -> dict[str, str]:
        """What programs inside are told: DPIPROBE_LAB_SERVER, _CLIENT, _NAMES (comma separated), _ALLOWED, _BLOCKED."""
        return {
            "DPIPROBE_LAB_SERVER": self.server, "DPIPROBE_LAB_CLIENT": self.client,
            "DPIPROBE_LAB_ALLOWED": ALLOWED, "DPIPROBE_LAB_BLOCKED": ",".join(self.blocked), "DPIPROBE_LAB_NAMES": ",".join([ALLOWED, *self.blocked]),
        }

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> Self:
        """Build it; returns when every node is ready. Raises EnvironmentError_ where this machine cannot."""
        if self._holder is not None:
            raise UsageError("this lab has been started before; make a new one")
        missing = missing_package()
        if missing:
            raise EnvironmentError_(missing)
        try:
            me = os.pidfd_open(os.getpid())
        except OSError as problem:
            raise EnvironmentError_(why(f"pidfd_open: {problem.strerror}")) from None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._holder = subprocess.Popen(
                    [sys.executable, "-c", START, str(theirs.fileno()), str(me)],
                    pass_fds=(theirs.fileno(), me), env=package_environment(), stdin=subprocess.DEVNULL,
                )
            self._control = ours
            threading.Thread(target=self._listen, name="lab-control", daemon=True).start()
            with contextlib.suppress(BrokenPipeError):
                ours.send(json.dumps(self._config).encode())
            with self._changed:
                self._changed.wait_for(lambda: self._state != "new" or self._gone, _BUILDING)
            if self._state != "ready":
                if self._state == "refused":
                    raise EnvironmentError_(why(self._trouble))
                if self._state == "lacking":
                    raise EnvironmentError_(f"the lab did not start: {self._trouble}")
                raise EnvironmentError_(f"the lab did not start ({self._trouble or 'no answer'}); see the lines above")
        except BaseException:
            self.close()
            raise
        finally:
            os.close(me)
        return self

    def close(self) -> None:
        """Stop captures, end everything inside, wait until it is gone. May be called twice."""
        if self._holder is None or self._control is None:
            return
        for number in list(self._captures):
            with contextlib.suppress(EnvironmentError_):
                self._ask({"op": "stop", "capture": number})
        self._captures.clear()
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._holder.wait(5)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait()
        self._control.close()
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def popen(
        self, node: str, argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str] | None = None, cwd: str | os.PathLike[str] | None = None,
        stdin: int | None = None, stdout: int | None = None, stderr: int | None = None, own_run: bool = False,
    ) -> LabProcess:
        """Start a program in a node. Streams are inherited, or subprocess.PIPE, DEVNULL, STDOUT (for stderr), or a descriptor, as with subprocess.Popen.

        `env` is added to this process's environment and `environment`; with `own_run` the program has a /run (64 MB) of its own in memory, which ends
        with it. Raises EnvironmentError_ where the program cannot be started.
        """
        if node not in topology.NODES:
            raise UsageError(f"there is no node {node!r} in the lab; there are: {', '.join(topology.NODES)}")
        words = [os.fspath(word) for word in argv]
        inherited = package_environment() if words[0] == sys.executable else dict(os.environ)  # another Python must not get this one's modules
        fds: list[int] = []
        close: list[int] = []
        files: list[Any] = []
        try:
            for target, wanted in enumerate((stdin, stdout, stderr)):
                file = None
                if wanted is None:
                    fd = target
                elif wanted == subprocess.DEVNULL:
                    fd = os.open(os.devnull, os.O_RDWR)
                    close.append(fd)
                elif wanted == subprocess.STDOUT:
                    fd = fds[1]
                elif wanted == subprocess.PIPE:
                    reader, writer = os.pipe()
                    fd, mine = (reader, writer) if target == 0 else (writer, reader)
                    close.append(fd)
                    file = open(mine, "wb" if target == 0 else "rb")  # noqa: SIM115, PTH123 (a descriptor, handed to the caller)
                else:
                    fd = wanted
                fds.append(fd)
                files.append(file)
            request = {"op": "spawn", "node": node, "argv": words, "cwd": os.fspath(cwd or Path.cwd()), "own_run": own_run}
            answer = self._ask({**request, "env": {**inherited, **self.environment, **(env or {})}}, fds)
        except BaseException:
            for file in files:
                if file is not None:
                    file.close()
            raise
        finally:
            for fd in close:
                os.close(fd)
        return LabProcess(self, answer["pid"], words, *files)

    def run_in(
        self, node: str, argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str] | None = None, cwd: str | os.PathLike[str] | None = None,
        capture_output: bool = False, timeout: float | None = None, check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a node to its end, with this process's streams, or its output as text; killed on timeout (subprocess.TimeoutExpired)."""
        pipe = subprocess.PIPE if capture_output else None
        process = self.popen(node, argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL if capture_output else None, stdout=pipe, stderr=pipe)
        texts: dict[str, str] = {}

        def read(name: str, file: Any) -> None:
            with file:
                texts[name] = file.read().decode("utf-8", "replace")

        readers = [threading.Thread(target=read, args=(name, file), daemon=True) for name, file in (("out", process.stdout), ("err", process.stderr)) if file]
        for reader in readers:
            reader.start()
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            raise
        for reader in readers:
            reader.join(5)
        done = subprocess.CompletedProcess(process.argv, code, texts.get("out"), texts.get("err"))
        if check:
            done.check_returncode()
        return done

    def python_in(self, node: str, code: str, *arguments: str, timeout: float | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run Python code in a node and return what it printed; its failure is a RuntimeError with its error output."""
        done = self.run_in(node, [sys.executable, "-c", code, *arguments], env=env, capture_output=True, timeout=timeout)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def capture(self, folder: str | os.PathLike[str] | None, nodes: Sequence[str] = ("client", "server")) -> LabCapture:
        """Capture at these nodes into `folder/NODE.pcapng`, from now until `stop` or the end of a `with` block.

        Without a folder the captures stay in memory: `files` can be read as long as this process keeps the capture.
        """
        for node in nodes:
            if node not in ("client", "server"):
                raise UsageError(f"captures are taken at client and server, not at {node!r}")
        fds: list[int] = []
        try:
            if folder is None:
                fds += [os.memfd_create(f"lab-{node}") for node in nodes]
                files = {node: Path(f"/proc/{os.getpid()}/fd/{fd}") for node, fd in zip(nodes, fds, strict=True)}
            else:
                target = Path(folder)
                target.mkdir(parents=True, exist_ok=True)
                files = {node: target / f"{node}.pcapng" for node in nodes}
                for file in files.values():
                    fds.append(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644))
            number: int = self._ask({"op": "capture", "nodes": list(nodes)}, fds)["capture"]
            memory, fds = (fds, []) if folder is None else ([], fds)
        finally:
            for fd in fds:
                os.close(fd)
        self._captures.add(number)
        return LabCapture(self, number, files, memory=memory)

    def truth(self) -> list[dict[str, Any]]:
        """What the box did, for tests and the matrix: `at` (monotonic ns), `kind` (trigger, inject, residual, ...), ports. Nothing that judges may read it."""
        events: list[dict[str, Any]] = []
        while True:
            answer = self._ask({"op": "truth", "from": len(events)})
            events += answer["events"]
            if len(events) >= answer["total"] or not answer["events"]:
                return events

    def _ask(self, request: dict[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        if self._control is None or self._gone:
            raise EnvironmentError_(f"the lab is not standing ({self._trouble or 'not started, or closed'}); start a new one")
        with self._sending:
            self._count += 1
            identity = self._count
            data = json.dumps({**request, "id": identity}).encode()
            if len(data) >= _MESSAGE:
                raise UsageError("the command line and environment are larger than 256 kB; pass less")
            try:
                socket.send_fds(self._control, [data], list(fds))
            except OSError as problem:
                raise EnvironmentError_(f"the lab is gone ({problem}); start a new one") from None
        with self._changed:
            self._changed.wait_for(lambda: identity in self._answers or self._gone, _PATIENCE)
            answer = self._answers.pop(identity, None)
        if answer is None:
            raise EnvironmentError_(f"the lab gave no answer ({self._trouble or 'it ended'}); start a new one")
        if "error" in answer:
            number = answer.get("errno")
            if "argv" in request and number:
                answer["error"] = f"cannot run {request['argv'][0]} ({os.strerror(number)})"
            advice = "is it installed, and is its path right?" if number == errno.ENOENT else "see the lines above"
            raise EnvironmentError_(f"{answer['error']}; {advice}")
        return answer

    def _listen(self) -> None:
        """Thread: take what the holder says, until it hangs up."""
        assert self._control is not None
        while True:
            try:
                data = self._control.recv(_MESSAGE)
            except ConnectionResetError:
                continue  # it hung up before it read all we had sent (told once, unix(7)); what it said before that is still to come
            except OSError:
                data = b""
            with self._changed:
                if not data:
                    self._gone = True
                    self._changed.notify_all()
                    return
                message = json.loads(data)
                match message.get("event"):
                    case "ready":
                        self._state, self.how = "ready", message["how"]
                    case "refused" | "broken" | "lacking" as state:
                        self._state, self._trouble = state, message["error"]
                    case "exit":
                        self._exits[message["pid"]] = message["status"]
                    case "failed":
                        self._trouble = f"its {message['node']} ended with status {message['status']}"
                    case _:
                        self._answers[message["id"]] = message
                self._changed.notify_all()
