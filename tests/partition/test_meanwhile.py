"""What only explaining needs is loaded while a capture is read."""

from __future__ import annotations

import io
import subprocess
import sys
import threading

import pytest

from dpiprobe.capture.read import Reading
from dpiprobe.capture.source import open_source
from dpiprobe.errors import InputError
from dpiprobe.partition.reading import Loops, read_parts
from tests.partition.test_same_records import CASES

CAPTURE = CASES[0].read_bytes()


def test_reading_needs_nothing_that_explains() -> None:
    program = "import dpiprobe.partition.large, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith(("dpiprobe.explain", "dpiprobe.signature", "dpiprobe.verdict", "dpiprobe.report"))] == []


def test_it_is_done_when_reading_is() -> None:
    done: list[int] = []
    before, turn = threading.active_count(), sys.getswitchinterval()
    with Reading(open_source(io.BytesIO(CAPTURE), "x", large=True), None, 1 << 20) as reading:
        read_parts(reading, Loops(), meanwhile=lambda: done.append(1))
    assert (done, threading.active_count(), sys.getswitchinterval()) == ([1], before, turn)


def test_what_it_raises_is_raised() -> None:
    def broken() -> None:
        raise InputError("this")

    with Reading(open_source(io.BytesIO(CAPTURE), "x", large=True), None, 1 << 20) as reading, pytest.raises(InputError, match="this"):
        read_parts(reading, Loops(), meanwhile=broken)
