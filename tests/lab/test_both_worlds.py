"""Real kernels and the virtual clock give the same verdict, technique and signature where nothing is left to chance, and the same rates where
something is. What is drawn of the whole matrix, `make soak` compares in the same way (`lab matrix --namespaces`, its JSON's `agreement`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.explain import explain
from dpiprobe.lab import boxes, catalogue, in_namespaces, matrix, topology, virtual
from dpiprobe.lab.conditions import condition
from dpiprobe.lab.matrix import Boxes, Result, Task
from dpiprobe.lab.matrix_record import UNLIKELY, agreement
from dpiprobe.plan.plan import Pace
from dpiprobe.run import demo
from dpiprobe.signature.database import load

pytestmark = pytest.mark.usefixtures("lab_here")
REPETITIONS = 2
PACE = Pace(gap=0.5, answer=8.0, unacknowledged=8.0, residual=10.0)  # as the demonstration asks its prober for


def on_the_virtual_clock(box: str) -> tuple[object, ...]:
    """Verdict of the client's view and of both ends', technique and signature of the name in question."""
    block = catalogue.block(box, catalogue.from_database())
    run = virtual.run(
        lambda rng: boxes.make(block, [virtual.BLOCKED], [topology.SERVER], rng, real_tls=False),
        condition("plain"), "both-worlds", repetitions=REPETITIONS, body=demo.BODY, pace=PACE,
    )  # fmt: skip
    one = explain(run.client, database=load(), plan=run.plan)
    two = explain(run.client, database=load(), plan=run.plan, server_side=run.server)
    (client,), (both,) = ([line for line in found.names if line.server_name == virtual.BLOCKED] for found in (one, two))
    return client.verdict, both.verdict, client.lead.technique or both.lead.technique, client.lead.signature or both.lead.signature


def test_the_boxes_of_the_demonstration_are_judged_alike_in_both_worlds(tmp_path: Path) -> None:
    runs = demo.run_demo(tmp_path, load(), repetitions=REPETITIONS, seed=1, jobs=len(demo.BOXES), boxes=demo.BOXES, told=lambda _: None)
    real = {run.box: (run.rows[0].verdict, run.rows[0].both_ends, run.rows[0].technique, run.rows[0].signature) for run in runs}
    assert real == {box.box: on_the_virtual_clock(box.box) for box in demo.BOXES}


DETERMINISTIC = [
    Task("box", "netfilter-reject", "nat", 1), Task("box", "gfw-reset-triple", "cloud", 1), Task("box", "tcpkill", "mtu-1400", 1),
    Task("box", "packetlogic-reset", "asymmetric-route", 1), Task("box", "rst.on-path", "ipv6", 1), Task("box", "fin", "asymmetric-delay", 1),
    Task("box", "data.alert", "box-near-server", 1), Task("innocent", "reset-one", "plain", 1), Task("innocent", "half-one", "far", 1),
]  # fmt: skip
RANDOM = [Task("box", box, "loss-5", seed) for box in ("gfw-reset-triple", "tcpkill") for seed in range(1, 6)]


def in_both(tasks: list[Task], all_boxes: Boxes) -> tuple[list[Result], list[Result]]:
    """The same runs, on the virtual clock and with real kernels; a run that fails here is a failed test."""
    real = list(in_namespaces.run_real(tasks, all_boxes, 8))
    done = [one for one in real if isinstance(one, Result)]
    assert len(done) == len(tasks), [one for one in real if not isinstance(one, Result)]
    return [matrix.run_task(task, all_boxes, pace=in_namespaces.PACE) for task in tasks], done


def test_both_worlds_agree_run_by_run_or_within_chance() -> None:
    all_boxes = Boxes(load())
    virtual_ones, real_ones = in_both(DETERMINISTIC + RANDOM, all_boxes)
    found = agreement(virtual_ones, real_ones, all_boxes.truths)
    assert [entry for entry in found["differ"] if entry["condition"] != "loss-5"] == []
    rates = [row for row in found["conditions"] if row["name"] == "loss-5"]
    assert len(rates) == 2 and all(row["p"] >= UNLIKELY for row in rates), rates
