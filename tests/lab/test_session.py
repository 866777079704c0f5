"""A lab stands quickly, runs anything inside, and goes completely, however its owner ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.lab.availability import package_environment, why
from dpiprobe.lab.session import Lab, available
from tests.lab.scene import packets, pressure, visit

pytestmark = pytest.mark.usefixtures("lab_here")


def descendants(pid: int) -> set[int]:
    """All processes below `pid`, by /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = set(), [pid]
    while todo:
        for child in parents.get(todo.pop(), []):
            found.add(child)
            todo.append(child)
    return found


def networks(pids: set[int]) -> set[str]:
    """The network namespaces these processes are in."""
    found = set()
    for pid in pids:
        try:
            found.add(str(Path(f"/proc/{pid}/ns/net").readlink()))
        except OSError:
            continue
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run (a zombie does not)."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.add(pid)
    return found


def gone_within(pids: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_stands_within_a_second() -> None:
    times = []
    for _ in range(3):
        start = time.monotonic()
        with Lab():
            times.append(time.monotonic() - start)
    assert min(times) < pressure()


def test_programs_run_unchanged_with_their_output_exit_code_and_environment() -> None:
    with Lab() as lab:
        done = lab.run_in("client", ["sh", "-c", 'echo "$DPIPROBE_LAB_SERVER $EXTRA"; echo no >&2; exit 7'], env={"EXTRA": "x"}, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (7, f"{lab.server} x\n", "no\n")
        assert lab.run_in("server", ["sh", "-c", "kill -9 $$"]).returncode == -signal.SIGKILL
        with pytest.raises(subprocess.TimeoutExpired):
            lab.run_in("client", ["sleep", "60"], timeout=0.2)


def test_only_the_lab_is_reachable_from_inside() -> None:
    with Lab() as lab:
        listing = lab.python_in("client", "import socket; print(sorted(n for _, n in socket.if_nameindex()))")
    assert eval(listing) == ["eth0", "lo"]


def test_the_labs_names_resolve_inside_and_no_others() -> None:
    code = """
import socket
for name in ("blocked.example", "other.example", "unknown.example"):
    try:
        print(socket.gethostbyname(name))
    except OSError:
        print("-")
"""
    outside = Path("/etc/hosts").read_text()
    with Lab(blocked=["blocked.example", "other.example"]) as lab:
        assert lab.python_in("client", code, timeout=20).split() == [lab.server, lab.server, "-"]
        assert Path("/etc/hosts").read_text() == outside


def test_programs_see_only_the_labs_processes() -> None:
    with Lab() as lab:
        names = lab.python_in("client", "import os; print(*(open(f'/proc/{p}/comm').read() for p in os.listdir('/proc') if p.isdigit()))").split()
    if "lab-stage" in names:
        pytest.skip("parts of /proc are masked here, so it cannot be mounted anew")
    assert sorted(names)[:3] == ["lab-box", "lab-init", "lab-server"]


def test_wrong_calls_say_what_is_there() -> None:
    with pytest.raises(UsageError, match="no box 'nobox'"):
        Lab("nobox", signatures={})
    with pytest.raises(UsageError, match="did you mean `hello`"):
        Lab({"hallo": "drop"})
    with pytest.raises(UsageError, match="cannot 'dance'"):
        Lab(behaviours={"a.example": "dance"})
    with Lab() as lab:
        with pytest.raises(UsageError, match="no node 'moon'"):
            lab.run_in("moon", ["true"])
        with pytest.raises(EnvironmentError_, match=r"cannot run no-such-program \(No such file"):
            lab.run_in("client", ["no-such-program"])
    with pytest.raises(EnvironmentError_, match="not standing"):
        lab.run_in("client", ["true"])


def test_an_exception_takes_it_down() -> None:
    with pytest.raises(ZeroDivisionError), Lab() as lab:
        assert lab._holder is not None
        inside = descendants(lab._holder.pid)
        assert len(inside) >= 3
        raise ZeroDivisionError
    assert not alive(inside)


OWNER = """
import sys, time, tempfile
from dpiprobe.lab.session import Lab
with Lab("in-path-reset", signatures={}) as lab:
    capture = lab.capture(sys.argv[1])
    child = lab.popen("client", ["sleep", "600"])
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_owner_is_killed(number: int, tmp_path: Path) -> None:
    mine = str(Path("/proc/self/ns/net").readlink())
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        inside = descendants(owner.pid)
        assert len(inside) >= 5  # stage, init, box, server, tap, sleep
        inner = networks(inside) - {mine}
        assert inner
    finally:
        os.kill(owner.pid, number)
    owner.wait(10)
    assert gone_within(inside, 5)
    everyone = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    assert not inner & networks(everyone)


@pytest.mark.parametrize("victim", ["stage", "init"])
def test_nothing_is_left_when_the_holder_is_killed(victim: str) -> None:
    lab = Lab().start()
    assert lab._holder is not None
    inside = descendants(lab._holder.pid)
    init = next(pid for pid in inside if Path(f"/proc/{pid}/comm").read_text() == "lab-init\n")
    os.kill(lab._holder.pid if victim == "stage" else init, signal.SIGKILL)
    assert gone_within(inside, 5)
    with pytest.raises(EnvironmentError_):
        lab.run_in("client", ["true"])
    lab.close()


def test_captures_run_when_the_call_returns_and_hold_both_ends(tmp_path: Path) -> None:
    with Lab(delay=(1, 1)) as lab:
        for round_ in range(3):
            with lab.capture(tmp_path / str(round_)) as capture:
                lab.python_in("client", f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('{lab.server}', 9)); "
                                        f"socket.create_connection(('{lab.server}', 80), 5).close()")
            ends = [packets(capture.files[node]) for node in ("client", "server")]
            assert ends[0][0].flags == "S"
            assert len(ends[0]) == len(ends[1]) >= 5


def test_each_router_answers_a_trace_at_its_own_distance(tmp_path: Path) -> None:
    code = """
import socket, sys, time
for ttl in (1, 2, 3):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    s.sendto(b"x", (sys.argv[1], 33434))
    time.sleep(0.08)
"""
    with Lab() as lab, lab.capture(tmp_path, ["client"]) as capture:
        lab.python_in("client", code, lab.server)
    answers = [p.source for p in packets(capture.files["client"]) if p.icmp == (11, 0)]
    assert answers == ["198.18.1.1", "198.18.2.2", "198.18.3.2"]


def test_the_box_tells_its_truth() -> None:
    with Lab("in-path-reset", signatures={}) as lab:
        assert lab.truth() == []
        visit(lab, {"name": "blocked.example"})
        assert [event["kind"] for event in lab.truth()] == ["trigger", "inject"]


def test_a_machine_that_forbids_namespaces_is_told_apart_and_helped() -> None:
    """Forbidden as an administrator would: no user namespaces left, and no privileges."""
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \"$@\""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        pytest.skip("unshare or setpriv (util-linux) is not installed")
    code = "from dpiprobe.lab.session import Lab; Lab().start()"
    words = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=package_environment())
    last = done.stderr.splitlines()[-1]
    assert last.startswith("dpiprobe.errors.EnvironmentError_: this system does not let us make network namespaces")
    assert "; run it as root, or once: sysctl -w user.max_user_namespaces=10000" in last


def test_the_refusal_of_a_kernel_is_explained() -> None:
    sentence = why("unshare: Operation not permitted")
    assert "network namespaces" in sentence
    assert "; run it as root" in sentence
    assert available() is None
