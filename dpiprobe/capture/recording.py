"""A live capture into a pcapng, in a process of its own: packets keep flowing to the file while Python works elsewhere.

Alone responsible for that process and for the account it gives at the end.

Rules of this file:
- The caller opens the ring, so a missing privilege is its exception, at once, and the kernel captures before the process is up.
- The process ends when it is told to, or when the caller dies: its standard input closes. It ignores the terminal's Ctrl-C.
- Every batch is flushed: whatever happens, the file holds what was captured up to the last moment.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpiprobe.capture.bpf import host_filter
from dpiprobe.capture.ring import Frame, Ring
from dpiprobe.errors import EnvironmentError_

_SETTLE = 0.15  # seconds to go on reading after the stop: the ring hands a block over 20 ms after its first packet
_PATIENCE = 20.0  # seconds for the process to finish its file


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a recording. frames: written · dropped: lost by the kernel, or where it could not say · mapped: by the shared ring ·
    time_ns of the first and last frame, None where there was none."""

    frames: int
    dropped: int
    mapped: bool
    first_ns: int | None
    last_ns: int | None


class Recording:
    """A running recording; `stop` ends it. As a context manager it is stopped on the way out, whatever happened."""

    def __init__(
        self,
        path: Path,
        interface: str,
        *,
        hosts: Sequence[str] = (),
        local_ports: Sequence[int] = (),
        comments: Sequence[str] = (),
        megabytes: int = 16,
        use_ring: bool = True,
    ) -> None:
        """Start recording `interface` to `path`. With `hosts`, only what `bpf.host_filter` keeps; else everything.

        Raises EnvironmentError_ without CAP_NET_RAW, UsageError where the interface is not there.
        """
        self.path = path
        self.result: Recorded | None = None
        program = host_filter(hosts, local_ports) if hosts else ()
        described = f"hosts {' '.join(hosts)}; TCP and UDP to the ports of the trials; ICMP errors" if hosts else ""
        with Ring(interface, program, megabytes=megabytes, use_ring=use_ring) as ring:
            descriptor, *rest = ring.describe()
            order = {"ring": [descriptor, *rest], "path": str(path), "interface": interface, "comments": list(comments), "filter": described}
            root = str(Path(__file__).resolve().parent.parent.parent)
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[descriptor], env=environment,
            )  # fmt: skip
            self._tell(json.dumps(order))
            answer = self._answer()
            if answer.get("ready") is not True:
                self._process.kill()
                why = f": {answer['error']}" if "error" in answer else ""
                raise EnvironmentError_(f"the capture process did not start{why}; is {path.parent} a folder that can be written to?")

    def stop(self) -> Recorded:
        """End the recording and close its file. Raises EnvironmentError_ where the process was lost on the way."""
        if self.result is not None:
            return self.result
        self._tell("stop")
        answer = self._answer()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if "frames" not in answer:
            why = f": {answer['error']}" if "error" in answer else ""
            raise EnvironmentError_(f"the capture process was lost{why}; {self.path} ends early and must not be taken as complete")
        self.result = Recorded(**answer)
        return self.result

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _tell(self, line: str) -> None:
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer that does not come says so

    def _answer(self) -> dict[str, Any]:
        out = self._process.stdout
        if out is None:
            return {}
        poll = select.poll()
        poll.register(out, select.POLLIN | select.POLLHUP)
        if not poll.poll(_PATIENCE * 1000):
            return {}
        line = out.readline()
        answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        return answer


def _line(descriptor: int) -> bytes:
    """One line, and not a byte more: what follows must still be seen by poll()."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return bytes(line)


def _record() -> None:
    """The process: read the order, write what comes until told to stop, give an account."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    order = json.loads(_line(0))
    ring = Ring.adopt(*order["ring"])
    from dpiprobe.capture.write import PcapngWriter

    frames, first, last = 0, None, None
    with Path(order["path"]).open("wb") as file:
        writer = PcapngWriter(file, order["comments"])
        writer.interface(ring.link_type, order["interface"], description=order["filter"])
        writer.flush()
        print(json.dumps({"ready": True}), flush=True)

        def write(batch: list[Frame]) -> None:
            nonlocal frames, first, last
            for frame in batch:
                writer.packet(frame.time, frame.data, wire_length=frame.length, direction="outbound" if frame.outgoing else "inbound")
            if batch:
                first = batch[0].time if first is None else first
                last = batch[-1].time
                frames += len(batch)
                writer.flush()

        poll = select.poll()  # not select(): a caller with many sockets hands down a high descriptor
        poll.register(0, select.POLLIN | select.POLLHUP)
        poll.register(ring, select.POLLIN | select.POLLERR)
        while all(descriptor != 0 for descriptor, _ in poll.poll()):
            write(ring.read(0))
        while batch := ring.read(_SETTLE):
            write(batch)
        losses = ring.losses()
        writer.statistics(last if last is not None else time.time_ns(), received=losses.passed, dropped=losses.dropped)
    print(json.dumps({"frames": frames, "dropped": losses.dropped, "mapped": ring.mapped, "first_ns": first, "last_ns": last}), flush=True)


if __name__ == "__main__":
    try:
        _record()
    except BrokenPipeError:  # the caller was killed: what came is in the file, and nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that is gone: the caller says so in one line
        print(json.dumps({"error": error.strerror or str(error)}), flush=True)
        sys.exit(1)
