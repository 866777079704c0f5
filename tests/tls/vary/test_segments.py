"""Every cut, order, overlap and decoy: payloads and their places, byte for byte."""

from __future__ import annotations

import pytest

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import parse
from dpiprobe.tls.sending import Segment, Sending
from tests.tls.vary.wire import ENDHOST, HOST, MIDSLD, NAME, SIZE, SNIEXT, cuts, extensions, named, payloads, sent, sni, wire

W = wire()
SEVEN = (1, SNIEXT + 1, HOST + 1, MIDSLD - 2, MIDSLD, MIDSLD + 2, ENDHOST - 1)

EXPECTED: dict[str, list[bytes]] = {
    **{f"cut-{n}": cuts(n) for n in (1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64)},
    "cut-half": cuts(118),  # of 237
    "cut-4-8": cuts(4, 8),
    "cut-4-23": cuts(4, 23),
    "cut-24-48": cuts(24, 48),
    "cut-thrice": cuts(8, 12),
    "cut-host": cuts(HOST),
    "cut-host+1": cuts(HOST + 1),
    "cut-sniext+1": cuts(SNIEXT + 1),
    "cut-sniext+4": cuts(SNIEXT + 4),
    "cut-midsld": cuts(MIDSLD),
    "cut-1-midsld": cuts(1, MIDSLD),
    "cut-seven": cuts(*SEVEN),
    "cut-last": cuts(SIZE - 1),
    "cut-name-3": cuts(111, 114, 117, 120, 123, 126, 129, 130),
    **{f"cut-8x{n}": cuts(*[8 * i for i in range(1, n + 1) if 8 * i < SIZE]) for n in (2, 3, 4, 8, 16, 32)},
}

ODD = {
    "cut-drawn", "cut-bytes-paced", "cut-bytes-acked", "cut-midsld-delayed", "disorder-1", "disorder-2", "disorder-8", "disorder-host+1", "disorder-midsld",
    "disorder-1-midsld", "disorder-24-48", "disorder-seven", "disorder-first-last", "overlap-1-at-10", "overlap-1-at-10-sniext+1",
    "overlap-1-at-10-sniext+4", "overlap-1-at-10-midsld", "overlap-336-iana", "overlap-disorder-1-2", "overlap-disorder-sniext",
    "overlap-disorder-sniext+3", "overlap-disorder-midsld", "overlap-disorder-1-2-midsld", "urgent-1", "urgent-midsld", "urgent-disorder-midsld",
    "decoy-zeros", "decoy-random-name", "decoy-iana", "decoy-in-two", "decoy-around", "faked-midsld", "faked-disorder-midsld", "faked-host",
}  # fmt: skip
DRAWN = ODD


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(ODD | set(EXPECTED)))
def test_a_server_reads_the_hello_as_it_was(name: str) -> None:
    assert Sending(sent(name)).stream == W


def plain(segments: tuple[Segment, ...]) -> list[tuple[int, bytes]]:
    """Offsets and payloads of segments that are nothing else."""
    assert all((s.delay, s.await_ack, s.urgent, s.decoy) == (0.0, False, False, False) for s in segments)
    return [(s.offset, s.data) for s in segments]


# ---- times


def test_a_drawn_cut() -> None:
    first, second = payloads("cut-drawn")
    assert 32 <= len(first) <= 63 and first + second == W


def test_byte_by_byte() -> None:
    paced, acked = sent("cut-bytes-paced"), sent("cut-bytes-acked")
    assert [(s.offset, s.data) for s in paced] == [(s.offset, s.data) for s in acked] == [(i, W[i : i + 1]) for i in range(SIZE)]
    assert {(s.delay, s.await_ack) for s in paced[1:]} == {(0.02, False)} and paced[0].delay == 0
    assert {(s.delay, s.await_ack) for s in acked[1:]} == {(0.0, True)} and not acked[0].await_ack


def test_a_delay_between_halves() -> None:
    assert sent("cut-midsld-delayed") == (Segment(W[:MIDSLD], 0), Segment(W[MIDSLD:], MIDSLD, delay=1.0))
    assert [s.delay for s in sent("cut-1-midsld:at=1,midsld;delay=0.5")] == [0, 0.5, 0.5]


# ---- order


@pytest.mark.parametrize(
    ("name", "at"),
    [("1", (1,)), ("2", (2,)), ("8", (8,)), ("host+1", (HOST + 1,)), ("midsld", (MIDSLD,)), ("1-midsld", (1, MIDSLD)), ("24-48", (24, 48)), ("seven", SEVEN)],
)  # fmt: skip
def test_last_to_first(name: str, at: tuple[int, ...]) -> None:
    assert plain(sent(f"disorder-{name}")) == list(zip((0, *at), cuts(*at), strict=True))[::-1]


def test_the_first_last() -> None:
    assert plain(sent("disorder-first-last")) == [(1, W[1:MIDSLD]), (MIDSLD, W[MIDSLD:]), (0, W[:1])]


# ---- overlap


@pytest.mark.parametrize(("name", "at"), [("10", (10,)), ("10-sniext+1", (10, 107)), ("10-sniext+4", (10, 110)), ("10-midsld", (10, 118))])
def test_a_byte_before_the_window(name: str, at: tuple[int, ...]) -> None:
    first, *rest = cuts(*at)
    assert plain(sent(f"overlap-1-at-{name}")) == [(-1, b"\0" + first), *zip(at, rest, strict=True)]


def test_another_hello_before_the_window() -> None:
    first, second = plain(sent("overlap-336-iana"))
    assert second == (2, W[2:])
    assert (first[0], len(first[1]), first[1][-2:]) == (-336, 338, W[:2])
    assert first[1][:3] == b"\x16\x03\x01" and b"iana.org" in first[1][:336]


@pytest.mark.parametrize(
    ("name", "size", "at"),
    [("1-2", 1, (2,)), ("sniext", SNIEXT, (SNIEXT + 1,)), ("sniext+3", SNIEXT + 3, (SNIEXT + 4,)), ("midsld", MIDSLD - 1, (MIDSLD,)),
     ("1-2-midsld", 1, (2, MIDSLD))],
)  # fmt: skip
def test_a_second_piece_that_begins_early(name: str, size: int, at: tuple[int, ...]) -> None:
    first, second, *rest = cuts(*at)
    later = list(zip(at[1:], rest, strict=True))[::-1]
    assert plain(sent(f"overlap-disorder-{name}")) == [*later, (at[0] - size, bytes(size) + second), (0, first)]


# ---- urgent bytes


def test_urgent_bytes() -> None:
    assert sent("urgent-1") == (Segment(W[:1] + b"a", 0, urgent=True), Segment(W[1:], 2))
    pair = (Segment(W[:MIDSLD] + b"a", 0, urgent=True), Segment(W[MIDSLD:], MIDSLD + 1))
    assert sent("urgent-midsld") == pair
    assert sent("urgent-disorder-midsld") == pair[::-1]


# ---- decoys


def decoys(name: str) -> list[tuple[int, bytes]]:
    """Offsets and payloads of the decoys before the whole hello."""
    *fakes, true = sent(name)
    assert true == Segment(W, 0)
    assert all(f.decoy and not f.urgent for f in fakes)
    return [(f.offset, f.data) for f in fakes]


def test_decoy_bytes() -> None:
    assert decoys("decoy-zeros") == [(0, bytes(4))]


def test_decoy_hellos() -> None:
    ((offset, iana),) = decoys("decoy-iana")
    assert (offset, iana) == (0, wire(extensions(sni(b"www.iana.org")), random=iana[11:43]))
    assert iana[11:43] != W[11:43]
    ((offset, other),) = decoys("decoy-random-name")
    name = other[HOST:ENDHOST]
    assert (offset, other) == (0, wire(extensions(sni(name)), random=other[11:43]))
    assert name != NAME and name.endswith(b".example")


def test_a_decoy_in_two() -> None:
    whole = named(b"www.iana.org")
    assert decoys("decoy-in-two") == [(0, whole[:2]), (2, whole[2:])]


def test_a_decoy_around_the_hello() -> None:
    """Decoy and hello together read as one hello whose padding is the true one."""
    ((_, fake),) = decoys("decoy-around")
    name = fake[HOST:ENDHOST]
    around = wire([*extensions(sni(name)), ("0015", W.hex())], random=fake[11:43])
    assert fake + W == around
    assert parse(around).padding == SIZE  # type: ignore[union-attr]


def test_decoys_in_the_place_of_pieces() -> None:
    one, two = cuts(MIDSLD)
    fakes = (Segment(bytes(len(one)), 0, decoy=True), Segment(bytes(len(two)), MIDSLD, decoy=True))
    true = (Segment(one, 0), Segment(two, MIDSLD))
    assert sent("faked-midsld") == (fakes[0], true[0], fakes[0], fakes[1], true[1], fakes[1])
    assert sent("faked-disorder-midsld") == (fakes[1], true[1], fakes[1], fakes[0], true[0], fakes[0])


def test_decoys_in_the_place_of_the_name() -> None:
    before, fake, name, again, behind = sent("faked-host")
    assert (before, name, behind) == (Segment(W[:HOST], 0), Segment(NAME, HOST), Segment(W[ENDHOST:], ENDHOST))
    assert fake == again == Segment(fake.data, HOST, decoy=True)
    assert len(fake.data) == len(NAME) and fake.data != NAME
    assert sent("faked-host:name=www.innocent.exampl")[1].data == b"www.innocent.exampl"
    with pytest.raises(UsageError, match="19 bytes"):
        sent("faked-host:name=short.example")
