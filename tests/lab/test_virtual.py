"""The virtual clock: the same seed gives the same packets, and each condition shows in the captures as it says."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest

from dpiprobe.lab import boxes, virtual
from dpiprobe.lab.box import Box
from dpiprobe.lab.conditions import condition
from dpiprobe.lab.virtual import BLOCKED, ServerSide, VirtualRun
from dpiprobe.wire.packets import ACK, OPT_TIMESTAMPS, RST, SYN, Packets


def free(rng: random.Random) -> Box:
    return boxes.make(None, (), (), rng)


def world(where: str = "plain", seed: str = "one", **more: Any) -> VirtualRun:
    return virtual.run(free, condition(where), seed, repetitions=1, **more)


def flow(packets: Packets, port: int) -> np.ndarray[Any, Any]:
    return np.flatnonzero((packets.source_port == port) | (packets.destination_port == port))


def ports(run: VirtualRun) -> list[int]:
    return [int((trial.client or ":0").rpartition(":")[2]) for trial in run.plan.trials]


def client_port(run: VirtualRun, role: str) -> int:
    return next(port for port, trial in zip(ports(run), run.plan.trials, strict=True) if trial.role == role)


def test_a_seed_repeats_itself_and_another_does_not() -> None:
    one, again, other = world("loss-5"), world("loss-5"), world("loss-5", "two")
    assert one.frames == again.frames
    assert one.plan == again.plan
    assert one.frames != other.frames


def test_the_path_has_its_delay_and_its_hops() -> None:
    run = world()
    packets = run.client.packets
    rows = flow(packets, ports(run)[0])
    syn, answer = rows[0], rows[1]
    assert packets.time[answer] - packets.time[syn] == 50_000_000
    assert set(packets.ttl[packets.source_port == 443].tolist()) == {61}


def test_everything_adds_up_on_a_free_path() -> None:
    run = world()
    sizes = [int(run.client.packets.payload_length[flow(run.client.packets, p)].sum()) for p in ports(run)]
    assert min(size for size in sizes if size) > 24_000
    assert len(run.client.packets) == len(run.server.packets)


def test_translation_gives_the_server_another_client() -> None:
    run = world("nat")
    assert "198.18.3.77" in {".".join(map(str, a)) for a in run.server.packets.addresses}
    assert not set(ports(run)) & set(run.server.packets.source_port.tolist())


def test_a_cloud_makes_all_arrivals_alike() -> None:
    run = world("cloud", server=ServerSide(ttl=128))
    assert set(run.client.packets.ttl.tolist()) == {64}


def test_merged_captures_hold_large_packets() -> None:
    assert world("merged").client.packets.payload_length.max() > 1460 >= world().client.packets.payload_length.max()


def test_a_tunnel_makes_the_segments_shorter() -> None:
    assert world("mtu-1400").client.packets.ip_length.max() <= 1400


def test_a_black_hole_takes_full_segments_only() -> None:
    run = world("black-hole")
    received = run.client.packets.source_port == 443
    assert 0 < run.client.packets.ip_length[received].max() <= 1400
    assert run.server.packets.ip_length.max() > 1400


def test_ipv6_has_no_ids() -> None:
    run = world("ipv6")
    assert set(run.client.packets.version.tolist()) == {6}
    assert set(run.client.packets.ip_id.tolist()) == {-1}
    assert run.plan.server.startswith("[2001:2::4:2]")


def test_a_full_accept_queue_repeats_its_syn_ack_and_acknowledges_nothing() -> None:
    run = virtual.run(free, dataclasses.replace(condition("plain"), full=1.0), "one", repetitions=1)
    packets = run.client.packets
    rows = flow(packets, ports(run)[0])
    back = rows[packets.source_port[rows] == 443]
    again = [r for r in back if packets.flags[r] & (SYN | ACK) == SYN | ACK]
    assert len(again) >= 3
    base = packets.ack[again[0]]
    assert all(packets.ack[r] == base for r in back if not packets.flags[r] & RST)


def test_syn_cookies_send_no_syn_ack_twice() -> None:
    run = virtual.run(free, dataclasses.replace(condition("syn-cookies"), loss=0.3), "three", repetitions=2)
    packets = run.server.packets
    opening = (packets.flags & (SYN | ACK) == SYN) & (packets.destination_port == 443)
    answers = packets.flags & (SYN | ACK) == SYN | ACK
    assert answers.sum() == opening.sum()


def test_a_server_without_timestamps_sends_none() -> None:
    run = world(server=ServerSide(timestamps=False))
    packets = run.client.packets
    assert not (packets.options[packets.source_port == 443] & OPT_TIMESTAMPS).any()


@pytest.mark.parametrize(("what", "flags"), [("reset", RST), ("close", 0x01), ("hang", ACK)])
def test_a_server_that_fails_by_itself_acknowledges_the_hello_first(what: str, flags: int) -> None:
    run = world(server=ServerSide({BLOCKED: what}))
    packets = run.client.packets
    rows = flow(packets, client_port(run, "test"))
    back = [r for r in rows if packets.source_port[r] == 443]
    hello = next(r for r in rows if packets.payload_length[r] and packets.source_port[r] != 443)
    end = (int(packets.seq[hello]) + int(packets.payload_length[hello])) & 0xFFFFFFFF
    assert int(packets.ack[back[1]]) == end
    assert any(packets.flags[r] & flags for r in back[1:])


def test_a_reset_of_the_servers_own_carries_timestamps_as_linux_does() -> None:
    run = world(server=ServerSide({BLOCKED: "reset"}))
    packets = run.client.packets
    resets = [r for r in flow(packets, client_port(run, "test")) if packets.source_port[r] == 443 and packets.flags[r] & RST]
    assert resets
    assert packets.options[resets[0]] & OPT_TIMESTAMPS


def test_a_retry_is_answered_with_a_second_hello_and_works() -> None:
    run = world(server=ServerSide({None: "retry"}))
    sizes = [int(run.client.packets.payload_length[flow(run.client.packets, p)].sum()) for p in ports(run)]
    assert min(size for size in sizes if size) > 24_000


def test_punishment_is_waited_out_as_the_prober_does() -> None:
    block = {"hello": "drop", "residual": {"what": "drop", "for": "20 s", "same": ["client", "server", "port"]}}
    run = virtual.run(lambda rng: boxes.make(block, [BLOCKED], (), rng), condition("plain"), "one", repetitions=1)
    starts = run.client.packets.time[(run.client.packets.flags & (SYN | ACK)) == SYN]
    gaps = np.diff(np.unique(starts)) / 1e9
    assert gaps.max() > 100
