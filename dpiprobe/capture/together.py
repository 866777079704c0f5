"""Several captures read as one: their frames in the order of time, as `mergecap` would put them.

Rules of this file:
- Frames of one file stay in that file's order, whatever its clock says; of two files the earlier frame comes first, of equal ones that of the
  file named first. So packet numbers are those of `mergecap -w all.pcapng A B`.
- What was lost in one file is lost in the whole, with that file's name before the sentence.
- The hash is that of all files' bytes one after the other, as given (`cat A B | sha256sum`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.capture.model import Capture
from dpiprobe.capture.read import Reading, capture_of
from dpiprobe.capture.source import STEP, open_source
from dpiprobe.errors import InputError
from dpiprobe.wire.decode import Decoder, Records
from dpiprobe.wire.packets import Packets

Ints = npt.NDArray[np.int64]
SHOWN = 3
"""Names of files that the name of the whole lists; policy."""


def read_together(paths: Sequence[str]) -> Capture:
    """Read several capture files as one. Raises InputError where one of them is none."""
    with Together(paths) as reading:
        decoder = Decoder()
        for batch in reading.frames():
            decoder.append(batch)
        return reading.capture(decoder, decoder.finish())


def name_of(names: Sequence[str]) -> str:
    """What several captures are called as one."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return " + ".join(names[:SHOWN]) + more


@dataclass(slots=True)
class _Head:
    """One file: its reading, and those of its frames that still wait. keys: by what time each frame is due, never falling"""

    reading: Reading
    batches: Iterator[Records]
    waiting: Records
    keys: Ints
    latest: int = -(1 << 62)
    ended: bool = False

    def fill(self) -> None:
        """Take the next frames where none wait."""
        while not self.ended and not len(self.keys):
            batch = next(self.batches, None)
            if batch is None:
                self.ended = True
                return
            times = np.asarray(batch.times, np.int64)
            if len(times):
                self.waiting = batch
                self.keys = np.maximum(np.maximum.accumulate(times), self.latest)
                self.latest = int(self.keys[-1])

    def take(self, count: int) -> Records:
        """Let the first so many go."""
        whole = self.waiting
        gone, stay = ((whole.starts[part], whole.ends[part], whole.links[part], whole.times[part]) for part in (slice(count), slice(count, None)))
        self.waiting, self.keys = Records(whole.buf, *stay), self.keys[count:]
        return Records(whole.buf, *gone)


class Together:
    """Several captures while they are read; used as `capture.read.Reading` is."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.name = name_of(paths)
        self._paths = list(paths)
        self._readings: list[Reading] = []
        for path in paths:
            try:
                self._readings.append(Reading(open_source(path)))
            except InputError:
                self._close()
                raise

    def frames(self) -> Iterator[Records]:
        """Batches of frames, in the order of time. Raises InputError where a file is no capture."""
        heads = [_Head(reading, reading.frames(), Records(b"", [], [], [], []), np.empty(0, np.int64)) for reading in self._readings]
        while True:
            for head in heads:
                head.fill()
            open_ones = [(place, head) for place, head in enumerate(heads) if len(head.keys)]
            if not open_ones:
                return
            due, pace = min((head.latest, place) for place, head in open_ones)  # later frames of that file may be due as soon
            parts: list[Records] = []
            keys: list[Ints] = []
            for place, head in open_ones:
                count = int(np.searchsorted(head.keys, due, "right" if place <= pace else "left"))
                if count:
                    keys.append(head.keys[:count])
                    parts.append(head.take(count))
            yield _merged(parts, np.concatenate(keys))

    def capture(self, decoder: Decoder, packets: Packets, hashed: bool = True) -> Capture:
        """What was read, once all are at their end. `hashed`: else the hash stays empty, and `sha256` is asked for later."""
        accounts = [(path, reading.account, reading.stream) for path, reading in zip(self._paths, self._readings, strict=True)]
        damage = [f"{path}: {sentence}" for path, account, stream in accounts for sentence in account.damage + stream.damage]
        drops = sum(account.drops for _, account, _ in accounts)
        comments = list(dict.fromkeys(comment for _, account, _ in accounts for comment in account.comments))
        return capture_of(self.name, self.sha256() if hashed else "", decoder, packets, damage, drops, comments)

    def sha256(self) -> str:
        """The hash of all files' bytes, which are read for it once more."""
        whole = hashlib.sha256()
        for path in self._paths:
            try:
                with open(path, "rb") as file:  # noqa: PTH123 (as everywhere here, a name as given)
                    while data := file.read(STEP):
                        whole.update(data)
            except OSError as error:
                raise InputError(f"{path} cannot be read again for its hash: {error.strerror or error}; leave it where it is until the run ends.") from None
        return whole.hexdigest()

    def _close(self) -> None:
        for reading in self._readings:
            reading.stream.close()

    def __enter__(self) -> Together:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._close()
        if isinstance(error, MemoryError):
            raise InputError(f"{self.name} needs more memory than there is; cut the captures into parts with 'editcap -c 1000000'.") from None


def _merged(parts: list[Records], keys: Ints) -> Records:
    """The frames of several batches in the order of their keys; of equal ones those of the earlier batch first."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(keys, kind="stable")
    base = np.cumsum([0, *(len(part.buf) for part in parts[:-1])])

    def column(name: str, lift: bool = False) -> list[int]:
        pieces = [np.asarray(getattr(part, name), np.int64) + (at if lift else 0) for part, at in zip(parts, base.tolist(), strict=True)]
        ordered: list[int] = np.concatenate(pieces)[order].tolist()
        return ordered

    return Records(b"".join(part.buf for part in parts), column("starts", True), column("ends", True), column("links"), column("times"))
