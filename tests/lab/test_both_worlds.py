"""Real kernels and the virtual clock give the same verdict, technique and signature where nothing is left to chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.explain import explain
from dpiprobe.lab import boxes, catalogue, topology, virtual
from dpiprobe.lab.conditions import condition
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
