"""Strangers' text is shown, never obeyed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.report.printable import duration, pad, printable, ranges, width


@given(st.text())
def test_no_control_or_format_character_survives(text: str) -> None:
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in printable(text))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("blocked.example", "blocked.example"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("line\nbreak", "line\\x0abreak"),
        ("gnp\u202eexe", "gnp\\u202eexe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("пример", "пример"),
    ],
)
def test_what_a_terminal_would_act_on_is_spelled_out(raw: str, shown: str) -> None:
    assert printable(raw) == shown


def test_wide_characters_count_twice() -> None:
    assert width("例え.jp") == 7
    assert pad("例", 4) == "例  "


@pytest.mark.parametrize(("numbers", "text"), [([], ""), ([5], "5"), ([64, 65, 66, 70], "64-66, 70"), ([3, 1, 2, 2], "1-3")])
def test_packet_numbers_as_a_person_writes_them(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


@pytest.mark.parametrize(("ns", "text"), [(0, "0"), (340_000, "340 us"), (20_600_000, "20.6 ms"), (-51_000_000, "-51.0 ms"), (1_534_000_000, "1.53 s")])
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text
