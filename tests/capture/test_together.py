"""Several captures read as one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.capture.read import read_capture
from dpiprobe.capture.together import Together, name_of, read_together
from dpiprobe.errors import InputError
from dpiprobe.explain import explain
from dpiprobe.partition.large import explain_large
from dpiprobe.report.jsonl import lines
from dpiprobe.signature.database import load
from tests.capture.files import FRAME, pcap
from tests.conftest import ROOT, require

CAPTURE = ROOT / "pcaps" / "match" / "gfw-triple" / "test.pcap"


def records(times: list[int], link: int = 1) -> bytes:
    """A pcap of frames at these microseconds, each frame as long as its place."""
    packets = (pack("<IIII", t // 1_000_000, t % 1_000_000, len(FRAME), len(FRAME)) + FRAME for t in times)
    return pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link) + b"".join(packets)


def halves(path: Path, folder: Path) -> list[str]:
    """The odd and the even frames of a capture as two files, as two interfaces would have them."""
    if shutil.which("editcap") is None:
        require("tshark", "editcap is not installed")
    frames = read_capture(path).frames
    for name, first in (("odd.pcapng", 1), ("even.pcapng", 2)):
        chosen = [str(n) for n in range(first, frames + 1, 2)]
        subprocess.run(["editcap", "-r", str(path), str(folder / name), *chosen], check=True, capture_output=True)
    return [str(folder / "odd.pcapng"), str(folder / "even.pcapng")]


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=4))
def test_frames_come_by_time_and_those_of_one_file_in_its_order(files: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, times in enumerate(files):
            paths.append(str(Path(folder) / f"{i}.pcap"))
            Path(paths[-1]).write_bytes(records(times))
        read = (read_together(paths).packets.time // 1000).tolist()
    heads = [list(times) for times in files]
    wanted = []
    while any(heads):  # as mergecap does it: of the files' next frames the earliest
        least = min((times for times in heads if times), key=lambda times: times[0])
        wanted.append(least.pop(0))
    assert read == wanted


def test_two_halves_are_the_whole(tmp_path: Path) -> None:
    parts = halves(CAPTURE, tmp_path)
    database = load()
    said = list(lines(explain(read_together(parts), database=database).records))
    whole = read_capture(CAPTURE, name_of(parts))
    assert said[:-1] == list(lines(explain(whole, database=database).records))[:-1]
    assert any('"verdict":"blocked"' in text for text in said)


def test_large_ones_are_explained_in_parts(tmp_path: Path) -> None:
    parts = halves(CAPTURE, tmp_path)
    database = load()
    large = explain_large(Together(parts), database=database, buckets=4)
    assert b"".join(large.lines()).decode().splitlines() == list(map(str.strip, lines(explain(read_together(parts), database=database).records)))
    large.close()


def test_what_one_file_lost_is_said_with_its_name(tmp_path: Path) -> None:
    good, cut = tmp_path / "good.pcap", tmp_path / "cut.pcap"
    good.write_bytes(pcap([FRAME] * 3))
    cut.write_bytes(pcap([FRAME] * 3)[:-1])
    read = read_together([str(good), str(cut)])
    assert (read.frames, read.damage) == (5, [f"{cut}: the file ends inside frame 3"])
    assert read.sha256 == hashlib.sha256(good.read_bytes() + cut.read_bytes()).hexdigest()


def test_files_of_different_links_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pcap([FRAME] * 2))
    (tmp_path / "b").write_bytes(pcap([FRAME[14:]] * 2, link=101))
    read = read_together([str(tmp_path / "a"), str(tmp_path / "b")])
    assert (read.links, read.undecoded, len(read.packets.time)) == (["ethernet", "raw ip"], 0, 4)


@pytest.mark.parametrize(("count", "name"), [(1, "0"), (3, "0 + 1 + 2"), (5, "0 + 1 + 2 and 2 more")])
def test_the_name_of_the_whole(count: int, name: str) -> None:
    assert name_of([str(i) for i in range(count)]) == name


def test_one_that_is_no_capture_stops_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pcap([FRAME]))
    (tmp_path / "b").write_bytes(b"no capture")
    with pytest.raises(InputError, match="b is neither pcap nor pcapng"):
        read_together([str(tmp_path / "a"), str(tmp_path / "b")])
    with pytest.raises(InputError, match="does not exist"):
        read_together([str(tmp_path / "a"), str(tmp_path / "none")])
