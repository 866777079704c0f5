"""What it takes to put a real program on the lab's path, or behind its server's address: the model, and the place it runs in.

Rules of this file:
- A program runs inside its node's namespaces, with a `/run` of its own in memory: what it writes is gone with the lab, and so is the program
  (the lab's PID namespace ends it, also after SIGKILL).
- `start` returns when the program is ready. What it cannot do on this machine is an OSError or CalledProcessError whose text reaches the user.
- Nothing here is told what a verdict says of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # Debian keeps nft, haproxy and squid where users' PATH does not look
_PATIENCE = 50.0  # seconds until a program listens; on a machine ten times overloaded mitmproxy has taken more than twenty
PROXY_PORT = 8443


def find(program: str) -> str | None:
    """Where the program is, None where it is not installed."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":" + _PATH)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program runs and what it is to act on: `blocked` names, the `server`'s address, a private `folder` in memory.

    tls: the newest version spoken in this lab, "1.2" or "1.3", by programs that can be told · body: bytes of a server's answer
    """

    blocked: tuple[str, ...]
    server: str
    folder: Path = Path("/run")
    body: int = 1000
    tls: str = "1.3"
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def write(self, name: str, text: str | bytes) -> str:
        """A file of the program's own; its path."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(file)

    def run(self, *argv: str, text: str | None = None) -> None:
        """Run a command to its end; raises CalledProcessError with what it said."""
        done = subprocess.run([find(argv[0]) or argv[0], *argv[1:]], input=text, capture_output=True, text=True, check=False, env=environment())
        if done.returncode:
            raise OSError(f"{' '.join(argv[:3])} ... ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")

    def daemon(self, *argv: str, port: int | None = None, env: Mapping[str, str] | None = None, cwd: str | None = None) -> None:
        """Start a program that stays; returns when it listens on `port`, else after it has had a moment to fail."""
        log = self.folder / "program.log"
        with log.open("wb") as file:
            child = subprocess.Popen(
                [find(argv[0]) or argv[0], *argv[1:]], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env={**environment(), **(env or {})}, cwd=cwd,
            )  # fmt: skip
        self.children.append(child)
        deadline = time.monotonic() + (_PATIENCE if port is not None else 0.3)
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise OSError(f"{argv[0]} ended with {child.returncode}: {log.read_text(errors='replace').strip()[-300:]}")
            if port is not None and _listens(port):
                return
            time.sleep(0.05)
        if port is not None:
            raise OSError(f"{argv[0]} does not listen on port {port} after {_PATIENCE:.0f} s: {log.read_text(errors='replace').strip()[-300:]}")

    def redirect(self, *ports: int) -> None:
        """Let what comes from the client for these ports reach a proxy on PROXY_PORT of this very node."""
        wanted = ", ".join(str(port) for port in ports)
        self.run("nft", "-f", "-", text=f"""table ip front {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    iifname "left" tcp dport {{ {wanted} }} redirect to :{PROXY_PORT}
  }}
}}
""")


def environment() -> dict[str, str]:
    """What programs get: a PATH that holds the administrator's, and a home that is theirs alone."""
    return {"PATH": os.environ.get("PATH", "") + ":" + _PATH, "HOME": "/run", "LC_ALL": "C.UTF-8", "XTABLES_LOCKFILE": "/run/xtables.lock"}


def _listens(port: int) -> bool:
    """Does anything in this network namespace listen on the port; asked of /proc, so that no connection is made."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/thread-self/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


@dataclass(frozen=True, slots=True)
class Program:
    """Real software as a box. needs: its executables · package: Debian's packages that bring them · technique: what it is, for the list and the matrix"""

    name: str
    technique: str
    says: str
    needs: tuple[str, ...]
    package: str
    start: Callable[[Place], None]

    def lacks(self) -> str | None:
        """None where it can run, else what is missing and how to get it."""
        missing = [program for program in self.needs if find(program) is None]
        return f"not installed: {', '.join(missing)}; make lab-real, or apt install {self.package}" if missing else None


def patterns(place: Place) -> Sequence[str]:
    """The blocked names, as a string match finds them in a hello or a Host line."""
    return [name.encode("idna").decode() for name in place.blocked]
