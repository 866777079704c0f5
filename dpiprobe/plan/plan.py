"""What a run intends, and which connection was which trial: the plan, its trials and its JSON form `dpiprobe-plan/1`.

Rules of this file:
- A plan is plain data. It is complete before the first packet: the source endpoints are reserved first, so that the copy in the
  capture's section comment already says which flow is which trial. Only `start_ns` is filled later; nothing may depend on it.
- Trials stand in the order in which they are run; `number` counts them from 1.
- Reading is strict: an unknown key, a missing key or a value of the wrong type is an InputError that names it.
- Endpoints are text, `192.0.2.1:443` or `[2001:db8::1]:443` with the address in its canonical form (RFC 5952).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast, get_args

from dpiprobe.errors import InputError

FORMAT = "dpiprobe-plan/1"

Role = Literal["test", "control", "random-control"]
"""test: the name in question · control: a name known to be served there · random-control: a random name of the test name's length"""

ROLES: tuple[str, ...] = get_args(Role)
Way = Literal["hello", "handshake"]
"""hello: a crafted ClientHello, and what comes back · handshake: a whole TLS handshake by this machine's TLS library"""
WAYS: tuple[str, ...] = get_args(Way)
Setting = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How gently a plan is run. All in seconds.

    gap: from the start of one trial to the start of the next, at least (the inverse of the rate)
    connect: how long a SYN may go unanswered · answer: how long an acknowledged hello may go unanswered
    unacknowledged: how long at most to watch an unacknowledged hello, which ends when the capture shows three copies over three seconds
    (section 4 (b) of the design; RFC 6298 (5.5): the timer doubles, so 10 s are enough up to a first timeout of 2.4 s);
    `unacknowledged_least`: how long at least
    transfer: how long a whole exchange may take once the server has answered (a throttled page is slow, not endless)
    after_answer, after_end: how long to watch at least after the answer, and after a reset or close (three round trips where that is more)
    residual: how long to wait when a control fails right after a test, before the next trial. 180: the Great Firewall's SNI filters
    I to III and Iran's filter punish for that long (USENIX Security 2021 Bock et al.; net4people/bbs 43); Russia's TSPU up to 420
    recover: how often in a row that wait may be taken; then the plan goes on without
    """

    gap: float = 1.0
    connect: float = 8.0
    answer: float = 10.0
    unacknowledged: float = 10.0
    unacknowledged_least: float = 4.5
    transfer: float = 20.0
    after_answer: float = 0.5
    after_end: float = 1.0
    residual: float = 180.0
    recover: int = 2


@dataclass(frozen=True, slots=True)
class Trial:
    """One connection that the plan intends. `client` is the reserved source endpoint, `start_ns` the wall clock when it began
    (ns since 1970); both are None until known. `settings` is what the engine needs besides: `pair` (trials of one number are meant to
    be compared, their hellos are alike but for the name), `hello_seed`, `name_room` (length of the longest name), `client` and `vary` (whose hello, and
    how varied; words as a shell reads them), `client_certificate` (its common name), `spare` (run only where
    the control before it failed after a test)."""

    number: int
    role: Role
    name: str
    server: str
    client: str | None = None
    start_ns: int | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Names x repetitions with controls, in recorded order.

    server: the endpoint probed · target: the server as the user wrote it · names: the names in question · controls: the names of both
    kinds of control · seed: makes the order, the random names and the hellos · stop: when to end early (`never` so far)
    """

    server: str
    target: str
    names: tuple[str, ...]
    controls: tuple[str, ...]
    repetitions: int
    seed: int
    way: Way
    trials: tuple[Trial, ...]
    order: str = "random"
    stop: str = "never"
    get: str | None = None
    pace: Pace = Pace()
    format: str = FORMAT

    def with_trial(self, trial: Trial) -> Plan:
        """The plan with the trial of the same number replaced."""
        return replace(self, trials=tuple(trial if t.number == trial.number else t for t in self.trials))

    def with_clients(self, clients: Sequence[str]) -> Plan:
        """The plan with the reserved source endpoints, one a trial in order."""
        if len(clients) != len(self.trials):
            raise ValueError(f"{len(clients)} source endpoints for {len(self.trials)} trials")
        return replace(self, trials=tuple(replace(t, client=c) for t, c in zip(self.trials, clients, strict=True)))

    def to_json(self, *, indent: int | None = None) -> str:
        """The plan as one JSON object; one line unless `indent` is given. Keys stand in a fixed order."""
        ordered: dict[str, Any] = {"format": self.format}
        for f in fields(self):
            if f.name == "pace":
                ordered["pace"] = {p.name: getattr(self.pace, p.name) for p in fields(Pace)}
            elif f.name == "trials":
                ordered["trials"] = [{t.name: _plain(getattr(trial, t.name)) for t in fields(Trial)} for trial in self.trials]
            elif f.name != "format":
                ordered[f.name] = _plain(getattr(self, f.name))
        return json.dumps(ordered, indent=indent, ensure_ascii=False)


def trials_by_endpoint(plan: Plan) -> dict[tuple[str, str], Trial]:
    """Which flow was which trial: (client endpoint, server endpoint) -> trial. Trials without a source endpoint are left out."""
    return {(trial.client, trial.server): trial for trial in plan.trials if trial.client is not None}


def endpoint(address: str, port: int) -> str:
    """`192.0.2.1:443` or `[2001:db8::1]:443`; the address in canonical form, a zone (`%eth0`) dropped, as captures do not know it."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return f"[{parsed}]:{port}" if parsed.version == 6 else f"{parsed}:{port}"


def split_endpoint(text: str) -> tuple[str, int]:
    """The address and port of an endpoint's text. Raises InputError where it is none."""
    host, separator, port = text.rpartition(":")
    try:
        if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError("no port")
        bracketed = host.startswith("[") and host.endswith("]")
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
        if (address.version == 6) != bracketed:
            raise ValueError("brackets")
    except ValueError:
        raise InputError(f"{text!r} is not an endpoint; write 192.0.2.1:443 or [2001:db8::1]:443") from None
    return str(address), int(port)


def read_plan(text: str, source: str = "plan") -> Plan:
    """The plan that `to_json` wrote. `source` is named in errors. Raises InputError for anything else."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} is not JSON ({error}); give the plan.json of a run folder") from None
    table = _object(raw, source)
    if table.get("format") != FORMAT:
        raise InputError(f"{source} has the format {table.get('format')!r}, not {FORMAT}; give the plan.json of a run folder")
    values: dict[str, Any] = _checked(table, _PLAN_TYPES, source)
    values["pace"] = Pace(**_checked(_object(table["pace"], f"{source}: pace"), _PACE_TYPES, f"{source}: pace"))
    trials = tuple(_read_trial(entry, f"{source}: trials[{i}]") for i, entry in enumerate(table["trials"]))
    if [t.number for t in trials] != list(range(1, len(trials) + 1)):
        raise InputError(f"{source}: trials are not numbered 1 to {len(trials)} in order; write the plan again")
    clients = [(t.client, t.server) for t in trials if t.client is not None]
    if len(set(clients)) != len(clients):
        raise InputError(f"{source}: two trials have the same endpoints; each trial needs a source port of its own")
    for key in ("names", "controls"):
        if not all(isinstance(name, str) for name in values[key]):
            raise InputError(f"{source}: {key} must hold text only; correct it")
        values[key] = tuple(values[key])
    if values["way"] not in WAYS:
        raise InputError(f"{source}: way is {values['way']!r}; one of {', '.join(WAYS)} is meant")
    split_endpoint(values["server"])
    return Plan(**{**values, "trials": trials})


_TEXT, _MAYBE_TEXT, _WHOLE, _LIST = (str,), (str, type(None)), (int,), (list,)
_PLAN_TYPES: dict[str, tuple[type, ...]] = {
    "format": _TEXT, "server": _TEXT, "target": _TEXT, "names": _LIST, "controls": _LIST, "repetitions": _WHOLE, "seed": _WHOLE,
    "way": _TEXT, "order": _TEXT, "stop": _TEXT, "get": _MAYBE_TEXT, "pace": (dict,), "trials": _LIST,
}  # fmt: skip
_PACE_TYPES: dict[str, tuple[type, ...]] = {f.name: _WHOLE if f.name == "recover" else (int, float) for f in fields(Pace)}
_TRIAL_TYPES: dict[str, tuple[type, ...]] = {
    "number": _WHOLE, "role": _TEXT, "name": _TEXT, "server": _TEXT, "client": _MAYBE_TEXT, "start_ns": (int, type(None)), "settings": (dict,),
}  # fmt: skip


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def _object(raw: object, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise InputError(f"{where} is not a JSON object; give the plan.json of a run folder")
    return raw


def _checked(table: dict[str, Any], types: Mapping[str, tuple[type, ...]], where: str) -> dict[str, Any]:
    """The table itself, once it holds exactly the expected keys with values of the expected types (true is not a number)."""
    if missing := [key for key in types if key not in table]:
        raise InputError(f"{where}: {missing[0]} is missing; write the plan again")
    if unknown := [key for key in table if key not in types]:
        raise InputError(f"{where}: {unknown[0]!r} is not known; remove it")
    for key, expected in types.items():
        value = table[key]
        if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
            kinds = " or ".join("null" if t is type(None) else t.__name__ for t in expected)
            raise InputError(f"{where}: {key} is {value!r}; {kinds} is meant")
    return dict(table)


def _read_trial(raw: object, where: str) -> Trial:
    values = _checked(_object(raw, where), _TRIAL_TYPES, where)
    if values["role"] not in ROLES:
        raise InputError(f"{where}: role is {values['role']!r}; one of {', '.join(ROLES)} is meant")
    for key, value in values["settings"].items():
        if not isinstance(value, str | int | float | bool | type(None)):
            raise InputError(f"{where}: settings.{key} is {value!r}; text, a number, true, false or null is meant")
    split_endpoint(values["server"])
    if values["client"] is not None:
        split_endpoint(values["client"])
    return Trial(**{**values, "role": cast(Role, values["role"])})
