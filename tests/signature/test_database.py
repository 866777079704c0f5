"""The database: compiled once, kept by content hash, loaded without YAML, and still working where nothing can be kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpiprobe.errors import SignatureError, UsageError
from dpiprobe.signature import database
from dpiprobe.signature.database import cache_folder, load, packaged_folder
from tests.signature.test_reader import GOOD


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    where = tmp_path / "signatures" / "group"
    where.mkdir(parents=True)
    (where / "triple.yaml").write_text(GOOD)
    return where.parent


def test_the_second_load_comes_from_the_cache_and_is_the_same(folder: Path) -> None:
    first = load(folder)
    (kept,) = cache_folder().iterdir()
    assert json.loads(kept.read_text())["digest"] == first.hash
    again = load(folder)
    assert again == first and again.by_id["triple"].group == "group" and again.signatures[0].clauses == first.signatures[0].clauses


def test_the_cache_is_enough_without_yaml_and_pydantic(folder: Path) -> None:
    load(folder)
    code = (
        "import sys; from pathlib import Path; from dpiprobe.signature.database import load; "
        f"assert len(load(Path({str(folder)!r}))) == 1; "
        "assert not {'yaml', 'pydantic'} & sys.modules.keys(), 'heavy imports'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


def test_the_hash_is_over_ids_and_contents(folder: Path, tmp_path: Path) -> None:
    before = load(folder).hash
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    assert load(elsewhere).hash == before
    file = elsewhere / "group" / "triple.yaml"
    file.write_text(GOOD.replace("A mirror port", "Another mirror port"))
    assert load(elsewhere).hash != before


def test_a_cache_that_is_broken_or_of_something_else_is_not_believed(folder: Path) -> None:
    first = load(folder)
    (kept,) = cache_folder().iterdir()
    for text in ("{", "[]", '{"digest": "x", "signatures": []}'):
        kept.write_text(text)
        assert load(folder) == first


def test_a_cache_that_cannot_be_written_is_no_loss(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a-file"))
    assert len(load(folder)) == 1


def test_another_vocabulary_does_not_read_this_one_s_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder)
    monkeypatch.setattr(database, "vocabulary_fingerprint", lambda: "another")
    load(folder)
    assert len(list(cache_folder().iterdir())) == 2


def test_all_problems_of_all_files_come_at_once(folder: Path) -> None:
    (folder / "group" / "other.yaml").write_text(GOOD.replace("flags: RA", "flags: X"))
    (folder / "group" / "third.yaml").write_text(GOOD)
    with pytest.raises(SignatureError) as error:
        load(folder)
    assert [p.partition("group/")[2] for p in error.value.problems] == [
        "other.yaml:15:12: flags takes the letters S, F, R, A, not 'X'",
        "third.yaml:1:5: the id 'triple' is not the file's name 'third'; rename one of them",
        f"triple.yaml:1:5: the id 'triple' is taken; {folder}/group/third.yaml has it as well; choose another",
    ]


def test_a_folder_that_is_none_or_empty_is_the_caller_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder; name one"):
        load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no signature files"):
        load(tmp_path)


def test_the_packaged_database_loads() -> None:
    assert len(load(packaged_folder(), cache=False)) >= 40


def test_a_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(UsageError, match=r"\.yaml cannot be read: Permission denied; change its permissions"):
        load(folder)
