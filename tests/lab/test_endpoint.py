"""The pure TCP endpoint: two of them over a bad path deliver exactly what was sent."""

from __future__ import annotations

import heapq
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.lab import segment
from dpiprobe.lab.endpoint import Address, Endpoint

ONE, TWO = Address(b"\x0a\0\0\1", 1111), Address(b"\x0a\0\0\2", 443)


def path(rng: random.Random, loss: float, seconds: float, client: Endpoint, server: Endpoint) -> int:
    """Carry packets between the two, 10 ms each way plus up to 3 ms of reordering, until nothing moves; returns the time in ns."""
    now, count = 0, 0
    queue: list[tuple[int, int, Endpoint, bytes]] = []
    while now < seconds * 1e9:
        for one, two in ((client, server), (server, client)):
            for packet in one.out:
                if rng.random() >= loss:
                    count += 1
                    heapq.heappush(queue, (now + 10_000_000 + rng.randrange(3_000_000), count, two, packet))
            one.out.clear()
        timers = [at for end in (client, server) if (at := end.wake_at()) is not None]
        if not queue and not timers:
            break
        now = max(now, min([queue[0][0]] if queue else timers), min(timers + ([queue[0][0]] if queue else [])))
        if queue and queue[0][0] <= now:
            _, _, end, packet = heapq.heappop(queue)
            seen = segment.parse(packet)
            assert seen is not None
            end.segment(now, seen)
        for end in (client, server):
            end.wake(now)
    return now


def pair(seed: int) -> tuple[random.Random, Endpoint, Endpoint]:
    rng = random.Random(seed)
    client, server = Endpoint(ONE, TWO, rng), Endpoint(TWO, ONE, rng)
    server.listen()
    client.connect(0)
    return rng, client, server


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60_000), st.integers(0, 3_000), st.sampled_from([0.0, 0.02, 0.1]))
def test_every_byte_arrives_once_and_in_order(seed: int, down: int, up: int, loss: float) -> None:
    rng, client, server = pair(seed)
    request, answer = rng.randbytes(up), rng.randbytes(down)
    client.send(0, request)
    server.send(0, answer)
    client.close(0)
    server.close(0)
    path(rng, loss, 300, client, server)
    assert (server.inbox, client.inbox) == (request, answer)
    assert client.peer_closed
    assert server.peer_closed


def test_without_loss_it_takes_the_round_trips_it_should() -> None:
    rng, client, server = pair(1)
    client.send(0, b"hello")
    server.close(0)
    client.close(0)
    assert path(rng, 0.0, 10, client, server) < 80_000_000


def test_a_reset_must_be_exact_to_be_believed() -> None:
    rng, client, server = pair(2)
    path(rng, 0.0, 1, client, server)
    forged = segment.Segment(TWO.ip, ONE.ip, TWO.port, ONE.port, client.rcv_nxt + 100, 0, segment.RST)
    client.segment(0, forged)
    assert not client.dead
    forged.seq = client.rcv_nxt
    client.segment(0, forged)
    assert client.dead


def test_data_for_a_program_that_has_gone_is_answered_by_a_bare_reset() -> None:
    rng, client, server = pair(3)
    path(rng, 0.0, 1, client, server)
    server.close(0, discards=True)
    path(rng, 0.0, 1, client, server)
    client.send(0, b"alert")
    (data,) = client.out
    seen = segment.parse(data)
    assert seen is not None
    server.segment(0, seen)
    reset = segment.parse(server.out[-1])
    assert reset is not None
    assert (reset.flags, reset.seq, reset.ack, reset.window, reset.ipid, reset.options) == (segment.RST, seen.ack, 0, 0, 0, b"")
    assert server.dead


def test_a_peer_that_never_answers_is_given_up() -> None:
    _, client, _ = pair(4)
    for _ in range(100):
        at = client.wake_at()
        if at is None:
            break
        client.wake(at)
    assert client.dead
    assert 5 <= len(client.out) <= 10
