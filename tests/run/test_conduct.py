"""A whole run against a server on loopback: plan, capture, trials and account agree; interrupts leave all of it.

Needs CAP_NET_RAW; without it the file runs once more inside a user namespace, where those are allowed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.capture.ring import check_privilege
from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.plan.comment import plan_in
from dpiprobe.plan.design import design
from dpiprobe.plan.plan import Pace, Plan, trials_by_endpoint
from dpiprobe.probe.pacing import Wait
from dpiprobe.probe.route import resolve
from dpiprobe.run.conduct import Conducted, Observer, conduct, default_folder
from dpiprobe.run.folder import RunFolder
from tests.conftest import require
from tests.probe.servers import is_mute, serves, serving


def privileged() -> bool:
    try:
        check_privilege()
    except EnvironmentError_:
        return False
    return True


needs_privilege = pytest.mark.skipif(not privileged(), reason="needs CAP_NET_RAW; the test in a user namespace stands in")
QUICK = Pace(gap=0.05, connect=1, answer=0.3, after_answer=0.05, after_end=0.1, residual=0)


def run_against(port: int, path: Path, repetitions: int = 2, pace: Pace = QUICK, observer: Observer | None = None) -> Conducted:
    target = resolve("127.0.0.1", port)
    plan = design(target.endpoint, ["blocked.example"], control="served.example", repetitions=repetitions, seed=1, pace=pace)
    return conduct(plan, target, RunFolder.create(path), observer=observer)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Conducted:
    with serving(serves(refuse="blocked.example")) as port:
        return run_against(port, tmp_path_factory.mktemp("run"))


@needs_privilege
def test_every_trial_is_run_and_only_the_refused_name_fails(done: Conducted) -> None:
    assert [outcome.trial.number for outcome in done.outcomes] == list(range(1, 8))
    assert {outcome.trial.role for outcome in done.outcomes if not outcome.worked} == {"test"}
    assert not done.interrupted


@needs_privilege
def test_the_capture_holds_the_plan_and_each_of_its_flows(done: Conducted) -> None:
    capture = read_capture(str(done.folder.capture))
    inside = plan_in(capture.comments)
    assert inside is not None
    assert trials_by_endpoint(inside).keys() == trials_by_endpoint(done.plan).keys()
    syns = capture.packets.source_port[(capture.packets.flags & 0x12) == 0x02]
    assert [int(port) for port in syns] == [int(str(outcome.trial.client).rpartition(":")[2]) for outcome in done.outcomes]
    assert capture.complete


@needs_privilege
def test_the_plan_on_disk_says_when_each_trial_began(done: Conducted) -> None:
    starts = [trial.start_ns for trial in done.folder.plan().trials if not trial.settings.get("spare")]
    assert None not in starts
    assert starts == sorted(starts, key=lambda start: start or 0)


@needs_privilege
def test_hello_and_control_have_equal_length_on_the_wire(done: Conducted) -> None:
    capture = read_capture(str(done.folder.capture))
    server = int(done.plan.server.rpartition(":")[2])
    hellos = capture.packets.payload_length[(capture.packets.destination_port == server) & (capture.packets.payload_length > 100)]
    assert len(hellos) == 7
    assert len(set(hellos.tolist())) == 1


@needs_privilege
def test_the_run_says_where_and_how_it_was_captured(done: Conducted) -> None:
    run = done.folder.run()
    assert run["capture_point"] == {"interface": "lo", "side": "client", "method": "ring", "timestamps": "kernel"}
    assert (run["trials_run"], run["trials_planned"], run["interrupted"], run["drops"]) == (7, 8, False, 0)
    assert run["packets"] == read_capture(str(done.folder.capture)).frames


@needs_privilege
def test_the_applications_view_is_kept_line_by_line(done: Conducted) -> None:
    rows = done.folder.trials()
    assert [row["number"] for row in rows] == list(range(1, 8))
    assert all(row["client"] and row["start_ns"] for row in rows)


class InterruptsTheSecondTrial(Observer):
    """SIGINT 0.2 s into the second trial."""

    def started(self, plan: Plan, number: int) -> None:
        if number == 2:
            threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()


@needs_privilege
def test_an_interrupt_keeps_capture_plan_and_the_trial_under_way(tmp_path: Path) -> None:
    pace = Pace(gap=0, answer=1, after_end=0.1, residual=0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with serving(is_mute) as port:
            done = run_against(port, tmp_path / "run", pace=pace, observer=InterruptsTheSecondTrial())
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.interrupted
    assert [row["interrupted"] for row in done.folder.trials()] == [False, True]
    assert done.folder.run()["interrupted"] is True
    capture = read_capture(str(done.folder.capture))
    assert plan_in(capture.comments) is not None
    assert capture.damage == []


@needs_privilege
def test_a_server_that_is_not_there_is_a_result(tmp_path: Path) -> None:
    with serving(is_mute) as port:
        pass
    done = run_against(port, tmp_path / "run", repetitions=1)
    assert {outcome.account["end"] for outcome in done.outcomes} == {"refused"}
    assert read_capture(str(done.folder.capture)).frames == 8


@needs_privilege
def test_over_ipv6_each_flow_finds_its_trial_too(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with serving(serves(), "::1") as port:
        target = resolve(f"[::1]:{port}")
        plan = design(target.endpoint, ["blocked.example"], control=None, repetitions=1, seed=1, pace=QUICK)
        done = conduct(plan, target, RunFolder.create(tmp_path / "run"))
    packets = read_capture(str(done.folder.capture)).packets
    syns = packets.source_port[(packets.flags & 0x12) == 0x02]
    assert [f"[::1]:{source}" for source in syns] == [outcome.trial.client for outcome in done.outcomes]
    assert all(outcome.worked for outcome in done.outcomes)


@needs_privilege
def test_a_punished_control_is_waited_out(tmp_path: Path) -> None:
    class Watches(Observer):
        waits: list[Wait] = []  # noqa: RUF012

        def waiting(self, wait: Wait) -> None:
            self.waits.append(wait)

    seen = Watches()
    habit = serves(refuse="served.example")
    working = serves()
    count = iter(range(100))

    def works_twice_then_refuses_the_control(connection):  # type: ignore[no-untyped-def]
        return working(connection) if next(count) < 3 else habit(connection)

    with serving(works_twice_then_refuses_the_control) as port:
        run_against(port, tmp_path / "run", pace=Pace(gap=0, after_answer=0.05, after_end=0.1, residual=0.2, recover=1), observer=seen)
    assert [wait.seconds for wait in seen.waits if wait.why] == [0.2]


def test_a_plan_for_another_server_is_refused(tmp_path: Path) -> None:
    plan = design("192.0.2.1:443", ["blocked.example"], control=None, repetitions=1, seed=1)
    with pytest.raises(UsageError, match=r"for 192\.0\.2\.1:443, not for 127"):
        conduct(plan, resolve("127.0.0.1"), RunFolder.create(tmp_path / "run"))


def test_a_run_without_a_folder_goes_to_one_named_by_server_and_time() -> None:
    assert str(default_folder(resolve("[2001:db8::1]:443"), 1_767_225_600_000_000_000)) == "runs/2001_db8__1-443-20260101T000000Z"


@pytest.mark.skipif(privileged() and "DPIPROBE_INSIDE" in os.environ, reason="this is the run inside")
def test_the_same_without_root_in_a_user_namespace(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urn", "true"], capture_output=True, check=False).returncode:
        require("lab", "user namespaces are not allowed here")
    inside = f"ip link set lo up && exec {sys.executable} -m pytest -q -p no:cacheprovider {__file__}"
    done = subprocess.run(
        [unshare, "-Urn", "sh", "-c", inside], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "DPIPROBE_INSIDE": "1", "PYTEST_DEBUG_TEMPROOT": str(tmp_path)},  # /tmp/pytest-of-root may be the real root's
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "12 passed, 1 skipped" in done.stdout, done.stdout
