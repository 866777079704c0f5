"""What the caller can do wrong, and what compression can do to a file."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.capture.read import read_capture
from dpiprobe.errors import InputError
from tests.capture.files import FRAME, enhanced, interface, option, pcap, section, simple

CAPTURE = pcap([FRAME] * 200)
NG = section(options=option(1, b"comment")) + interface() + enhanced() * 3 + simple()


def compressed(kind: str, data: bytes = CAPTURE) -> bytes:
    if kind == "gzip":
        return gzip.compress(data)
    if kind == "zstd":
        return pytest.importorskip("zstandard").compress(data)  # type: ignore[no-any-return]
    return pytest.importorskip("lz4.frame").compress(data)  # type: ignore[no-any-return]


KINDS = pytest.mark.parametrize("kind", ["gzip", "zstd", "lz4"])


def test_a_path_is_read_and_hashed_as_it_lies_there(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(CAPTURE)
    for source in (path, str(path), path.open("rb")):
        capture = read_capture(source)
        assert (capture.frames, capture.name) == (200, str(path))
        assert capture.sha256 == hashlib.sha256(CAPTURE).hexdigest()


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CAPTURE)))
    capture = read_capture("-")
    assert (capture.frames, capture.name) == (200, "-")


def test_the_name_can_be_given() -> None:
    assert read_capture(io.BytesIO(CAPTURE), name="friend.pcap").name == "friend.pcap"
    assert read_capture("friend.pcap", data=CAPTURE).name == "friend.pcap"


def test_a_pipe_that_gives_little_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 3, 3))

    assert read_capture(Slow(CAPTURE)).frames == 200


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; check the path"):
        read_capture(tmp_path / "no.pcap")


def test_an_empty_name() -> None:
    with pytest.raises(InputError, match="the name of a capture is empty"):
        read_capture("")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_capture(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="may not be read by this user"):
        read_capture(tmp_path / "secret.pcap")


def test_an_empty_file() -> None:
    with pytest.raises(InputError, match="is empty"):
        read_capture("e.pcap", data=b"")


@pytest.mark.parametrize("data", [b"<html>", b"\0" * 100, b"\xd4\xc3\xb2", b"\x0a\x0d\x0d", b"x"])
def test_what_is_no_capture(data: bytes) -> None:
    with pytest.raises(InputError, match="neither pcap nor pcapng"):
        read_capture("x", data=data)


def test_a_path_with_a_zero_byte() -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        read_capture("a\0b")


@KINDS
def test_compressed_captures_are_known_by_their_magic(kind: str) -> None:
    data = compressed(kind)
    capture = read_capture("no-suffix", data=data)
    assert (capture.frames, capture.damage) == (200, [])
    assert capture.sha256 == hashlib.sha256(data).hexdigest()


@KINDS
def test_compressed_in_several_parts(kind: str) -> None:
    data = compressed(kind, CAPTURE[:1000]) + compressed(kind, CAPTURE[1000:])
    assert (read_capture("x", data=data).frames, read_capture("x", data=data).damage) == (200, [])


@KINDS
def test_a_truncated_compressed_tail_keeps_what_came_before(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = pcap([FRAME + hashlib.sha256(bytes([i % 256, i // 256])).digest() * 8 for i in range(3000)])
    data = compressed(kind, noisy)
    capture = read_capture("x", data=data[: len(data) * 3 // 4])
    assert 500 < capture.frames < 3000
    assert any("ends too early" in sentence for sentence in capture.damage)


@KINDS
def test_compressed_rubbish_is_no_capture_or_damage(kind: str) -> None:
    data = bytearray(compressed(kind))
    data[20:40] = bytes(20)
    try:
        capture = read_capture("x", data=bytes(data))
    except InputError:
        return
    assert capture.damage


def test_bytes_after_the_end_of_gzip_are_said() -> None:
    assert read_capture("x", data=compressed("gzip") + b"trailer").damage == ["bytes after the end of the gzip data were not read"]
    assert read_capture("x", data=compressed("gzip") + bytes(512)).damage == []  # tapes pad with zeros


@pytest.mark.parametrize(("kind", "module"), [("zstd", "zstandard"), ("lz4", "lz4.frame")])
def test_a_missing_decompressor_is_named(kind: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = compressed(kind)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"install 'dpiprobe\[compress\]'"):
        read_capture("x", data=data)


@KINDS
def test_decompression_is_bounded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = compressed(kind, pcap([FRAME] * 40_000))
    monkeypatch.setattr("dpiprobe.capture.source.MAX_DECOMPRESSED", 1 << 21)
    capture = read_capture("x", data=data)
    assert capture.frames >= 200
    assert "reading ended after 2 MiB; the rest was not decompressed" in capture.damage


def test_a_file_that_is_not_compressed_is_as_long_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpiprobe.capture.source.MAX_DECOMPRESSED", 1 << 10)
    assert read_capture("x", data=CAPTURE).damage == []


HEADS = [b"", CAPTURE[:24], CAPTURE[:40], NG[:28], section() + interface(), b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"]


@given(st.binary(max_size=300), st.sampled_from(HEADS))
def test_any_bytes_are_a_capture_or_an_input_error(tail: bytes, head: bytes) -> None:
    try:
        capture = read_capture("x", data=head + tail)
    except InputError:
        return
    assert len(capture.packets) + capture.undecoded + capture.other + capture.fragments <= capture.frames


@given(st.sampled_from([CAPTURE[:400], NG, compressed("gzip", CAPTURE[:400])]), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_any_damage_to_a_capture_is_survived(data: bytes, changes: list[tuple[int, int]]) -> None:
    broken = bytearray(data)
    for place, value in changes:
        broken[place % len(broken)] = value
    try:
        capture = read_capture("x", data=bytes(broken))
    except InputError:
        return
    assert len(capture.packets) <= capture.frames


def test_a_zero_length_frame_is_undecoded() -> None:
    assert read_capture("x", data=pcap([b""])).undecoded_reasons == {"frame cut before the IP header": 1}


@pytest.mark.parametrize(("start", "what"), [(b"\xfd7zXZ\0", "xz"), (b"BZh9", "bzip2"), (b"PK\3\4", "zip"), (b"version https://git-lfs.github.com", "Git LFS")])
def test_what_is_often_taken_for_a_capture_is_named(start: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_capture("x", data=start + bytes(50))


def test_memory_that_does_not_suffice_is_the_callers_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("dpiprobe.wire.decode.Decoder.append", fail)
    with pytest.raises(InputError, match="more memory"):
        read_capture("x", data=CAPTURE)


def test_five_thousand_packets_take_a_fraction_of_a_second() -> None:
    data = pcap([FRAME] * 5000)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        read_capture("x", data=data)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.4  # measured: 0.03 s on an idle core; the margin is for a machine that does other things
