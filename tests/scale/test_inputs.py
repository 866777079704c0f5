"""Which captures are meant by what a user names."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest

from dpiprobe.errors import EnvironmentError_, InputError
from dpiprobe.scale import inputs
from dpiprobe.scale.inputs import fingerprint, inputs_of, is_capture, is_url

PCAP = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
PCAPNG = bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000")


def test_a_folder_is_searched_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "no-extension").write_bytes(PCAP)
    (tmp_path / "a.txt").write_bytes(PCAPNG)
    (tmp_path / "c.log").write_bytes(gzip.compress(PCAP))
    (tmp_path / "not.pcap").write_bytes(b"hello")
    (tmp_path / "tar.gz").write_bytes(gzip.compress(b"no capture inside"))
    (tmp_path / "empty.pcap").write_bytes(b"")
    assert [given.name for given in inputs_of([str(tmp_path)])] == [f"{tmp_path}/a.txt", f"{tmp_path}/c.log", f"{tmp_path}/b/no-extension"]


@pytest.mark.parametrize(("package", "pack"), [("zstandard", "compress"), ("lz4.frame", "compress")])
def test_other_compressions_are_looked_into(tmp_path: Path, package: str, pack: str) -> None:
    packer = getattr(pytest.importorskip(package), pack)
    (tmp_path / "x").write_bytes(packer(PCAP))
    (tmp_path / "y").write_bytes(packer(b"no capture inside"))
    assert is_capture(str(tmp_path / "x")) and not is_capture(str(tmp_path / "y"))


def test_a_file_that_was_named_is_an_input_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    assert [given.name for given in inputs_of([str(tmp_path / "x"), "missing.pcap", "-"])] == [str(tmp_path / "x"), "missing.pcap", "-"]


def test_a_folder_without_captures_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no captures"):
        inputs_of([str(tmp_path)])


def test_links_are_followed_to_files_and_not_to_folders(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(PCAP)
    (tmp_path / "link").symlink_to(tmp_path / "x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert [Path(given.name).name for given in inputs_of([str(tmp_path)])] == ["link", "x"]


def test_the_stamp_changes_with_the_file_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(PCAP)
    first = inputs_of([str(tmp_path / "x")])
    assert fingerprint(inputs_of([str(tmp_path / "x")])) == fingerprint(first)
    (tmp_path / "x").write_bytes(PCAP + b"\0")
    assert fingerprint(inputs_of([str(tmp_path / "x")])) != fingerprint(first)


def test_the_same_file_has_one_key_by_every_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_bytes(PCAP)
    assert len({given.key for given in inputs_of(["x", "./x", str(tmp_path / "x")])}) == 1


@pytest.mark.parametrize(("path", "url"), [("s3://b/x", True), ("https://h/x", True), ("c:/x", False), ("-", False), ("a://b" * 0 or "a/b", False)])
def test_what_is_a_url(path: str, url: bool) -> None:
    assert is_url(path) is url


def test_a_scheme_that_nothing_reads_says_what_to_install() -> None:
    with pytest.raises(EnvironmentError_, match="pip install"):
        inputs_of(["nosuch://host/x"])


def test_what_may_not_be_looked_into_is_an_input_so_that_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.pcap").write_bytes(b"whatever")
    (tmp_path / "closed").mkdir()
    search = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return search(path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(inputs, "open", refused, raising=False)
    assert [given.name for given in inputs_of([str(tmp_path)])] == [str(tmp_path / "secret.pcap"), str(tmp_path / "closed")]
