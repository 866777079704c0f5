"""A place for programs that like to talk: namespaces of our own with a loopback interface and nothing else.

Alone responsible for seeing to it that no byte of a recorded program leaves this machine, whatever it asks for in the background. The name
asked for stands in a hosts file that only these namespaces see, so the programs run as they do anywhere: `https://www.example.com/`.

Rules of this file: no trace on the host; where namespaces are forbidden it says so and records nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dpiprobe.errors import EnvironmentError_

INSIDE = "DPIPROBE_HELLOS_INSIDE"


def confined() -> bool:
    """Whether this process is inside already."""
    return os.environ.get(INSIDE) == "1"


def confine(arguments: Sequence[str], names: Sequence[str]) -> int:
    """Run `python -m tests.hellos` with these arguments inside; returns its exit code."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        raise EnvironmentError_("recording needs the programs unshare and ip; install util-linux and iproute2")
    with tempfile.TemporaryDirectory(prefix="hellos-") as folder:
        hosts = Path(folder) / "hosts"
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in names), encoding="ascii")
        inner = 'ip link set lo up && mount --bind "$1" /etc/hosts && shift && exec "$@"'
        command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", inner, "sh", str(hosts)]
        done = subprocess.run([*command, sys.executable, "-m", "tests.hellos", *arguments], check=False, env={**os.environ, INSIDE: "1"})
    return done.returncode
