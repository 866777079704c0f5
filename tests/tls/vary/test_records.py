"""Every cut into records, byte for byte."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import SIZE, cuts, message, payloads, records, sent

M = message()
HOST, MIDSLD, ENDHOST, SNIEXT = 111 - 5, 118 - 5, 130 - 5, 106 - 5  # in the message: without the record header


def one(*ends: int) -> list[bytes]:
    return [b"".join(records(M, *ends))]


def split(record_end: int, *at: int) -> list[bytes]:
    return cuts(*at, stream=b"".join(records(M, record_end)))


EXPECTED: dict[str, list[bytes]] = {
    "record-3": one(64, 159),
    "record-8": one(16, 32, 48, 64, 80, 96, 112),
    "record-16": one(*range(16, 225, 16)),
    "record-3-segments": records(M, 64, 159),
    "record-8-segments": records(M, 16, 32, 48, 64, 80, 96, 112),
    "record-16-segments": records(M, *range(16, 225, 16)),
    "record-size-20": one(*range(20, 232, 20)),
    "record-size-1": one(*range(1, 232)),
    "record-at-midsld": one(MIDSLD),
    "record-at-sniext+1": one(SNIEXT + 1),
    "record-at-sniext+4": one(SNIEXT + 4),
    # A cut at the place where the record ends comes before the next record's header; behind it the header's five bytes count.
    "record-at-midsld-cut-midsld": split(MIDSLD, 118),
    "record-at-midsld-cut-1-midsld": split(MIDSLD, 1, 118),
    "record-at-sniext+1-cut-midsld": split(SNIEXT + 1, 118 + 5),
    "record-at-sniext+1-cut-1-midsld": split(SNIEXT + 1, 1, 118 + 5),
    "record-at-sniext+4-cut-midsld": split(SNIEXT + 4, 118 + 5),
    "record-at-sniext+4-cut-1-midsld": split(SNIEXT + 4, 1, 118 + 5),
    "record-header": one(1),
    "record-behind-name": one(ENDHOST),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == EXPECTED[name]


def test_segments_can_be_paced() -> None:
    assert [s.delay for s in sent("record-3-segments:sizes=64,95;delay=0.25")] == [0.0, 0.25, 0.25]


def test_sizes_of_ones_own() -> None:
    assert payloads("record-3:sizes=1,2,3") == one(1, 3, 6)
    assert payloads("record-at-midsld:at=4,host+1,-1") == one(4, HOST + 1, len(M) - 1)


assert len(M) == SIZE - 5
