"""The kernel calls the lab stands on: namespaces, lifelines, sysctls, offloads. Nothing here knows about topologies or boxes.

Rules of this file:
- Everything is done by system calls from the standard library and ctypes (Python 3.11 has neither os.unshare nor os.setns), so no Debian package is needed.
- `enter()` must be called by a single-threaded process before numpy is imported: numpy starts a thread,
  and unshare(CLONE_NEWUSER) then fails with EINVAL (user_namespaces(7)).
- A process of its own user namespace maps itself to uid 0; mapped to its own uid its children would lose their capabilities at execve (capabilities(7)).
- Constants are those of Linux's uapi headers (sched.h, mount.h, prctl.h, ethtool.h, sockios.h).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 1, 2, 4, 8, 0x1000, 0x4000, 0x40000, 2
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_TIMERSLACK = 1, 15, 29
_SIOCETHTOOL = 0x8946
# ethtool.h: ETHTOOL_SRXCSUM, STXCSUM, SSG, STSO, SUFO, SGSO, SGRO. Each would let the kernel hand captures packets that never were on a wire.
_OFFLOADS = (0x15, 0x17, 0x19, 0x1F, 0x22, 0x24, 0x2C)

_libc = ctypes.CDLL(None, use_errno=True)


def _call(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _call(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int = CLONE_NEWNET) -> None:
    """setns(2): move this process (its calling thread) into the namespace behind `fd`."""
    _call(_libc.setns(fd, kind), "setns")


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send `number` to this process when the *thread* that forked it ends; cleared by set-uid programs only."""
    _call(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def name_process(name: str) -> None:
    """What ps and top show as the command name (at most 15 bytes)."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def tight_timers() -> None:
    """Let sleeps of this process end within a microsecond of their time, instead of the default slack of 50 us."""
    _libc.prctl(_PR_SET_TIMERSLACK, 1000, 0, 0, 0)


def first_in_line() -> None:
    """Ask to be run promptly, for a process that mostly waits. What is refused leaves the delays a little less exact on a busy machine.

    A session of its own is a group of its own to the scheduler (sched_autogroup, sched(7)), so the load of the caller's session does not count against
    it; short turns are scheduled sooner (EEVDF, sched_setattr(2) with sched_runtime, Linux 6.12); root gets real-time priority, which the kernel bounds.
    """
    with contextlib.suppress(OSError):
        os.setsid()
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        number = {"x86_64": 314, "aarch64": 274}.get(os.uname().machine)
        if number is not None:
            attributes = struct.pack("=IIQiIQQQ", 48, 0, 0, 0, 0, 100_000, 0, 0)  # struct sched_attr: SCHED_OTHER, turns of 0.1 ms, the least allowed
            _libc.syscall(number, 0, ctypes.c_char_p(attributes), 0)


def enter() -> str:
    """Put this process into its own mount and network namespace (and user namespace, if need be); children get a PID namespace of their own.

    Returns "user" where a user namespace was made, "root" where real privileges were used. Raises OSError where the kernel refuses both.
    """
    uid, gid = os.geteuid(), os.getegid()
    inner = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID
    how = "user"
    if uid == 0:
        try:
            unshare(inner)
            how = "root"
        except OSError:
            how = "user"
    if how == "user":
        unshare(CLONE_NEWUSER | inner)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    # Nothing that is mounted from here on may show outside.
    _call(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount --make-rprivate")
    return how


def see_own_processes() -> None:
    """Show the processes of this PID namespace in /proc, not those outside; where parts of /proc are masked (containers) the kernel refuses, and it stays."""
    _libc.mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def see_own_network() -> None:
    """Give this process a /sys that shows the interfaces of its network namespace, as `ip netns exec` does; where it is refused, /sys stays."""
    with contextlib.suppress(OSError):
        unshare(CLONE_NEWNS)
        _libc.mount(b"sysfs", b"/sys", b"sysfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_RDONLY, None)


def replace_files(contents: Mapping[str, str]) -> None:
    """Let these existing files read otherwise inside this mount namespace. The texts live in memory; what cannot be replaced stays as it is."""
    place = tempfile.gettempdir()
    if _libc.mount(b"tmpfs", place.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, b"size=256k,mode=755") != 0:
        return
    for number, (path, text) in enumerate(contents.items()):
        with contextlib.suppress(OSError):
            copy = Path(place, str(number))
            copy.write_text(text)
            copy.chmod(0o644)
            _libc.mount(str(copy).encode(), str(Path(path).resolve()).encode(), None, _MS_BIND, None)
    _libc.umount2(place.encode(), _MNT_DETACH)


def private_run() -> None:
    """Give this process and its children a /run and a /dev/shm of their own, in memory: locks, configurations and keys of real programs.

    Raises OSError where refused.
    """
    unshare(CLONE_NEWNS)
    for place, mode in (("/run", "755"), ("/dev/shm", "1777")):
        if Path(place).is_dir():
            _call(_libc.mount(b"tmpfs", place.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, f"size=64m,mode={mode}".encode()), f"mount {place}")
    see_own_processes()


def new_network() -> int:
    """Make a network namespace, leave this process in it, and return a descriptor that keeps it alive."""
    unshare(CLONE_NEWNET)
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def sysctl(name: str, value: int | str, *, optional: bool = False) -> None:
    """Write one /proc/sys value of the network namespace this process is in; `optional` ones may be missing in this kernel."""
    path = Path("/proc/sys") / name.replace(".", "/")
    try:
        path.write_text(str(value))
    except OSError:
        if not optional:
            raise


def offloads_off(interface: str) -> None:
    """Switch off checksum and segmentation offloads, so that captures hold packets as a wire would; a kernel that lacks one has it off."""
    _offloads(interface, 0)


def offloads_on(interface: str) -> None:
    """Switch them on, so that captures hold segments that the kernel has put together, or not yet taken apart (GRO, TSO)."""
    _offloads(interface, 1)


def _offloads(interface: str, wanted: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in _OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("=II", command, wanted))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(sock, _SIOCETHTOOL, request)
            except OSError:
                continue
