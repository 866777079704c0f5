"""Can this machine have a lab, and if not, what would help.

Rules of this file: it tries in a child process and changes nothing; every refusal is one sentence that says what is missing and, after a semicolon, what to do.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

START = "from dpiprobe.lab.holder import main; main()"
"""What a fresh interpreter runs to become a holder."""


def available() -> str | None:
    """None where a lab can be made on this machine, else one sentence: what is missing, and what to do."""
    missing = missing_package()
    if missing is not None:
        return missing
    done = subprocess.run([sys.executable, "-c", START, "--check"], env=package_environment(), capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else why(done.stdout.strip() or done.stderr.strip()[-200:])


def missing_package() -> str | None:
    """The sentence for a package or system that is not there, None where all are."""
    for name in ("pyroute2", "cryptography"):
        if importlib.util.find_spec(name) is None:
            return f"the lab needs the package {name}; install dpiprobe[lab]"
    return None if sys.platform == "linux" else "the lab is made of Linux namespaces; run it on Linux (captures can be explained anywhere)"


def why(reason: str) -> str:
    """The refusal of the kernel in words that help; the files are those of Debian, Ubuntu and upstream kernels."""
    advice = "run it as root, or allow unprivileged user namespaces"
    for name, wanted, how in (
        ("kernel/unprivileged_userns_clone", "1", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "0", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", None, "sysctl -w user.max_user_namespaces=10000"),
    ):
        with contextlib.suppress(OSError):
            value = Path("/proc/sys", name).read_text().strip()
            if (wanted is not None and value != wanted) or (wanted is None and value == "0"):
                advice = f"run it as root, or once: {how}"
    return f"this system does not let us make network namespaces ({reason}); {advice} (in a container: allow user namespaces, or run it privileged)"


def package_environment() -> dict[str, str]:
    """This process's environment, so that a child with the same Python finds this very package, also where it is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys([root, *(p for p in sys.path if p)]))}
