"""What all tests share: how a test says what it needs of the machine, and where the corpus is.

A test that lacks something skips with a reason. Where the environment names that thing in DPIPROBE_REQUIRE (`tshark,lab`), the same lack
is a failure: continuous integration installs what the tests want, and a silent skip there would be a hole.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("deep", max_examples=100_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
if "HYPOTHESIS_PROFILE" in os.environ:
    settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])
"""`HYPOTHESIS_PROFILE=deep` tries 100,000 examples of each property: `pytest tests/tls/test_any_bytes.py`, minutes."""

ROOT = Path(__file__).resolve().parent.parent


def require(what: str, reason: str) -> NoReturn:
    """This test cannot run here: skip it with the reason, or fail where DPIPROBE_REQUIRE says that `what` must be there."""
    if what in os.environ.get("DPIPROBE_REQUIRE", "").split(","):
        pytest.fail(f"{what} is required here (DPIPROBE_REQUIRE), but {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="session")
def tshark() -> str:
    """The path of tshark."""
    found = shutil.which("tshark")
    if found is None:
        require("tshark", "tshark is not installed")
    return found


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of labelled captures that lives outside the project."""
    folder = os.environ.get("DPIPROBE_CORPUS")
    if not folder:
        require("corpus", "DPIPROBE_CORPUS is not set")
    return Path(folder)
