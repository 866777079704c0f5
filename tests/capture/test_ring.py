"""The live ring on loopback: every packet once, with the kernel's time, and every loss counted.

Needs CAP_NET_RAW; without it the whole file runs once more inside a user namespace, where those are allowed.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpiprobe.capture.bpf import host_filter
from dpiprobe.capture.read import read_capture
from dpiprobe.capture.recording import Recording
from dpiprobe.capture.ring import Frame, Ring, check_privilege
from dpiprobe.errors import EnvironmentError_, UsageError
from tests.conftest import require


def privileged() -> bool:
    try:
        check_privilege()
    except EnvironmentError_:
        return False
    return True


needs_privilege = pytest.mark.skipif(not privileged(), reason="needs CAP_NET_RAW; the test in a user namespace stands in")


def datagrams(count: int, size: int = 100) -> int:
    """Send UDP datagrams to a socket on loopback that takes them; the port they came from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        sender.bind(("127.0.0.1", 0))
        for i in range(count):
            sender.sendto(i.to_bytes(4, "big") * (size // 4), receiver.getsockname())
        return int(sender.getsockname()[1])


def drain(ring: Ring, seconds: float = 0.3) -> list[Frame]:
    frames: list[Frame] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        frames += ring.read(0.05)
    return frames


def sent_by(frames: list[Frame], port: int) -> list[Frame]:
    return [frame for frame in frames if frame.data[34:36] == port.to_bytes(2, "big")]


@needs_privilege
@pytest.mark.parametrize("use_ring", [True, False])
def test_each_packet_comes_once_with_the_kernels_time(use_ring: bool) -> None:
    with Ring("lo", use_ring=use_ring) as ring:
        before = time.time_ns()
        port = datagrams(10)
        after = time.time_ns()
        frames = sent_by(drain(ring), port)
        assert ring.mapped is use_ring
        assert [frame.data[42:46] for frame in frames] == [i.to_bytes(4, "big") for i in range(10)]
        assert all(before <= frame.time <= after + 5_000_000 for frame in frames)
        assert all(frame.length == len(frame.data) == 142 for frame in frames)
        assert ring.losses().dropped == 0


@needs_privilege
@pytest.mark.parametrize("use_ring", [True, False])
def test_the_kernels_filter_keeps_the_probed_ports_alone(use_ring: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wanted, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        wanted.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port = wanted.getsockname()[1]
        with Ring("lo", host_filter(["127.0.0.1"], [port]), use_ring=use_ring) as ring:
            wanted.sendto(b"out", other.getsockname())
            other.sendto(b"back", wanted.getsockname())
            datagrams(5)
            frames = drain(ring)
    assert [frame.data[42:] for frame in frames] == [b"out", b"back"]


@needs_privilege
def test_a_ring_that_overflows_says_how_much_was_lost() -> None:
    with Ring("lo", megabytes=2) as ring:
        port = datagrams(2000, size=4000)
        kept = len(sent_by(drain(ring), port))
        losses = ring.losses()
    assert kept < 2000
    assert losses.dropped >= 2000 - kept


@needs_privilege
def test_an_interface_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="choose one of"):
        Ring("no-such-interface")


@needs_privilege
def test_a_recording_in_its_own_process_is_a_capture_that_reads(tmp_path: Path) -> None:
    with Recording(tmp_path / "live.pcapng", "lo", comments=["said before the first packet"]) as recording:
        port = datagrams(500)
    capture = read_capture(str(tmp_path / "live.pcapng"))
    ours = capture.packets.source_port == port
    assert int(ours.sum()) == 500
    assert capture.comments == ["said before the first packet"]
    assert (capture.damage, capture.drops) == ([], 0)
    assert recording.result is not None
    assert recording.result.frames == capture.frames
    assert bool((capture.packets.time[1:] >= capture.packets.time[:-1]).all())


@needs_privilege
def test_nothing_is_lost_while_python_is_busy(tmp_path: Path) -> None:
    with Recording(tmp_path / "busy.pcapng", "lo") as recording:
        end = time.monotonic() + 1.0
        ports: list[int] = []
        while time.monotonic() < end:
            ports.append(datagrams(200, size=600))
            sum(i * i for i in range(200_000))  # the interpreter is not available
    result = recording.result
    assert result is not None
    assert result.dropped == 0
    capture = read_capture(str(tmp_path / "busy.pcapng"))
    assert sum(int((capture.packets.source_port == port).sum()) for port in set(ports)) == 200 * len(ports)


@needs_privilege
def test_a_recorder_that_is_killed_leaves_a_capture_and_says_so(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "killed.pcapng", "lo")
    datagrams(20)
    time.sleep(0.3)
    recording._process.kill()
    with pytest.raises(EnvironmentError_, match="must not be taken as complete"):
        recording.stop()
    assert read_capture(str(tmp_path / "killed.pcapng")).frames >= 20


@needs_privilege
def test_a_caller_that_is_killed_leaves_a_whole_capture_and_no_noise(tmp_path: Path) -> None:
    """The recorder sees its caller gone, writes what came, and has nobody to tell."""
    path = tmp_path / "orphan.pcapng"
    code = (
        "import sys, time\nfrom dpiprobe.capture.recording import Recording\n"
        f"recording = Recording({str(path)!r}, 'lo')\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert caller.stdout is not None and caller.stderr is not None
    assert caller.stdout.readline() == b"ready\n"
    datagrams(5)
    caller.kill()
    assert caller.stderr.read() == b""  # to the end: the recorder held it open too
    caller.wait()
    assert read_capture(path).damage == [] and read_capture(path).frames >= 5


@needs_privilege
def test_a_caller_with_very_many_sockets_can_record(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this machine does not allow 2000 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    many = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(1100)]  # select() ends at descriptor 1023
    try:
        with Recording(tmp_path / "many.pcapng", "lo") as recording:
            port = datagrams(5)
        assert recording.result is not None
        assert int((read_capture(str(tmp_path / "many.pcapng")).packets.source_port == port).sum()) == 5
    finally:
        for one in many:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
    assert "11 passed, 1 skipped" in done.stdout, done.stdout
