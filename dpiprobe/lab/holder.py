"""The process that owns a lab: it makes the namespaces, starts the nodes, runs programs inside, and takes everything with it when it ends.

    parent (any program; `session.py`)
      stage (enters the namespaces; watches the parent; single-threaded)
        init of the PID namespace (control loop)
          box      the data path            server   TLS and HTTP
          taps     captures                 programs that the parent runs inside

Rules of this file:
- Started fresh by `python -c "from dpiprobe.lab.holder import main; main()"`, before numpy, before any thread (namespaces.py says why).
- When the parent ends, however it ends, the stage kills init (it watches a pidfd, and init the control socket); when the stage ends, the kernel kills init;
  when init ends, the kernel kills all of the PID namespace, and with the last process go the namespaces. Nothing is on disk, so nothing is left.
- The processes ignore SIGINT: Ctrl-C reaches the program inside and the parent; the parent decides.
- Control: JSON datagrams over a SOCK_SEQPACKET pair, file descriptors beside them (SCM_RIGHTS).
  Requests carry `id`; the answer repeats it. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from dpiprobe.lab import namespaces, topology

MESSAGE_LIMIT = 1 << 18  # bytes; below the default socket buffer, so a datagram always fits
_MAX_FDS = 16
Message = dict[str, Any]


class NotStarted(Exception):
    """A real program refused; its text says why."""


def main() -> None:
    """Entry: arguments are the control socket's and the parent's pidfd number, or `--check`."""
    if sys.argv[1:] == ["--check"]:
        check()
    control = socket.socket(fileno=int(sys.argv[1]))
    parent = int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy comes with the packet builders; its threads would only cost time here
    namespaces.name_process("lab-stage")
    try:
        how = namespaces.enter()
    except OSError as problem:
        control.send(json.dumps({"event": "refused", "errno": problem.errno, "error": problem.strerror}).encode())
        os._exit(3)
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        namespaces.die_with_parent()
        os.close(release)
        os.close(parent)
        try:
            Init(control, hold, how).run()
        except NotStarted as problem:
            with contextlib.suppress(OSError):
                control.send(json.dumps({"event": "lacking", "error": str(problem)}).encode())
        except Exception as problem:
            traceback.print_exc()
            with contextlib.suppress(OSError):
                control.send(json.dumps({"event": "broken", "error": f"{type(problem).__name__}: {problem}"}).encode())
        os._exit(0)
    control.close()
    os.close(hold)
    child = os.pidfd_open(pid)
    select.select([parent, child], [], [])
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os._exit(0)


def check() -> NoReturn:
    """Can a lab be made here: print nothing and return 0, or print why not and return 3."""
    try:
        namespaces.enter()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        os.pidfd_open(os.getpid())
        namespaces.new_network()
        namespaces.sysctl("net.ipv4.ip_forward", 1)
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as problem:
        print(problem.strerror)
        os._exit(3)
    os._exit(0)


class Init:
    """Process 1 of the lab: one loop over the control socket, the node processes and the children that ended."""

    def __init__(self, control: socket.socket, hold: int, how: str) -> None:
        namespaces.name_process("lab-init")
        self.control, self.hold, self.how = control, hold, how
        self.nodes: dict[int, str] = {}  # pid -> which node process
        self.taps: dict[int, tuple[int, int, socket.socket]] = {}  # number -> (request id, pid, its pipe)
        self.tap_count = 0
        self.box_pipe: socket.socket | None = None
        self.truth: list[Message] = []
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        self.woken = woken
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def send(self, message: Message) -> None:
        """To the parent; if it is gone, the loop sees the hang-up."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.control.send(json.dumps(message).encode())

    def run(self) -> None:
        """Build, announce, serve, end."""
        config: Message = json.loads(self.control.recv(MESSAGE_LIMIT))
        namespaces.see_own_processes()
        namespaces.replace_files(_files(config))
        real = config["real"] is not None
        self.network = topology.build(ipv6=config["ipv6"], kernel_routers=("box",) if real else ("r1", "r2"))
        self.network.enter("server")
        namespaces.sysctl("net.ipv4.ip_default_ttl", config["server_ttl"])
        namespaces.sysctl("net.ipv4.tcp_timestamps", int(config["server_timestamps"]))
        if config["cookies"]:
            namespaces.sysctl("net.ipv4.tcp_syncookies", 2)  # 2: always (Documentation/networking/ip-sysctl.rst)
        if config["merged"]:
            for node in ("client", "server"):
                self.network.enter(node)
                namespaces.offloads_on(topology.CAPTURE_INTERFACE)
        serve = _real_server if config["server_program"] is not None else _server
        self.keep = [self._node("server", lambda pipe: serve(config, pipe))]
        if real:
            self.keep += [self._node(node, lambda pipe, node=node: _line(config, pipe, node)) for node in ("r1", "r2")]  # type: ignore[misc]
            self.keep.append(self._node("box", lambda pipe: _real_box(config, pipe)))
        else:
            self.keep.append(self._node("box", lambda pipe: _line(config, pipe, "box")))
        for pipe in self.keep:
            answer = pipe.recv(MESSAGE_LIMIT)
            if answer != b'"ready"':
                raise NotStarted(json.loads(answer)["error"]) if answer else RuntimeError("a node process did not start")
        self.box_pipe = None if real else self.keep[-1]
        self.send({"event": "ready", "how": self.how})
        while True:
            pipes = {tap[2]: number for number, tap in self.taps.items()}
            watched: list[Any] = [self.control, self.hold, self.woken, *pipes]
            if self.box_pipe is not None:
                watched.append(self.box_pipe)
            found = select.select(watched, [], [])[0]
            if self.hold in found:
                return
            if self.woken in found:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.woken, 4096)
            if self.box_pipe in found:
                self._read_truth()
            for pipe, number in pipes.items():
                if pipe in found:
                    self._tap_finished(number)
            self._reap()
            if self.control in found and not self._request():
                return

    def _node(self, name: str, body: Callable[[socket.socket], None]) -> socket.socket:
        """Fork a process that lives in one node's namespace; returns our end of its pipe."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            self._child(name, ours)
            try:
                self.network.enter(name)
                body(theirs)
            except Exception:  # a forked child: whatever went wrong is printed, and it must never return into its parent's code
                traceback.print_exc()
            os._exit(1)
        theirs.close()
        self.nodes[pid] = name
        return ours

    def _child(self, name: str, ours: socket.socket) -> None:
        """What every forked node process forgets of init."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        namespaces.name_process(f"lab-{name}")
        ours.close()
        self.control.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid in self.nodes:
                self.send({"event": "failed", "node": self.nodes.pop(pid), "status": code})
            else:
                self.send({"event": "exit", "pid": pid, "status": code})

    def _request(self) -> bool:
        """One request; False where the parent hung up."""
        data, fds, _, _ = socket.recv_fds(self.control, MESSAGE_LIMIT, _MAX_FDS)
        if not data:
            return False
        request: Message = json.loads(data)
        try:
            answer = self._do(request, fds)
        except OSError as problem:
            answer = {"error": str(problem), "errno": problem.errno}
        finally:
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
        if answer is not None:
            self.send({"id": request["id"], **answer})
        return True

    def _do(self, request: Message, fds: list[int]) -> Message | None:
        match request["op"]:
            case "spawn":
                return self._spawn(request, fds)
            case "signal":
                os.kill(request["pid"], request["signal"])
                return {}
            case "capture":
                return self._capture(request["nodes"], fds)
            case "stop":
                number = request["capture"]
                _, pid, pipe = self.taps[number]
                self.taps[number] = (request["id"], pid, pipe)
                pipe.send(b"stop")
                return None  # answered when the tap has written everything
            case "truth":
                self._read_truth()
                return {"events": self.truth[request["from"] : request["from"] + 500], "total": len(self.truth)}
        return {"error": f"unknown request {request['op']!r}", "errno": 0}

    def _spawn(self, request: Message, fds: list[int]) -> Message:
        """Run a program in a node with the three descriptors as its standard streams."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_DFL)
                self.network.enter(request["node"])
                namespaces.see_own_network()
                if request.get("own_run"):
                    namespaces.private_run()
                os.chdir(request["cwd"])
                for target, fd in enumerate(fds[:3]):
                    os.dup2(fd, target, inheritable=True)
                os.execvpe(request["argv"][0], request["argv"], request["env"])
            except OSError as problem:
                # a folder of PATH that may not be entered hides that the program is nowhere
                missing = problem.errno == errno.EACCES and "/" not in request["argv"][0]
                os.write(writer, json.dumps({"error": str(problem), "errno": errno.ENOENT if missing else problem.errno}).encode())
            finally:
                os._exit(127)
        os.close(writer)
        failure = os.read(reader, 4096)  # end of file as soon as the program has been started
        os.close(reader)
        return json.loads(failure) if failure else {"pid": pid}

    def _capture(self, nodes: list[str], fds: list[int]) -> Message:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            self._child("tap", ours)
            try:
                _tap(self.network, nodes, fds, theirs)
            except Exception:  # a forked child: whatever went wrong is printed, and it must never return into its parent's code
                traceback.print_exc()
            os._exit(1)
        theirs.close()
        if ours.recv(64) != b'"ready"':
            return {"error": "the capture did not start", "errno": 0}
        self.tap_count += 1
        self.taps[self.tap_count] = (0, pid, ours)
        return {"capture": self.tap_count}

    def _tap_finished(self, number: int) -> None:
        identity, _, pipe = self.taps.pop(number)
        try:
            data = pipe.recv(MESSAGE_LIMIT)
        except OSError:
            data = b""
        pipe.close()
        answer: Message = {"counts": json.loads(data)} if data else {"error": "the capture ended by itself", "errno": 0}
        self.send({"id": identity, **answer})

    def _read_truth(self) -> None:
        """Take what the box says it did."""
        while self.box_pipe is not None and select.select([self.box_pipe], [], [], 0)[0]:
            data = self.box_pipe.recv(MESSAGE_LIMIT)
            if not data:
                self.box_pipe = None
                return
            self.truth += json.loads(data)


def _files(config: Message) -> dict[str, str]:
    """Inside, the lab's names resolve to the server, and no other name leaves for a resolver outside."""
    server = topology.SERVER6 if config["ipv6"] else topology.SERVER
    hosts = "127.0.0.1 localhost\n" + "".join(f"{server} {name}\n" for name in config["names"])
    return {"/etc/hosts": hosts, "/etc/resolv.conf": f"nameserver {topology.SERVER}\noptions timeout:1 attempts:1\n"}


def _line(config: Message, pipe: socket.socket, node: str) -> None:
    """The data path, for as long as the lab stands: through the box, or, where real software is the box, through the routers beside it."""
    from dpiprobe.lab.box import NoBox
    from dpiprobe.lab.boxes import make
    from dpiprobe.lab.link import Line
    from dpiprobe.lab.plain import from_plain

    rng = random.Random(f"{config['seed']}/{node}")
    losses = config["losses"]
    box = make(config["box"], config["blocked"], config["blocked_addresses"], rng) if node == "box" else NoBox()
    line = Line(box, from_plain(config["condition"]), rng, losses=None if losses is None else (losses[0], losses[1]), node=node)
    pipe.send(b'"ready"')

    def tell(events: list[dict[str, object]]) -> None:
        for at in range(0, len(events), 200):
            pipe.send(json.dumps(events[at : at + 200]).encode())

    line.run(pipe.fileno(), tell)


def _real_box(config: Message, pipe: socket.socket) -> None:
    """Real software on the path; this process waits for its end, which is the lab's."""
    from dpiprobe.lab.real.shelf import program

    _real(config, pipe, program(config["real"]).start)


def _real_server(config: Message, pipe: socket.socket) -> None:
    from dpiprobe.lab.real.servers import server_program

    _real(config, pipe, server_program(config["server_program"]).start)


def _real(config: Message, pipe: socket.socket, start: Callable[[Any], None]) -> None:
    """Start a real program in this node with a /run in memory, say so, and stay as long as it does."""
    from dpiprobe.lab.real.program import Place

    namespaces.private_run()
    place = Place(tuple(config["blocked"]), topology.SERVER, body=config["body"], tls=config["tls"])
    try:
        start(place)
    except (OSError, KeyError) as problem:
        pipe.send(json.dumps({"error": str(problem)}).encode())
        return
    pipe.send(b'"ready"')
    while place.children and all(child.poll() is None for child in place.children):
        select.select([], [], [], 0.5)
    while not place.children:
        signal.pause()
    raise RuntimeError(f"{place.children[0].args!r} ended by itself")


def _server(config: Message, pipe: socket.socket) -> None:
    from dpiprobe.lab.server import Server

    server = Server(config["behaviours"], config["body"], ipv6=config["ipv6"], newest=config["tls"])
    pipe.send(b'"ready"')
    server.run()


def _tap(network: topology.Network, nodes: list[str], fds: list[int], pipe: socket.socket) -> None:
    from dpiprobe.lab.tap import Tap, run

    taps = []
    for node, fd in zip(nodes, fds, strict=True):
        network.enter(node)
        taps.append(Tap(node, topology.CAPTURE_INTERFACE, fd))
    pipe.send(b'"ready"')
    pipe.send(json.dumps(run(taps, pipe.fileno())).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
