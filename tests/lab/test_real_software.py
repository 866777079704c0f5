"""Real software on the path, where it is installed: it acts on the name, it is named rightly, and nothing of it survives the lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.lab.availability import package_environment
from dpiprobe.lab.real.program import Program
from dpiprobe.lab.real.servers import SERVERS, server_program
from dpiprobe.lab.real.shelf import PROGRAMS, program
from dpiprobe.lab.session import Lab
from tests.lab.scene import visit
from tests.lab.test_session import descendants

pytestmark = pytest.mark.usefixtures("lab_here")
ALLOWED, BLOCKED = {"name": "allowed.example"}, {"name": "blocked.example", "timeout": 2}
OUTCOMES = {
    "rst.in-path": (None, "ConnectionResetError"), "drop.hello": (None, "TimeoutError"), "icmp": (None, "TimeoutError"),
    "address.rst": ("ConnectionRefusedError",) * 2, "address.drop": ("TimeoutError",) * 2, "address.icmp": ("OSError",) * 2,
    "mitm": (None, None),
}  # fmt: skip
"""What a plain TLS client sees of (an allowed, a blocked) name."""


def installed(name: str) -> Program:
    """The program, or a skip that says why."""
    if name == "real-squid" and os.geteuid() != 0:
        pytest.skip("squid changes to a user of its own, and an unprivileged user namespace has only one: its box needs root")
    try:
        return program(name)
    except EnvironmentError_ as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", [entry.name for entry in PROGRAMS])
def test_it_acts_on_what_it_is_told_to(name: str) -> None:
    entry = installed(name)
    with Lab(name, seed=1) as lab:
        told = visit(lab, {**ALLOWED, "timeout": 2}, {**BLOCKED, "path": "/bytes/400000" if "tcpkill" in name else "/"})
    errors = tuple(one["error"] for one in told)
    if entry.technique == "proxy.close":
        assert errors[0] is None
        assert errors[1] is not None
    elif entry.technique != "rst.on-path":  # a race: tcpkill may lose it
        assert errors == OUTCOMES[entry.technique]


@pytest.mark.parametrize(
    ("name", "technique", "signature"),
    [("real-iptables-reject", "rst.in-path", "netfilter-reject"), ("real-haproxy-reject", "proxy.close", "proxy.close")],
)
def test_the_prober_names_it(name: str, technique: str, signature: str, tmp_path: Path) -> None:
    installed(name)
    with Lab(name, seed=2) as lab:
        words = [sys.executable, "-m", "dpiprobe", "probe", lab.server, "--name", "blocked.example", "--control", "allowed.example", "--repetitions", "2",
                 "--rate", "4", "--wait", "2", "--timeout", "4", "--handshake", "--out", str(tmp_path / "run"), "--json"]  # fmt: skip
        done = lab.run_in("client", words, capture_output=True, timeout=120, check=True)
    named = next(r for r in map(json.loads, done.stdout.splitlines()) if r["kind"] == "name" and r["server_name"] == "blocked.example")
    assert (named["technique"], named["signature"]) == (technique, signature)
    assert named["verdict"] == ("blocked" if technique == "rst.in-path" else "insufficient"), "whose proxy it is, one network cannot tell"


@pytest.mark.parametrize("name", [entry.name for entry in SERVERS])
def test_real_servers_serve_any_name(name: str) -> None:
    try:
        server_program(name)
    except EnvironmentError_ as missing:
        pytest.skip(str(missing))
    with Lab("none", server_program=name, seed=1) as lab:
        for host in ("allowed.example", "blocked.example"):
            code = "import socket,ssl,sys;c=ssl._create_unverified_context();t=c.wrap_socket(socket.create_connection((sys.argv[1],443),5)," \
                   "server_hostname=sys.argv[2]);t.sendall(b'GET /bytes/1000 HTTP/1.0\\r\\n\\r\\n');print(len(t.recv(100)))"  # fmt: skip
            assert int(lab.python_in("client", code, lab.server, host, timeout=20)) > 10


def test_sigkill_of_the_owner_ends_real_programs_too() -> None:
    installed("real-haproxy-reject")
    code = "import sys,time\nfrom dpiprobe.lab.session import Lab\nlab = Lab('real-haproxy-reject').start()\nprint('up', flush=True)\ntime.sleep(60)"
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=package_environment(), text=True)
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == "up\n"
        below = descendants(owner.pid)
        names = {(Path("/proc") / str(pid) / "comm").read_text().strip() for pid in below}
        assert "haproxy" in names
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path("/proc", str(pid)).exists() for pid in below):
        time.sleep(0.05)
    assert not [pid for pid in below if Path("/proc", str(pid)).exists()]
    assert "censor" not in Path("/proc/net/dev").read_text()
    assert not Path("/run/haproxy.cfg").exists(), "its configuration was in a /run of its own"


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="no box 'real-nothing'"):
        Lab("real-nothing")
    with pytest.raises(UsageError, match="no server 'iis'"):
        Lab("none", server_program="iis")
    lacking = Program("real-x", "mitm", "x", ("no-such-program-here",), "some-package", lambda _: None)
    assert lacking.lacks() == "not installed: no-such-program-here; make lab-real, or apt install some-package"
