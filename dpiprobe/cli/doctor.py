"""`dpiprobe doctor`: what this machine can do, and the one step that would let it do more.

Rules of this file: it looks and changes nothing; each finding says what it is needed for; a lack is a finding, not a failure.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "": (("click", "rich", "yaml", "pydantic", "numpy", "dpkt"), "everything"),
    "live": (("scapy",), "crafting odd packets, building cases"),
    "lab": (("pyroute2", "cryptography"), "demo, lab, probing in the lab"),
    "tshark": (("pyshark",), "show --dissect"),
    "quic": (("cryptography", "aioquic"), "QUIC Initials"),
    "fast": (("numba",), "captures of millions of packets"),
    "compress": (("zstandard", "lz4"), "captures packed with zstd or lz4"),
    "parquet": (("pyarrow",), "analyze --out DIR: Parquet"),
    "cluster": (("distributed", "fsspec", "aiohttp"), "analyze --dask; captures at https://"),
    "s3": (("s3fs",), "captures and results at s3://"),
}
"""extra -> modules, what they are needed for; as in pyproject.toml."""

DISTRIBUTIONS = {"yaml": "pyyaml"}
CLONE_NEWUSER_AND_NEWNET = 0x10000000 | 0x40000000  # linux/sched.h
CAP_NET_ADMIN, CAP_NET_RAW = 12, 13  # linux/capability.h
OLDEST = (3, 11)


@dataclass(slots=True)
class Finding:
    """One thing that was looked at. advice is empty where nothing is lacking."""

    check: str
    ok: bool
    detail: str
    needed_for: str
    advice: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding.")
def doctor(as_json: bool) -> None:
    """Say what this machine can do: Python, packages, tshark, namespaces, raw sockets, cache."""
    found = list(findings())
    if as_json:
        from dpiprobe.report.jsonl import line

        for finding in found:
            click.echo(line(asdict(finding)))
        return
    wide = max(len(finding.check) for finding in found)
    for finding in found:
        mark = click.style("yes", fg="green") if finding.ok else click.style("no ", fg="yellow")
        click.echo(f"{mark}  {finding.check:<{wide}}  {finding.detail}")
        if finding.advice:
            click.echo(f"     {'':<{wide}}  for {finding.needed_for}: {finding.advice}")


def findings() -> Iterator[Finding]:
    """All findings, in the order in which a person wants them."""
    version = platform.python_version()
    yield Finding("python", sys.version_info >= OLDEST, f"{version} at {sys.executable}", "everything")
    yield Finding("linux", sys.platform == "linux", f"{platform.system()} {platform.release()}", "demo, lab, probe",
                  "" if sys.platform == "linux" else "captures can be explained anywhere; probing and the lab need Linux")
    for extra, (modules, use) in EXTRAS.items():
        yield _packages(extra, modules, use)
    yield _tshark()
    yield _user_namespaces()
    yield _raw_sockets()
    yield _cache()


def _packages(extra: str, modules: tuple[str, ...], use: str) -> Finding:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    have = [f"{DISTRIBUTIONS.get(m, m)} {_version(m)}" for m in modules if m not in missing]
    detail = ", ".join([*have, *(f"{DISTRIBUTIONS.get(m, m)} missing" for m in missing)])
    advice = "" if not missing else f"pip install 'dpiprobe[{extra}]'" if extra else "pip install dpiprobe"
    return Finding(f"packages {extra or 'core'}", not missing, detail, use, advice)


def _version(module: str) -> str:
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(module, module))
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _tshark() -> Finding:
    path = shutil.which("tshark")
    if path is None:
        return Finding("tshark", False, "not installed", "show --dissect, the agreement tests", "apt install tshark")
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("tshark", False, f"{path} does not run: {error}", "show --dissect, the agreement tests", "apt install --reinstall tshark")
    first = said.splitlines()[0].strip(" .") if said else "?"
    return Finding("tshark", True, first, "show --dissect, the agreement tests")


def _user_namespaces() -> Finding:
    """Tries it in a child of its own: the only test that is right for sysctls, AppArmor and containers alike."""
    script = f"import ctypes,sys; l=ctypes.CDLL(None,use_errno=True); sys.exit(ctypes.get_errno() if l.unshare({CLONE_NEWUSER_AND_NEWNET}) else 0)"
    use = "demo, lab"
    try:
        code = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=False, timeout=20).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("user namespaces", False, str(error), use, "run demo and lab as root")
    if code == 0:
        return Finding("user namespaces", True, "allowed" + (" (and this is root)" if os.geteuid() == 0 else ""), use)
    reason = os.strerror(code) if code > 0 else f"signal {-code}"
    switches = {
        "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        "/proc/sys/user/max_user_namespaces": ("0", "sudo sysctl user.max_user_namespaces=10000"),
    }
    for file, (closed, step) in switches.items():
        if _read(file) == closed:
            return Finding("user namespaces", False, f"refused: {reason}", use, step)
    return Finding("user namespaces", False, f"refused: {reason}", use, "run demo and lab as root, or outside this container")


def _raw_sockets() -> Finding:
    use = "probe outside the lab"
    status = _read("/proc/self/status")
    effective = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    words = [name for bit, name in ((CAP_NET_RAW, "CAP_NET_RAW"), (CAP_NET_ADMIN, "CAP_NET_ADMIN")) if effective >> bit & 1]
    try:
        import socket

        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW):
            pass
        return Finding("packet sockets", True, f"AF_PACKET opens ({', '.join(words)})", use)
    except (OSError, AttributeError) as error:
        step = f"sudo setcap cap_net_raw,cap_net_admin+ep {Path(sys.executable).resolve()}, or run as root"
        return Finding("packet sockets", False, f"AF_PACKET: {error}", use, step)


def _cache() -> Finding:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    nearest = next((p for p in (base, *base.parents) if p.exists()), Path("/"))
    ok = os.access(nearest, os.W_OK)
    return Finding("cache folder", ok, f"{base}{'' if ok else ' cannot be written'}", "a quick start with a folder of signatures",
                   "" if ok else "set XDG_CACHE_HOME to a folder that you may write to")


def _read(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return ""
