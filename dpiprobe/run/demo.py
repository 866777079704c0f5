"""The demonstration: every kind of box stood up in the lab, probed from the client's side, explained, and compared with what it was.

Rules of this file:
- Each box is probed by the same command with the same arguments; the explanation sees captures and plan, never the name of the box.
- The comparison with the truth comes last, and nothing is tried twice: a miss is shown as a miss.
- One row for the name in question and for every other name that did not simply work; the client's view and, with the server's capture,
  both ends' view stand beside each other.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dpiprobe.errors import EnvironmentError_

BODY = 24_000
"""Bytes of the page that every trial fetches: three seconds at the lab's throttled 8 kB/s, and far more than an initial window."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a box is, for the comparison at the end. Verdicts and techniques of the client's view and of both ends' view."""

    box: str
    says: str
    client: frozenset[str]
    both: frozenset[str]
    technique: str | None
    signature: str | None
    also: tuple[str, ...] = ()


def _expect(box: str, says: str, client: str, both: str, technique: str | None, signature: str | None, also: tuple[str, ...] = ()) -> Expected:
    return Expected(box, says, frozenset(client.split()), frozenset(both.split()), technique, signature, also)


BOXES: tuple[Expected, ...] = (
    _expect("none", "free path", "ok", "ok", None, None),
    _expect("in-path-reset", "swallows the hello, resets the client", "blocked", "blocked", "rst.in-path", "netfilter-reject"),
    _expect("on-path-resets", "races the answer with resets", "blocked contested", "blocked contested", "rst.on-path", "gfw-reset-triple"),
    _expect("drop-hello", "swallows the hello silently", "blocked", "blocked", "drop.hello", "drop.hello"),
    _expect("proxy-close", "terminates TCP, closes on the name", "insufficient down", "blocked", "proxy.close", "proxy.close"),
    _expect("throttle-shape", "queues the answer to 8 kB/s", "blocked", "blocked", "throttle.shape", "throttle.shape"),
    _expect("residual-drop", "swallows the hello, then all for 20 s", "blocked insufficient", "blocked", "drop.hello", "drop.hello", ("residual.drop",)),
)
"""`also`: techniques that some other flow of the run must show. Residual punishment takes the controls away that would prove the drop of
the hello from one side alone: there the client's view may honestly stay insufficient."""


@dataclass(slots=True)
class Row:
    """One line of the table: what was probed and what each view says. `reaction_ns`: from the hello to the first forged packet."""

    box: str
    says: str
    name: str
    verdict: str
    both_ends: str
    technique: str | None
    signature: str | None
    position: str
    trials: dict[str, int]
    reaction_ns: int | None
    rtt_ns: int | None
    evidence: list[int]
    flow: int
    reason: str
    because: str | None = None


@dataclass(slots=True)
class BoxRun:
    """One box probed: its rows, whether they are right, and where the captures lie."""

    box: str
    folder: str
    rows: list[Row] = field(default_factory=list)
    right: bool = False
    miss: str = ""


def run_demo(folder: Path, database: Any, *, repetitions: int, seed: int, jobs: int, boxes: tuple[Expected, ...], told: Callable[[str], None]) -> list[BoxRun]:
    """Probe all boxes, `jobs` labs at a time; results in the order of `boxes`.

    Raises EnvironmentError_ where a lab cannot be stood up or the prober fails inside it. Ctrl-C takes all labs down.
    """
    began, stop = time.monotonic(), threading.Event()
    pool = ThreadPoolExecutor(max_workers=jobs)
    futures: dict[Future[BoxRun], str] = {}
    try:
        for index, expected in enumerate(boxes):
            futures[pool.submit(_probe_box, expected, folder / expected.box, database, repetitions, seed + index, stop)] = expected.box
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            busy = ", ".join(sorted(futures[f] for f in pending if f.running()))
            told(f"{len(futures) - len(pending)} of {len(futures)} boxes probed, {time.monotonic() - began:.0f} s" + (f"; at work: {busy}" if busy else ""))
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    runs = [future.result() for future in futures]
    (folder / "demo.json").write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return runs


def _probe_box(expected: Expected, folder: Path, database: Any, repetitions: int, seed: int, stop: threading.Event) -> BoxRun:
    """Stand up the box, probe through it with the ordinary command, explain both views."""
    from dpiprobe.lab.session import Lab

    side = folder.with_name(folder.name + ".server")
    with Lab(expected.box, seed=seed, body=BODY) as lab:
        with lab.capture(side, nodes=("server",)):
            _probe(lab, folder, repetitions, seed, stop)
        names = lab.allowed_name, lab.blocked_name
    (side / "server.pcapng").replace(folder / "server.pcapng")
    shutil.rmtree(side, ignore_errors=True)
    return judge(expected, folder, database, names[1])


def _probe(lab: Any, folder: Path, repetitions: int, seed: int, stop: threading.Event) -> None:
    words = [
        sys.executable, "-m", "dpiprobe", "probe", lab.server, "--name", lab.blocked_name, "--control", lab.allowed_name, "--handshake",
        "--get", f"/bytes/{BODY}", "--repetitions", str(repetitions), "--rate", "2", "--wait", "10", "--timeout", "8", "--seed", str(seed),
        "--vantage", "lab", "--out", str(folder), "--json",
    ]  # fmt: skip
    process = lab.popen("client", words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process.stderr:
        tail = _last_words(process.stderr)
        while (code := process.poll()) is None:
            if stop.wait(0.1):
                process.kill()
                raise EnvironmentError_("the demonstration was stopped; run it again")
    if code:
        raise EnvironmentError_(f"the prober failed inside the lab (exit {code}): {tail()}; 'dpiprobe doctor' says what this machine lacks")


def _last_words(stream: Any) -> Callable[[], str]:
    """Keep reading a stream in the background, so that its writer never blocks; the last line is what is told."""
    lines: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in stream:
                lines[:] = [*lines[-20:], line]

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def last() -> str:
        thread.join(2)
        return (lines[-1] if lines else b"nothing said").decode("utf-8", "replace").strip()

    return last


def judge(expected: Expected, folder: Path, database: Any, name: str) -> BoxRun:
    """Explain the captures of one box, the client's alone and both ends', and only then compare with what the box is."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.explain import explain
    from dpiprobe.plan.comment import plan_in

    near = read_capture(folder / "capture.pcapng", name=str(folder / "capture.pcapng"))
    far = read_capture(folder / "server.pcapng", name=str(folder / "server.pcapng"))
    plan = plan_in(near.comments)
    one = explain(near, database=database, plan=plan)
    two = explain(near, database=database, plan=plan, server_side=far)
    other = {(n.server, n.server_name): n for n in two.names}
    run = BoxRun(expected.box, str(folder))
    for verdict in one.names:
        both = other[verdict.server, verdict.server_name]
        if verdict.server_name == name or verdict.verdict != "ok" or both.verdict != "ok":
            run.rows.append(_row(expected, one, two, verdict, both))
    run.rows.sort(key=lambda row: row.name != name)
    run.right, run.miss = _compare(expected, run.rows, name, one, two)
    return run


def _row(expected: Expected, one: Any, two: Any, verdict: Any, both: Any) -> Row:
    """One name in both views; technique and packets are the client's where it has them."""
    from dpiprobe.cases.evidence import evidence_of

    lead = verdict.lead
    flows, observed = one.flows, one.observed
    finding = next((e for e in lead.evidence if e.sufficient), None) or next(iter(lead.evidence), None)
    slots = sorted(finding.slots) if finding else []
    reaction = None
    server = [s for s in slots if flows.origin[s] != 0]
    hello = int(flows.hello[lead.flow])
    if server and hello >= 0 and finding is not None and finding.technique.split(".")[0] in ("rst", "fin", "data", "icmp"):
        reaction = flows.time(server[0]) - flows.time(int(flows.hello_done[lead.flow]) if flows.hello_done[lead.flow] >= 0 else hello)
    rtt = int(observed.server_rtt[lead.flow])
    shown = [flows.number(s) for s in slots]
    if not shown and (lead.technique or both.lead.technique):  # no finding, yet a signature whose clauses hold: those packets are to be looked at
        told = {record["flow"]: record for e in (two, one) for record in e.records if record["kind"] == "flow"}
        shown = evidence_of(told[lead.flow + 1])
    return Row(
        expected.box, expected.says, verdict.server_name or "(no name sent)", verdict.verdict, both.verdict,
        lead.technique or both.lead.technique, lead.signature or both.lead.signature, both.lead.position, verdict.trials,
        reaction, rtt if rtt > 0 else None, shown, lead.flow + 1, (verdict.reasons or [""])[0], lead.because,
    )  # fmt: skip


def _compare(expected: Expected, rows: list[Row], name: str, one: Any, two: Any) -> tuple[bool, str]:
    """Whether the table tells what the box is; else the first thing that it tells wrongly."""
    row = next((r for r in rows if r.name == name), None)
    if row is None:
        return False, f"no verdict on {name}"
    if row.verdict not in expected.client:
        return False, f"client's view {row.verdict}, expected {' or '.join(sorted(expected.client))}"
    if row.both_ends not in expected.both:
        return False, f"both ends' view {row.both_ends}, expected {' or '.join(sorted(expected.both))}"
    if row.technique != expected.technique:
        return False, f"technique {row.technique}, expected {expected.technique}"
    if row.signature != expected.signature:
        return False, f"signature {row.signature}, expected {expected.signature}"
    shown = {t for explanation in (one, two) for j in explanation.judgements for t in j.techniques}
    for technique in expected.also:
        if technique not in shown:
            return False, f"{technique} was not seen"
    allowed = {expected.technique, *expected.also}
    for explanation in (one, two):
        wrong = [j for j in explanation.judgements if j.verdict in ("blocked", "contested") and j.technique not in allowed]
        if wrong:
            return False, f"flow {wrong[0].flow + 1} is called {wrong[0].technique}"
    return True, ""
