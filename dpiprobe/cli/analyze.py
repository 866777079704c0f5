"""`dpiprobe analyze CAPTURE...`: captures in, verdicts out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO

import click

from dpiprobe.cli.judge import explain_file, load_signatures
from dpiprobe.cli.main import one_line
from dpiprobe.cli.program import program
from dpiprobe.cli.voice import Voice, voice
from dpiprobe.errors import InputError, UsageError

WORDS = ("ok", "contested", "blocked", "down", "insufficient")


@click.command()
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: flows, then names, then the capture.")
@click.option("--interesting", is_flag=True, help="With --json: leave out flows whose verdict is ok.")
@click.option("--control", "controls", multiple=True, metavar="NAME", help="A name known to work at the same servers; may be repeated.")
@click.option("--server-side", metavar="FILE", help="A capture of the same flows, taken at the server.")
@click.option("--together", is_flag=True, help="Judge all captures as one.")
@click.option("--follow", is_flag=True, help="Print flows while a capture is still being written.")
@click.option("--signatures", "folder", metavar="DIR", help="A folder of signatures instead of those that come with dpiprobe.")
@click.option("--fail-on", multiple=True, type=click.Choice(WORDS), help="Exit 1 where any name gets this verdict; may be repeated.")
@click.option("-o", "--out", default="-", metavar="FILE", help="Where to write; '-' is standard output.")
@click.pass_context
def analyze(
    ctx: click.Context, captures: tuple[str, ...], as_json: bool, interesting: bool, controls: tuple[str, ...], server_side: str | None,
    together: bool, follow: bool, folder: str | None, fail_on: tuple[str, ...], out: str,
) -> None:
    """Explain captures: which name works, which does not, who stops it with which technique, and how sure that is.

    \b
    Examples:
      dpiprobe analyze capture.pcapng
      dpiprobe analyze *.pcap.gz --json --interesting -o records.jsonl
      tcpdump -w - port 443 | dpiprobe analyze -

    Captures are pcap or pcapng, gzip too; '-' is standard input. Each is judged by itself. Exit codes: 0 ran to the end, 1 --fail-on hit,
    2 usage, 4 a capture could not be read (the others are finished first).
    """
    _check(captures, server_side, together, follow)
    _check_names(captures, server_side, out, controls)
    speak = voice(ctx)
    database = load_signatures(folder)
    unreadable = hit = 0
    with _sink(out) as sink:
        for index, path in enumerate(captures):
            speak.progress(f"capture {index + 1} of {len(captures)}: {path}")
            try:
                explanation = explain_file(path, database=database, controls=controls, server_side=server_side)
            except InputError as wrong:
                speak.done()
                click.echo(f"dpiprobe: {one_line(str(wrong))}", err=True)
                unreadable += 1
                continue
            speak.done()
            hits: list[str] = []
            asked: set[str] = set()
            records = _watched(explanation.records, fail_on, hits, asked)
            if as_json:
                _write_json(records, sink, interesting)
            else:
                _write_table(records, sink, first=index == unreadable)
            hit += len(hits)
            _say_unused(asked, controls, explanation.partners, path, server_side, speak)
    if unreadable:
        ctx.exit(InputError.exit_code)
    ctx.exit(1 if hit else 0)


def _check(captures: tuple[str, ...], server_side: str | None, together: bool, follow: bool) -> None:
    """Refuse what cannot be meant, or is not there yet."""
    if together:
        raise UsageError("--together is not there yet; merge the captures first (mergecap -w all.pcapng ...) and analyze the result")
    if follow:
        raise UsageError("--follow is not there yet; analyze the capture when it is complete")
    if server_side is not None and len(captures) != 1:
        raise UsageError(f"--server-side belongs to one capture, and {len(captures)} are given; give one capture and its server side")
    if [*captures, server_side].count("-") > 1:
        raise UsageError("standard input can be read once; name '-' once")


def _check_names(captures: tuple[str, ...], server_side: str | None, out: str, controls: tuple[str, ...]) -> None:
    """Refuse to write over what is to be read, and a control without a name."""
    import os

    if any(not name.strip() for name in controls):
        raise UsageError("--control takes a name; give one that the servers in the capture are known to serve")
    for path in (*captures, *([server_side] if server_side else [])):
        if out != "-" and os.path.isfile(out) and os.path.exists(path) and os.path.samefile(out, path):  # noqa: PTH110, PTH113, PTH121
            raise UsageError(f"{out} is one of the captures, and writing would destroy it; give -o another name")


def _say_unused(asked: set[str], controls: tuple[str, ...], partners: int | None, path: str, server_side: str | None, speak: Voice) -> None:
    """Controls that nobody asked for, and a server side that belongs to another capture, explain nothing: that is worth a line."""
    for name in controls:
        if name.lower() not in asked:
            speak.note(one_line(f"note: no flow in {path} asks for {name!r}; this --control has no effect"))
    if partners == 0:
        speak.note(one_line(f"note: {server_side} holds no connection of {path}; is it the server's side of another capture?"))


def _watched(
    records: Iterable[Mapping[str, Any]], words: tuple[str, ...], hits: list[str], asked: set[str]
) -> Iterator[Mapping[str, Any]]:
    """The records as they are; those whose verdict is one of `words` are noted, and the names that were asked for."""
    for record in records:
        if record.get("kind") == "flow" and record.get("server_name"):
            asked.add(str(record["server_name"]).lower())
        if record.get("kind") in ("flow", "name") and record.get("verdict") in words:
            hits.append(str(record["verdict"]))
        yield record


def _write_json(records: Iterable[Mapping[str, Any]], sink: BinaryIO, interesting: bool) -> None:
    from dpiprobe.report.jsonl import lines

    if interesting:
        records = (r for r in records if r.get("kind") != "flow" or r.get("verdict") != "ok")
    for line in lines(records):
        sink.write(line.encode())
    sink.flush()


def _write_table(records: Iterable[Mapping[str, Any]], sink: BinaryIO, *, first: bool) -> None:
    from dpiprobe.report import terminal

    if sink is getattr(sys.stdout, "buffer", None):
        stream: TextIO = sys.stdout
        if not first:
            stream.write("\n")
        terminal.write(records, stream, colour=None if click.get_current_context().color is None else False, program=program())
        stream.flush()
        return
    import io

    text = io.StringIO()
    terminal.write(records, text, colour=False, program=program())
    sink.write((("" if first else "\n") + text.getvalue()).encode("utf-8", "backslashreplace"))


@contextmanager
def _sink(out: str) -> Iterator[BinaryIO]:
    """Where results go, as bytes."""
    if out == "-":
        yield sys.stdout.buffer
        return
    try:
        file = open(out, "wb")  # noqa: SIM115, PTH123 - closed below; the name is the user's own
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}; name a file in a folder that you may write to") from None
    with file:
        yield file
