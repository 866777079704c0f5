"""Following: flows are said as they settle, and the end says what the whole capture says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from dpiprobe.capture.read import read_capture
from dpiprobe.explain import explain
from dpiprobe.partition.large import explain_large
from dpiprobe.partition.reading import Loops
from dpiprobe.report.jsonl import lines
from tests.partition.test_same_records import DATABASE, capture, trial


class Dripping(io.BytesIO):
    """A pipe that holds a little at a time."""

    def read1(self, size: int | None = -1) -> bytes:
        return self.read(min(size or 0, 300))


def followed(tmp_path: Path) -> tuple[list[dict[str, Any]], bytes, bytes]:
    frames, times = [], []
    for number in range(4):
        for port, name in ((40001, "fine"), (40002, "blocked")):
            for delay, frame in trial("192.0.2.1", port + 10 * number, name):
                frames.append(frame)
                times.append(number * 70_000_000_000 + (port - 40001) * 2_000_000_000 + delay)
    data = capture(frames, times)
    path = tmp_path / "x.pcap"
    path.write_bytes(data)
    said: list[dict[str, Any]] = []
    found = explain_large(Dripping(data), "x", database=DATABASE, loops=Loops(), follow=said.append)
    final = b"".join(found.lines())
    found.close()
    return said, final, "".join(lines(explain(read_capture(path, "x"), database=DATABASE).records)).encode()


def test_flows_are_said_when_they_have_settled(tmp_path: Path) -> None:
    said, _, _ = followed(tmp_path)
    assert all(record["provisional"] for record in said)
    assert [record["flow"] for record in said] == sorted({record["flow"] for record in said})
    assert len(said) >= 4


def test_the_final_records_are_those_of_the_whole(tmp_path: Path) -> None:
    _, final, whole = followed(tmp_path)
    assert final == whole
