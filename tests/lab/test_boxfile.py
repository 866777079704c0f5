"""A box file: everything that is wrong is told at once, in the order of the file, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.errors import InputError, SignatureError
from dpiprobe.lab.boxfile import read_box


def test_a_block_may_stand_alone_or_inside_a_signature(tmp_path: Path) -> None:
    for text in ("hello: drop\n", "id: x\nemulate:\n  hello: drop\n"):
        (tmp_path / "box.yaml").write_text(text)
        assert read_box(str(tmp_path / "box.yaml")) == {"hello": "drop"}


def test_all_mistakes_are_told_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text("emulate:\n  trigger: {kind: clienthello}\n  helo: drop\n  send:\n    - {to: clent, flags: RX}\n    - to: client\n")
    with pytest.raises(SignatureError) as told:
        read_box(str(file))
    lines = [problem.removeprefix(f"{file}:") for problem in told.value.problems]
    assert [line.split(":")[0] for line in lines] == ["2", "3", "5", "5", "6"]
    assert "did you mean `hello`?" in lines[1]
    assert lines[-1].endswith("`flags` is missing, for example RA")


def test_a_value_that_yaml_reads_in_two_ways_hides_no_other_mistake(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text("emulate:\n  helo: drop\n  send:\n    - {to: client, flags: R, df: off}\n")
    with pytest.raises(SignatureError) as told:
        read_box(str(file))
    assert ["did you mean `hello`" in problem for problem in told.value.problems] == [True, False]
    assert "'off' reads as true or false" in told.value.problems[1]


def test_a_slip_in_the_word_emulate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text("id: x\nemulat:\n  hello: drop\n")
    with pytest.raises(SignatureError) as told:
        read_box(str(file))
    assert [problem.split(": ", 1)[1] for problem in told.value.problems] == ["unknown key 'emulat', did you mean `emulate`?"]


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the box"):
        read_box(str(tmp_path / "none.yaml"))
