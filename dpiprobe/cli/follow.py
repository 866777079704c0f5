"""`dpiprobe analyze --follow -`: verdicts while the capture is still being written.

Rules of this file: the first Ctrl-C ends the reading, not the explanation. It ends `tcpdump` at the other end of the pipe as well, and what came
until then is what was asked for. A second one ends the program.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, BinaryIO

from dpiprobe.cli.main import one_line
from dpiprobe.cli.voice import Voice
from dpiprobe.errors import UsageError


def check(captures: tuple[str, ...], server_side: str | None, dask: str | None) -> None:
    """Following is for one capture that comes through a pipe."""
    if captures != ("-",) or server_side is not None or dask is not None:
        raise UsageError("--follow reads a capture that is being written from standard input; use: tcpdump -U -w - ... | dpiprobe analyze --follow -")


class Ending:
    """From here on the first interruption makes standard input end. `came`: it did."""

    def __init__(self) -> None:
        self.came = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # where it is ignored, it stays ignored
            signal.signal(signal.SIGINT, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, sys.stdin.fileno())  # a read that waits is tried again (PEP 475), and finds the end
        os.close(nothing)


def follow(
    sink: BinaryIO, database: Any, *, as_json: bool, interesting: bool, controls: tuple[str, ...], fail_on: tuple[str, ...], cores: int,
    speak: Voice, table: Callable[[Any], None],
) -> int:  # fmt: skip
    """Print flows as they settle, then what is said of the whole: final records, or the table. The exit code: 1 where `fail_on` was hit,
    130 where an interruption ended the reading."""
    from dpiprobe.partition.large import explain_large
    from dpiprobe.report.jsonl import line
    from dpiprobe.report.summary import summary_of

    def say(record: Mapping[str, Any]) -> None:
        if as_json:
            sink.write(line(record).encode() + b"\n")
            sink.flush()
        elif record["verdict"] != "ok":
            what = f"{record['verdict']} {record['server_name'] or ''} at {record['server']} {record['technique'] or ''}"
            speak.note(one_line(f"flow {record['flow']}: {what}"))

    ending = Ending()
    explanation = explain_large(
        sys.stdin.buffer, "-", database=database, controls=controls, lines=as_json, interesting=interesting, jobs=cores, follow=say
    )
    try:
        said = explanation.said
        if as_json:
            for text in explanation.lines():
                sink.write(text)
            sink.flush()
        else:
            table(summary_of(said.verdicts, said.signatures, explanation.told(), explanation.closing(short=True)))
        hits = sum(said.verdicts[word] for word in fail_on) + sum(name.verdict in fail_on for name in explanation.names)
        for name in controls:
            if name.lower() not in said.asked:
                speak.note(one_line(f"note: no flow asks for {name!r}; this --control has no effect"))
    finally:
        explanation.close()
    if ending.came:
        speak.note("interrupted; this is what came until then")
        return 130
    return 1 if hits else 0
