"""How the trials of a run are laid out: names x repetitions between controls, in random but recorded order.

Rules of this file:
- Pure: the seed decides everything that looks random; the same arguments give the same plan.
- Every test trial stands between two controls, so that each failure has a control that ended before it and one that began after it
  (section 4 (b) of the design), and so that punishment left over from a test is met by a control and not by the next test. A spare
  control at the end is run only where the last one was met by such punishment.
- Each test has a random name of equal length beside it: a server that refuses whatever it does not know refuses both.
- Hellos that are compared have equal length and the same bytes but for the name: by the same seed, and by `name_room`, the length
  that a name fills up to with the padding extension (RFC 7685).
"""

from __future__ import annotations

import random  # noqa: TID251 - only `random.Random(seed)`, whose numbers are the plan's own arguments
import shlex
from collections.abc import Sequence

from dpiprobe.errors import UsageError
from dpiprobe.plan.plan import Pace, Plan, Role, Setting, Trial, Way
from dpiprobe.tls.craft import equal_length_name
from dpiprobe.tls.recipe import BUILTIN, Recipe

MOST_TRIALS = 1500
"""A plan holds one source port and one descriptor a trial, and two instructions a trial in the capture filter (the kernel takes 4096)."""

_LONGEST_COMMON_NAME = 64  # RFC 5280 appendix A.1: ub-common-name
_LONGEST_NAME, _LONGEST_LABEL = 253, 63  # RFC 1035 section 2.3.4, less the length byte and the root


def design(
    server: str,
    names: Sequence[str],
    *,
    control: str | None,
    repetitions: int,
    seed: int,
    target: str | None = None,
    way: Way = "hello",
    get: str | None = None,
    pace: Pace | None = None,
    client: str = BUILTIN,
    vary: Sequence[str] = (),
    client_certificate: str | None = None,
) -> Plan:
    """Lay out a run against one endpoint (`address:port`).

    names: the names in question · control: a name known to be served there, or None (the random names are then the only controls)
    seed: any integer · way, get: see `Plan`
    client, vary: whose hello, and how varied (`tls.recipe.Recipe`); both need the way `hello`
    client_certificate: common name of a certificate for a server that asks for one; needs the way `handshake`. Raises UsageError for what cannot be meant.
    """
    names = [checked_name(name) for name in names]
    control = checked_name(control) if control is not None else None
    if not names:
        raise UsageError("no name to test; give at least one with --name")
    if len(set(names)) != len(names):
        raise UsageError("a name is given twice; give each --name once and raise --repetitions instead")
    if control in names:
        raise UsageError(f"{control} is both tested and the control; choose a control that is known to be served there")
    if repetitions < 1:
        raise UsageError(f"{repetitions} repetitions are none; give at least 1")
    slots = (3 if control is not None else 2) * len(names) * repetitions + 2
    if slots > MOST_TRIALS:
        raise UsageError(f"{slots} connections are more than one run takes ({MOST_TRIALS}); give fewer names or repetitions")
    if get is not None and (client != BUILTIN or vary):
        raise UsageError("a page is fetched by this machine's TLS library alone; leave out --get, or --client and --vary")
    asked = _asked_hello([*names, *((control,) if control is not None else ())], client, vary, way)
    if client_certificate is not None:
        if asked:
            raise UsageError("a client certificate is given by this machine's TLS library alone; leave it out, or --client and --vary")
        asked["client_certificate"] = _checked_common_name(client_certificate, way)
    rng = random.Random(seed)
    room = max(len(name) for name in (*names, control or ""))
    seeds = {name: rng.getrandbits(48) for name in names}
    decoys = {name: _fresh_name(name, {*names, control or ""}, rng) for name in names}

    trials: list[Trial] = []

    def add(role: Role, name: str, like: str, *, spare: bool = False) -> None:
        settings: dict[str, Setting] = {"pair": names.index(like) + 1, "hello_seed": seeds[like], "name_room": room, **asked}
        if spare:
            settings["spare"] = True
        trials.append(Trial(len(trials) + 1, role, name, server, settings=settings))

    last = names[0]
    for _ in range(repetitions):
        for name in rng.sample(names, len(names)):
            last = name
            # Before the test its controls in random order; after it those of the next test, or the last control.
            before: list[Role] = ["control", "random-control"] if control is not None else ["random-control"]
            for role in rng.sample(before, len(before)):
                add(role, control if role == "control" and control is not None else decoys[name], name)
            add("test", name, name)
    for spare in (False, True):
        if control is not None:
            add("control", control, last, spare=spare)
        else:
            add("random-control", decoys[last], last, spare=spare)
    return Plan(
        server=server,
        target=target if target is not None else server,
        names=tuple(names),
        controls=(*((control,) if control is not None else ()), *decoys.values()),
        repetitions=repetitions,
        seed=seed,
        way=way,
        get=get,
        pace=pace if pace is not None else Pace(),
        trials=tuple(trials),
    )


def _asked_hello(names: Sequence[str], client: str, vary: Sequence[str], way: Way) -> dict[str, str]:
    """The settings that say whose hello is sent and how it is varied, once it is known that it can be made for all names, and sent."""
    if client == BUILTIN and not vary:
        return {}
    for name in names:
        made = Recipe(client, name, vary).make()
        if way == "handshake" and (made.hello.stopped_at or any(s.urgent for s in made.sending.segments)):
            raise UsageError(f"a handshake cannot be finished from this hello ({shlex.join(vary)}); leave --handshake out")
        if not made.hello.records:
            raise UsageError(f"{client} speaks QUIC, and a live run speaks TLS over TCP; choose another client")
        if not made.sending.in_order:
            odd = next(text for text in vary if not Recipe(client, name, [text]).make().sending.in_order)
            raise UsageError(f"{odd} needs a sender of raw packets, which a live run is not; choose another, or build it with hello build --pcap")
    return {**({"client": client} if client != BUILTIN else {}), **({"vary": shlex.join(vary)} if vary else {})}


def _checked_common_name(text: str, way: Way) -> str:
    if way != "handshake":
        raise UsageError("a client certificate is part of a whole handshake; add --handshake")
    if not 1 <= len(text) <= _LONGEST_COMMON_NAME or not text.isprintable():
        raise UsageError(f"{text!r} is no common name of a certificate; give 1 to {_LONGEST_COMMON_NAME} printable characters")
    return text


def checked_name(name: str) -> str:
    """The name as it goes into the server_name extension: A-labels, without the final dot (RFC 6066 section 3), case kept.

    Raises UsageError where it is no host name."""
    text = name.strip().removesuffix(".")
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            raise UsageError(f"{name!r} has no form for the wire; give its xn-- form") from None
    labels = text.split(".")
    if not text or len(text) > _LONGEST_NAME or any(not label or len(label) > _LONGEST_LABEL for label in labels):
        raise UsageError(f"{name!r} is not a host name; give one such as www.example.org")
    if not all(c.isalnum() or c in "-_." for c in text):
        raise UsageError(f"{name!r} is not a host name; give the bare name, without scheme, port or path")
    return text


def _fresh_name(name: str, taken: set[str], rng: random.Random) -> str:
    """A random name of equal length that is none of `taken` (which a very short label could hit)."""
    for _ in range(100):
        if (fresh := equal_length_name(name, rng.randbytes(8))) not in taken:
            return fresh
    raise UsageError(f"{name!r} is too short to have a random name of equal length; give a longer name")
