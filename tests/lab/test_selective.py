"""Selective acknowledgements against a plain set of bytes, and what an endpoint makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.lab import segment, selective, tcp_options
from dpiprobe.lab.endpoint import Endpoint
from tests.lab.test_endpoint import ONE, TWO

RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=12)


@given(st.integers(0, 0xFFFFFFFF), RANGES, st.integers(0, 200), st.integers(200, 400))
def test_the_scoreboard_knows_exactly_the_bytes_that_were_told(base: int, ranges: list[tuple[int, int]], una: int, nxt: int) -> None:
    board, held = selective.Scoreboard(), set()
    for start, size in ranges:
        board.note([((base + start) & 0xFFFFFFFF, (base + start + size) & 0xFFFFFFFF)], base + una & 0xFFFFFFFF, base + nxt & 0xFFFFFFFF)
        if una < start and start + size <= nxt:
            held |= set(range(start, start + size))
    assert board.missing(base + una & 0xFFFFFFFF, base + nxt & 0xFFFFFFFF) == nxt - una - len(held)
    missing, at = set(), una
    while (hole := board.hole(base + at & 0xFFFFFFFF, base + nxt & 0xFFFFFFFF)) is not None:
        low, high = (segment.after(edge, base & 0xFFFFFFFF) for edge in hole)
        missing |= set(range(low, high))
        at = high
    assert missing == set(range(una, nxt)) - held


def test_what_came_last_is_told_first_and_a_duplicate_before_it() -> None:
    stored = {200: b"x" * 100, 300: b"y" * 100, 600: b"z" * 50}
    assert selective.blocks(stored, 100, 300, None) == [(200, 400), (600, 650)]
    assert selective.blocks(stored, 100, 600, (50, 100)) == [(50, 100), (600, 650), (200, 400)]


def test_options_are_read_as_they_were_written_and_linux_pads_them_so() -> None:
    stamp = tcp_options.stamps(5, 6)
    syn = tcp_options.of_syn(1460, stamp, 7, knows_selective=True)
    assert syn.hex() == "020405b40402080a000000050000000601030307"
    read = tcp_options.read(tcp_options.of_segment(stamp, [(1, 2), (3, 4)]))
    assert (read.stamp, read.held, read.mss) == (5, [(1, 2), (3, 4)], None)
    assert tcp_options.of_syn(1460, b"", None, knows_selective=True).hex() == "020405b401010402"


@given(st.binary(max_size=40))
def test_any_options_can_be_read(raw: bytes) -> None:
    tcp_options.read(raw)


def deliver(lost: Callable[[int], bool], pieces: int = 12) -> tuple[list[tuple[float, int, int]], Endpoint]:
    """Twelve segments over a path of 20 ms, of which those fall out that `lost` names; of all that was sent: ms, first byte, ranges
    that had been told by then."""
    rng = random.Random(1)
    client, server = Endpoint(ONE, TWO, rng), Endpoint(TWO, ONE, rng)
    server.listen()
    client.connect(0)
    sent: list[tuple[float, int, int]] = []
    queue: list[tuple[int, Endpoint, bytes]] = []
    now = told = 0
    base = number = 0
    for _ in range(2_000):
        for end, other in ((client, server), (server, client)):
            for packet in end.out:
                seen = segment.parse(packet)
                assert seen is not None
                told += len(tcp_options.read(seen.options).held)
                if end is server and seen.payload:
                    base = base or seen.seq
                    sent.append((now / 1e6, segment.after(seen.seq, base), told))
                    number += 1
                    if lost(number):
                        continue
                queue.append((now + 10_000_000, other, packet))
            end.out.clear()
        times = [at for end in (client, server) if (at := end.wake_at()) is not None] + [at for at, _, _ in queue[:1]]
        if not times or now > 5e9:
            break
        now = max(now, min(times))
        while queue and queue[0][0] <= now:
            _, end, packet = queue.pop(0)
            seen = segment.parse(packet)
            assert seen is not None
            end.segment(now, seen)
        if server.state == "established" and not server.closing and not sent:
            server.send(now, bytes(1448 * pieces))
        for end in (client, server):
            end.wake(now)
    return sent, client


def test_two_holes_are_filled_in_one_round_trip() -> None:
    sent, client = deliver(lambda number: number in (3, 5))
    again = [(at, first // 1448) for i, (at, first, _) in enumerate(sent) if first in {one for _, one, _ in sent[:i]}]
    assert [which for _, which in again] == [2, 4]
    assert all(at - sent[0][0] < 45 for at, _ in again), sent
    assert len(client.inbox) == 12 * 1448


def test_a_lost_end_is_probed_after_two_round_trips_and_not_after_a_timeout() -> None:
    sent, client = deliver(lambda number: number in (9, 10), pieces=10)
    first, *_, probe, hole = sent
    assert (probe[1] // 1448, hole[1] // 1448) == (9, 8)
    assert 40 <= probe[0] - first[0] <= 70
    assert len(client.inbox) == 10 * 1448


def test_a_single_overtaken_hole_waits_a_quarter_of_a_round_trip() -> None:
    sent, client = deliver(lambda number: number == 2, pieces=3)
    again = sent[-1]
    assert again[1] == 1448
    assert 24 <= again[0] - sent[0][0] <= 27
    assert len(client.inbox) == 3 * 1448
