"""A plan carried out: ports reserved, capture running, trials made, everything on disk, then explained like any other capture.

Rules of this file:
- The plan with its source endpoints is on disk, and in the capture, before the first packet.
- Whatever ends the run (the last trial, Ctrl-C, an error) the capture is closed in order and run.json says how far it came.
- The verdict comes from the capture alone, by the function that explains files.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpiprobe import __version__
from dpiprobe.capture.recording import Recorded, Recording
from dpiprobe.errors import UsageError
from dpiprobe.plan.comment import comments_of
from dpiprobe.plan.plan import Plan
from dpiprobe.probe.kernel import Interrupted, Outcome, endpoint_of, reserve, run_trial
from dpiprobe.probe.pacing import Past, Wait, spare_is_wanted, wait_after
from dpiprobe.probe.route import Route, Target, route_to
from dpiprobe.report.jsonl import FORMAT
from dpiprobe.run.folder import RunFolder

_STRAGGLERS = 0.3  # seconds of capture after the last connection is closed: its FINs


class Observer:
    """Told how a run goes; the base says nothing."""

    def waiting(self, wait: Wait) -> None:
        """The next trial starts after this wait."""

    def started(self, plan: Plan, number: int) -> None:
        """Trial `number` starts."""

    def ended(self, plan: Plan, outcome: Outcome) -> None:
        """A trial ended."""


@dataclass(frozen=True, slots=True)
class Conducted:
    """A run that is over. interrupted: it was ended by Ctrl-C before its last trial."""

    folder: RunFolder
    plan: Plan
    outcomes: tuple[Outcome, ...]
    recorded: Recorded
    interrupted: bool


def conduct(
    plan: Plan,
    target: Target,
    folder: RunFolder,
    *,
    interface: str | None = None,
    vantage: str | None = None,
    contact: str | None = None,
    arguments: Sequence[str] = (),
    observer: Observer | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Conducted:
    """Carry out the plan against the target and leave capture.pcapng, plan.json, trials.jsonl and run.json in the folder.

    interface: capture and connect there, whatever the route says · vantage, contact, arguments: for the record. Raises
    EnvironmentError_ where this machine cannot probe at all; an unreachable server is a result. Ctrl-C is not an exception here:
    the run ends, `interrupted` says so.
    """
    if plan.server != target.endpoint:
        raise UsageError(f"the plan is for {plan.server}, not for {target.endpoint}; make it again for this server")
    observer = observer or Observer()
    route = route_to(target, interface)
    sockets = reserve(len(plan.trials), route, target, interface)
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        plan = plan.with_clients([endpoint_of(bound) for bound in sockets])
        folder.write_plan(plan)
        record = _run_record(plan, route, vantage, contact, arguments)
        folder.write_run(record)
        ports = [int(bound.getsockname()[1]) for bound in sockets]
        recording = Recording(folder.capture, route.interface, hosts=[target.address], local_ports=ports, comments=comments_of(plan))
        try:
            for outcome in _trials(plan, sockets, target, observer, sleep):
                outcomes.append(outcome)
                _keep(folder, outcome)
                observer.ended(plan, outcome)
            sleep(_STRAGGLERS)
        except Interrupted as stop:
            outcomes.append(stop.outcome)
            _keep(folder, stop.outcome)
            interrupted = True
        except KeyboardInterrupt:
            interrupted = True
        finally:
            recorded = recording.stop()
            for outcome in outcomes:
                plan = plan.with_trial(outcome.trial)
            folder.write_plan(plan)
            folder.write_run(_ending(record, recorded, len(outcomes), interrupted))
    finally:
        for bound in sockets:
            with contextlib.suppress(OSError):
                bound.close()
    return Conducted(folder, plan, tuple(outcomes), recorded, interrupted)


def _trials(plan: Plan, sockets: Sequence[Any], target: Target, observer: Observer, sleep: Callable[[float], None]) -> Iterator[Outcome]:
    past: list[Past] = []
    began = time.monotonic()
    for trial, bound in zip(plan.trials, sockets, strict=True):
        if trial.settings.get("spare") and not spare_is_wanted(past):
            continue
        if past:
            wait = wait_after(past, plan.pace, time.monotonic() - began)
            observer.waiting(wait)
            if wait.seconds > 0:
                sleep(wait.seconds)
        observer.started(plan, trial.number)
        began = time.monotonic()
        outcome = run_trial(plan, trial, bound, target)
        past.append(Past(trial.role, outcome.worked))
        yield outcome


def _keep(folder: RunFolder, outcome: Outcome) -> None:
    trial = outcome.trial
    head = {"number": trial.number, "role": trial.role, "name": trial.name, "client": trial.client, "server": trial.server}
    folder.append_trial({**head, "start_ns": trial.start_ns, "worked": outcome.worked, **outcome.account})


def _run_record(plan: Plan, route: Route, vantage: str | None, contact: str | None, arguments: Sequence[str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": "run",
        "tool": __version__,
        "signatures": None,
        "vantage": vantage,
        "contact": contact,
        "server": plan.server,
        "target": plan.target,
        "names": list(plan.names),
        "source": route.source,
        "capture_point": {"interface": route.interface, "side": "client", "method": None, "timestamps": "kernel"},
        "clock": _clock(),
        "arguments": list(arguments),
        "start": _iso(time.time_ns()),
        "end": None,
        "trials_planned": len(plan.trials),
        "trials_run": 0,
        "interrupted": None,
        "packets": None,
        "drops": None,
    }


def _ending(record: dict[str, Any], recorded: Recorded, run: int, interrupted: bool) -> dict[str, Any]:
    return {
        **record,
        "capture_point": {**record["capture_point"], "method": "ring" if recorded.mapped else "recvmsg"},
        "end": _iso(time.time_ns()),
        "trials_run": run,
        "interrupted": interrupted,
        "packets": recorded.frames,
        "drops": recorded.dropped,
    }


def _clock() -> dict[str, Any]:
    """What is known of the wall clock: whether the kernel believes it to be synchronised, and its estimate of the error in microseconds
    (adjtimex(2)); None where that cannot be asked."""
    import ctypes

    fields = (ctypes.c_long * 64)()  # struct timex: modes, offset, freq, maxerror, esterror, status ...
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(fields)
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        return {"synchronised": None, "error_us": None}
    return {"synchronised": state != 5, "error_us": fields[3] if state != 5 else None}  # TIME_ERROR


def _iso(ns: int) -> str:
    seconds, rest = divmod(ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def default_folder(target: Target, now_ns: int) -> Path:
    """`runs/192.0.2.1-443-20260101T120000Z`: where a run goes that was given no folder."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_ns // 1_000_000_000))
    return Path("runs") / f"{target.address.replace(':', '_')}-{target.port}-{stamp}"
