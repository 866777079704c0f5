"""Many small captures, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.many import captures


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """420 captures in a folder."""
    return captures(tmp_path_factory.mktemp("many"), 420)
