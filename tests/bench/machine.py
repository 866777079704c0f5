"""What a figure was measured on: the processor's model, how many of them, versions; nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.programs import PROGRAMS

VERSIONS = """
import importlib.metadata as m
for name in ("dpiprobe", "numpy", "numba", "pyarrow", "distributed"):
    try:
        print(name, m.version(name))
    except m.PackageNotFoundError:
        pass
"""


def describe() -> dict[str, object]:
    """Date, processor, versions."""
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", VERSIONS], capture_output=True, text=True, check=False)
    versions = done.stdout.split("\n")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {
            "Python": platform.python_version(),
            **dict(line.split() for line in versions if line),
            **{program.name: program.version_here() for program in PROGRAMS if not program.missing},
        },
    }
