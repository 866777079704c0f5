"""Records of design section 7."""

from __future__ import annotations

import json

import pytest

from dpiprobe.verdict.records import endpoint, iso
from dpiprobe.wire.build import address
from tests.verdict.scene import Scene


@pytest.mark.parametrize(
    ("text", "port", "expected"),
    [("192.0.2.1", 443, "192.0.2.1:443"), ("2001:db8:0:0::1", 443, "[2001:db8::1]:443")],
)
def test_endpoints_are_canonical(text: str, port: int, expected: str) -> None:
    assert endpoint(address(text), port) == expected


def test_times_keep_their_nanoseconds() -> None:
    assert iso(1_767_225_600_123_456_789) == "2026-01-01T00:00:00.123456789Z"
    assert iso(-1) == "1969-12-31T23:59:59.999999999Z"


def test_one_line_a_flow_then_one_a_name_then_the_capture() -> None:
    scene = Scene()
    scene.works(at=0)
    scene.talk("odd.example", 10_000).handshake().hello().acknowledge().them("RA")
    scene.works(at=20_000)
    records = list(scene.explain().records)
    assert [r["kind"] for r in records] == ["flow", "flow", "flow", "name", "name", "capture"]
    assert {r["format"] for r in records} == {"dpiprobe/1"}
    assert [r["verdict"] for r in records[:3]] == ["ok", "down", "ok"]
    assert records[1]["technique"] is None
    assert json.loads(json.dumps(records, allow_nan=False)) == records
