"""Many small captures, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.many import captures, parquet, run


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """260 captures in a folder."""
    return captures(tmp_path_factory.mktemp("many"), 260)


@pytest.fixture(scope="session")
def whole(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set that an uninterrupted run makes of them; no test may change it."""
    parquet()
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run(many, out) == 0
    return out
