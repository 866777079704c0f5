"""Alerts in the clear are told from encrypted ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.tls.alert import Alert, build_alert, description_name, read_alert


def test_unrecognized_name() -> None:
    alert = read_alert(bytes.fromhex("15030300020270"))
    assert alert == Alert(2, 112, 0x0303)
    assert (alert.name, alert.fatal) == ("unrecognized_name", True)


def test_an_encrypted_alert_is_none() -> None:
    assert read_alert(bytes.fromhex("150303001a") + bytes(26)) is None


def test_cut_and_foreign_bytes_are_none() -> None:
    assert read_alert(bytes.fromhex("1503030002")) is None
    assert read_alert(bytes.fromhex("16030300020228")) is None
    assert read_alert(bytes.fromhex("15030300020928")) is None


def test_unknown_numbers_have_a_name_too() -> None:
    assert description_name(200) == "alert_200"


@given(st.integers(0, 255), st.sampled_from([1, 2]), st.integers(0x0300, 0x0304))
def test_read_of_build_is_the_same(description: int, level: int, version: int) -> None:
    assert read_alert(build_alert(description, level, version)) == Alert(level, description, version)


@given(st.binary(max_size=20), st.integers(-2, 30))
def test_any_bytes_never_raise(data: bytes, offset: int) -> None:
    read_alert(b"\x15\x03\x03" + data, offset)
