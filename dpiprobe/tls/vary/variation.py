"""What a variation is, and how several are carried out on one hello.

Alone responsible for the shape `Variation`, its parameters as text, and the order in which variations act: the hello first, then the records
that carry it, then the TCP segments.

Rules of this file:
- A variation is a pure function of the hello and its parameters: what has to look random is drawn from the hello's own random. Two hellos
  that differ in the name alone therefore stay alike but for the name.
- A generator never does less than it says: a hello that it cannot be done on is the caller's error (UsageError).
- Two variations that decide the same thing are refused.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dpiprobe.errors import UsageError
from dpiprobe.tls.hello import ClientHello, build, parse
from dpiprobe.tls.sending import Sending, whole

Value = str | int | float | bool | tuple[int, ...]
Stage = Literal["hello", "records", "segments"]
"""hello: changes the message · records: changes how records carry it, or what stands before · segments: changes how TCP carries the bytes"""
STAGES: tuple[Stage, ...] = ("hello", "records", "segments")


@dataclass(frozen=True, slots=True)
class Variation:
    """One named change.

    name: stable · group: the file it stands in · tests: one sentence · make: (hello, **parameters) -> ClientHello, or Sending for `segments`
    parameters: their values here; `with_parameters` gives others
    decides: what it decides, with commas; two variations that decide the same thing exclude each other
    source: where it was published
    """

    name: str
    group: str
    tests: str
    make: Callable[..., ClientHello | Sending]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    stage: Stage = "hello"
    decides: str = ""
    source: str = "dpiprobe"

    def with_parameters(self, text: str) -> Variation:
        """The same with parameters from `key=value;key=value`. UsageError where a key is unknown or a value of the wrong kind."""
        values = dict(self.parameters)
        for part in text.split(";"):
            key, equals, value = part.partition("=")
            key = key.strip()
            if key not in values or not equals:
                known = ", ".join(f"{k}={written(v)}" for k, v in self.parameters.items()) or "none"
                raise UsageError(f"{self.name} does not take {part!r}; its parameters are {known}")
            values[key] = _read(value, values[key], f"{self.name}: {key}")
        return replace(self, parameters=values)

    @property
    def recipe(self) -> str:
        """The name with its parameters, as `find` reads it."""
        told = ";".join(f"{k}={written(v)}" for k, v in self.parameters.items())
        return f"{self.name}:{told}" if told else self.name


@dataclass(frozen=True, slots=True)
class Varied:
    """What variations made of a hello: the hello itself, and what goes on the wire."""

    hello: ClientHello
    sending: Sending


def apply(hello: ClientHello, variations: Sequence[Variation] = ()) -> Varied:
    """Carry the variations out on a hello. UsageError where they exclude each other or one of them cannot be done on it."""
    check_together(variations)
    sending: Sending | None = None
    for variation in sorted(variations, key=lambda v: STAGES.index(v.stage)):
        if variation.stage == "segments" and not hello.records:
            raise UsageError(f"{variation.name} changes TCP segments and this hello is QUIC's; leave it out, or choose another client")
        made = variation.make(hello, **variation.parameters)
        if isinstance(made, Sending):
            sending = made
            hello = parse(made.stream) or hello
        else:
            hello = made
    return Varied(hello, sending if sending is not None else whole(build(hello)))


def check_together(variations: Sequence[Variation]) -> None:
    """UsageError where two of them decide the same thing."""
    decided: dict[str, str] = {}
    for variation in variations:
        for thing in filter(None, variation.decides.split(", ")):
            if thing in decided:
                raise UsageError(f"{decided[thing]} and {variation.name} both decide the {thing}; give one of them")
            decided[thing] = variation.name


def find(recipe: str, known: Mapping[str, Variation]) -> Variation:
    """The variation that `name` or `name:key=value;key=value` asks for."""
    name, colon, text = recipe.partition(":")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "'dpiprobe hello list' prints them"
        raise UsageError(f"there is no variation {name!r}; {hint}")
    return known[name].with_parameters(text) if colon else known[name]


def written(value: Value) -> str:
    """A parameter as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join([str(v) for v in value]) if isinstance(value, tuple) else str(value)


def _read(text: str, like: Value, where: str) -> Value:
    """Text as a value of the kind of `like`."""
    try:
        if isinstance(like, bool):
            return {"yes": True, "no": False}[text]
        if isinstance(like, int):
            return _whole(text)
        if isinstance(like, float):
            return _seconds(text)
        if isinstance(like, tuple):
            return tuple([_whole(part) for part in text.split(",")])
    except (ValueError, KeyError):
        kind = "yes or no" if isinstance(like, bool) else "numbers with commas" if isinstance(like, tuple) else "a number"
        kind = "a number of seconds, 0 or more," if isinstance(like, float) else kind
        raise UsageError(f"{where} is {text!r}; {kind} is meant, for example {written(like)}") from None
    return text


def _whole(text: str) -> int:
    """A whole number that can be a place or a length in a handshake message, whose own length has three bytes (RFC 8446 section 4)."""
    number = int(text, 0)
    if abs(number) >= 1 << 24:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    """A pause, the only thing that is no whole number."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError
    return number
