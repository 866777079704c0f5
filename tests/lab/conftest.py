"""A lab, or the reason why this machine has none."""

from __future__ import annotations

import functools

import pytest

from dpiprobe.lab.session import available
from tests.conftest import require


@functools.cache
def lab_problem() -> str | None:
    return available()


@pytest.fixture
def lab_here() -> None:
    """Skip, or fail where a lab is required, on a machine that can have none."""
    problem = lab_problem()
    if problem is not None:
        require("lab", problem)
