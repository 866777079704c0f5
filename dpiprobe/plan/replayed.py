"""A recorded hello sent again: how a plan holds it, what goes on the wire for a name, and how such a run is laid out.

Alone responsible for trials with the setting `recorded`: the hello's stream (base64), `cuts` (offsets, with commas) and `delays` (seconds before each
piece but the first), `source` (in words).

Rules of this file:
- Pure. For the recorded name the recorded bytes are sent, whatever they are; for another name `tls.rename.with_name` puts it in, and cuts behind
  the name move with what follows it. Random and session id stay as recorded.
- The plan is that of `design`, one hello after the other: every test between two controls, a random name of equal length beside it.
- A hello is never padded to the length of another: it would not be the recorded client's any more.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from dpiprobe.errors import InputError, UsageError
from dpiprobe.plan.design import MOST_TRIALS, design
from dpiprobe.plan.plan import Pace, Plan, Setting, Trial
from dpiprobe.tls.hello import ClientHello, build, parse
from dpiprobe.tls.position import resolve
from dpiprobe.tls.rename import with_name
from dpiprobe.tls.sending import Segment, Sending

MOST_DELAY = 5.0
"""Seconds between two pieces at most; half of what a hello may go unanswered (`Pace.answer`). Policy: a server's patience is short too."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """stream: one whole ClientHello in its records · cuts: ascending offsets where a new segment began · delays: seconds before each of those
    segments · source: where it is from, in words"""

    stream: bytes
    cuts: tuple[int, ...] = ()
    delays: tuple[float, ...] = ()
    source: str = ""

    @property
    def hello(self) -> ClientHello:
        """UsageError where the stream is not one whole ClientHello."""
        found = parse(self.stream)
        if found is None or not found.complete:
            raise UsageError(f"{self.source or 'this hello'} is not one whole ClientHello and cannot be sent again; choose another")
        return found

    def settings(self) -> dict[str, Setting]:
        """As a trial's settings."""
        return {
            "recorded": b64encode(self.stream).decode(),
            "cuts": ",".join(map(str, self.cuts)),
            "delays": ",".join(f"{delay:g}" for delay in self.delays),
            "source": self.source,
        }


def recorded_in(settings: Mapping[str, Setting]) -> Recorded | None:
    """The recorded hello of a trial; None where it has none. InputError where it is broken."""
    if "recorded" not in settings:
        return None
    try:
        return Recorded(
            b64decode(str(settings["recorded"]), validate=True),
            tuple(int(text) for text in str(settings.get("cuts") or "").split(",") if text),
            tuple(float(text) for text in str(settings.get("delays") or "").split(",") if text),
            str(settings.get("source") or ""),
        )
    except ValueError:
        raise InputError("a trial's recorded hello, its cuts or delays cannot be read; write the plan again") from None


def sending_of(recorded: Recorded, name: str) -> Sending:
    """What goes on the wire for this name."""
    hello = recorded.hello
    if name == hello.server_name:
        stream, cuts = recorded.stream, list(recorded.cuts)
    else:
        stream = build(with_name(hello, name))
        cuts = _moved(recorded.stream, stream, recorded.cuts)
    delays = [*recorded.delays, *[0.0] * (len(recorded.cuts) - len(recorded.delays))]
    waits = {cut: delay for cut, delay in zip(cuts, delays, strict=False) if 0 < cut < len(stream)}
    edges = [0, *sorted(waits), len(stream)]
    return Sending(tuple(Segment(stream[a:b], a, waits.get(a, 0.0)) for a, b in pairwise(edges)))


def design_replay(
    server: str,
    recorded: Sequence[Recorded],
    names: Sequence[str] = (),
    *,
    control: str | None,
    repetitions: int,
    seed: int,
    target: str | None = None,
    pace: Pace | None = None,
) -> Plan:
    """Lay out a run that sends recorded hellos to one endpoint.

    names: put into each of them; without any, each asks for its own recorded name · the rest: as for `design`. UsageError for what cannot be meant."""
    plans: list[Plan] = []
    for index, one in enumerate(recorded):
        asked = list(names) or [_own_name(one)]
        part = design(server, asked, control=control, repetitions=repetitions, seed=seed + index, target=target, pace=pace)
        for name in {trial.name for trial in part.trials}:
            sending_of(one, name)  # what cannot be renamed is said before anything is sent
        plans.append(part)
    if not plans:
        raise UsageError("no recorded hello to send again; choose a capture that holds one")
    trials: list[Trial] = []
    pairs = 0
    for one, part in zip(recorded, plans, strict=True):
        for trial in part.trials:
            settings = {key: value for key, value in trial.settings.items() if key not in ("hello_seed", "name_room")}
            settings["pair"] = int(str(trial.settings["pair"])) + pairs
            trials.append(replace(trial, number=len(trials) + 1, settings={**settings, **one.settings()}))
        pairs += len(part.names)
    if len(trials) > MOST_TRIALS:
        raise UsageError(f"{len(trials)} connections are more than one run takes ({MOST_TRIALS}); choose fewer hellos, names or repetitions")
    tested = tuple(dict.fromkeys(name for part in plans for name in part.names))
    controls = tuple(dict.fromkeys(name for part in plans for name in part.controls))
    if both := set(tested) & set(controls):
        raise UsageError(f"{min(both)} is both tested and the control; choose a control that none of these hellos asks for")
    return replace(plans[0], names=tested, controls=controls, trials=tuple(trials), seed=seed)


def _own_name(one: Recorded) -> str:
    name = one.hello.server_name
    if not name:
        raise UsageError(f"{one.source or 'this hello'} carries no server name; give one with --name")
    return name


def _moved(old: bytes, new: bytes, cuts: Sequence[int]) -> list[int]:
    """Cuts of the old stream in the new one: behind the name they move by what it grew, inside it they stay inside."""
    try:
        begin, end, new_end = resolve(old, "host"), resolve(old, "endhost"), resolve(new, "endhost")
    except UsageError:  # the recorded hello has no name: what stands behind moves by what was put in, and nobody can say where that is
        return list(cuts)
    return [cut if cut <= begin else min(cut, new_end - 1) if cut < end else cut + new_end - end for cut in cuts]
