"""The catalogue: every box has a block that parses, and the signature it names exists."""

from __future__ import annotations

import pytest

from dpiprobe.errors import UsageError
from dpiprobe.lab import catalogue
from dpiprobe.signature.emulation import parse_emulation


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_every_box_is_driven_by_a_signature_that_exists_or_by_a_block_of_its_own(entry: catalogue.Entry) -> None:
    if entry.signature is None:
        assert (catalogue.block(entry.name) is None) == (entry.name == "none")
        assert parse_emulation(entry.default or {})[1] == []
        return
    blocks = catalogue.from_database()
    assert entry.signature in blocks
    assert catalogue.block(entry.name, blocks) == blocks[entry.signature]
    for block in (blocks[entry.signature], entry.default):
        emulation, problems = parse_emulation(block)
        assert problems == []
        assert emulation is not None


def test_any_signature_with_a_block_is_a_box() -> None:
    assert catalogue.block("odd", {"odd": {"hello": "drop"}}) == {"hello": "drop"}
    with pytest.raises(UsageError, match="no box 'odd'"):
        catalogue.block("odd", {})


def test_every_block_of_the_database_parses() -> None:
    for identity, block in catalogue.from_database().items():
        assert parse_emulation(block)[1] == [], identity
