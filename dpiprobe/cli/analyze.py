"""`dpiprobe analyze CAPTURE...`: captures in, verdicts out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from dpiprobe.cli.main import one_line
from dpiprobe.cli.program import program
from dpiprobe.cli.voice import Voice, voice
from dpiprobe.errors import InputError, UsageError

if TYPE_CHECKING:
    from dpiprobe.report.summary import Summary
    from dpiprobe.scale.inputs import Input
    from dpiprobe.scale.task import Form, Options, Result
    from dpiprobe.verdict.expected import Expected

WORDS = ("ok", "contested", "blocked", "down", "insufficient")
INTERNAL = 70


@click.command()
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: flows, then names, then the capture.")
@click.option("--interesting", is_flag=True, help="Leave out records of flows whose verdict is ok.")
@click.option("--control", "controls", multiple=True, metavar="NAME", help="A name known to work at the same servers; may be repeated.")
@click.option(
    "--expect-certificate", "certificates", multiple=True, metavar="[NAME=]FILE|SHA256",
    help="What a name is served with (up to TLS 1.2); another authority's is interception. May be repeated.",
)
@click.option("--server-side", metavar="FILE", help="A capture of the same flows, taken at the server.")
@click.option("--together", is_flag=True, help="Judge all captures as one, in the order of time (what one tcpdump wrote, or one host's interfaces).")
@click.option("--follow", is_flag=True, help="Print flows while a capture is still being written.")
@click.option("--signatures", "folder", metavar="DIR", help="A folder of signatures instead of those that come with dpiprobe.")
@click.option("--fail-on", multiple=True, type=click.Choice(WORDS), help="Exit 1 where any name gets this verdict; may be repeated.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes; without it, one for each core where that pays.")
@click.option("--dask", metavar="WHERE", help="Workers of a Dask cluster: tcp://HOST:PORT, or local:N for N on this machine.")
@click.option("-o", "--out", default="-", metavar="FILE|DIR", help="Where to write: a file, or a folder (s3:// too) for Parquet; '-' is stdout.")
@click.pass_context
def analyze(
    ctx: click.Context, captures: tuple[str, ...], as_json: bool, interesting: bool, controls: tuple[str, ...],
    certificates: tuple[str, ...], server_side: str | None,
    together: bool, follow: bool, folder: str | None, fail_on: tuple[str, ...], jobs: int | None, dask: str | None, out: str,
) -> None:
    """Explain captures: which name works, which does not, who stops it with which technique, and how sure that is.

    \b
    Examples:
      dpiprobe analyze capture.pcapng
      dpiprobe analyze *.pcap.gz --json --interesting -o records.jsonl
      dpiprobe analyze captures/ --jobs 8 --out results/
      tcpdump -w - port 443 | dpiprobe analyze -

    Captures are pcap or pcapng, packed too; folders are searched for them; '-' is standard input. Each is judged by itself. --out with a
    folder (it is there, or its name ends in '/' or has no extension) writes Parquet, and goes on where it was interrupted. Exit codes: 0 ran
    to the end, 1 --fail-on hit, 2 usage, 4 a capture could not be read (the others are finished first).
    """
    from dpiprobe.scale.inputs import absolute, as_one, inputs_of
    from dpiprobe.scale.run import Plan, run
    from dpiprobe.scale.task import Options, signatures

    _check(captures, server_side, together, follow, dask)
    _check_names(captures, server_side, out, controls)
    if together and _means_a_folder(out, as_json):
        raise UsageError("--together writes lines or a table; give --out a file, or merge the captures first (mergecap -w all.pcapng ...)")
    speak = voice(ctx)
    form: Form = "parquet" if _means_a_folder(out, as_json) else "lines" if as_json else "table"
    hashed = signatures(folder).hash
    given = inputs_of(captures)
    if together:
        given = [as_one(given)]
    if server_side is not None and len(given) != 1:
        raise UsageError(f"--server-side belongs to one capture, and {len(given)} are given; give one capture and its server side")
    expected = tuple(_expected(said) for said in certificates)
    options = Options(form, folder, controls, server_side, interesting, fail_on, hashed, out=absolute(out), expected=expected)
    plan = Plan(jobs, dask)
    if follow:
        from dpiprobe.cli.follow import follow as following
        from dpiprobe.scale.run import cores

        with _sink(out) as sink:
            ctx.exit(
                following(
                    sink, signatures(folder), as_json=as_json, interesting=interesting, controls=controls, fail_on=fail_on, cores=jobs or cores(),
                    speak=speak, table=lambda summary: _write_table(summary, sink, first=True),
                )
            )
    if form == "parquet":
        ctx.exit(_into_parquet(given, options, plan, as_json, speak, out))
    with _sink(out) as sink:
        writer = _Writer(sink, options, speak)
        plan.write, plan.on_done = sink.write, _progress(given, speak)
        for result in run(given, options, plan):
            writer.take(result)
        if form == "lines":
            sink.flush()
    ctx.exit(writer.code)


class _Writer:
    """Prints results as they come, and keeps what the exit code will be."""

    def __init__(self, sink: BinaryIO, options: Options, speak: Voice) -> None:
        self._sink = sink
        self._options = options
        self._speak = speak
        self._shown = False
        self._unreadable = self._hits = self._internal = 0

    def take(self, result: Result) -> None:
        """One capture: its lines or table on the sink, its error and notes on stderr."""
        self._speak.done()
        self._hits += result.hits
        if result.error is not None:
            say_error(result)
            self._unreadable += result.internal is None
            self._internal += result.internal is not None
            return
        for summary in result.summaries:
            _write_table(summary, self._sink, first=not self._shown)
            self._shown = True
        if result.text:
            self._sink.write(result.text)
        if result.spooled is not None:
            _pour(result.spooled, self._sink)
        self._notes(result)

    def _notes(self, result: Result) -> None:
        """Controls that nobody asked for, and a server side that belongs to another capture, explain nothing: that is worth a line."""
        for name in result.unused:
            self._speak.note(one_line(f"note: no flow in {result.name} asks for {name!r}; this --control has no effect"))
        if result.partners == 0:
            side = self._options.server_side
            self._speak.note(one_line(f"note: {side} holds no connection of {result.name}; is it the server's side of another capture?"))

    @property
    def code(self) -> int:
        """The exit code."""
        return INTERNAL if self._internal else InputError.exit_code if self._unreadable else 1 if self._hits else 0


def _into_parquet(given: list[Input], options: Options, plan: Any, as_json: bool, speak: Voice, out: str) -> int:
    """Bring the data set up to all of `given`, print what it comes to, and return the exit code."""
    from dpiprobe.report.jsonl import line
    from dpiprobe.report.parquet import arrow
    from dpiprobe.report.totals import totals
    from dpiprobe.scale.dataset import finish, open_dataset
    from dpiprobe.scale.run import run
    from dpiprobe.scale.store import alone

    arrow()
    errors: list[tuple[str, str]] = []
    internal = 0
    with alone(options.out):
        dataset = open_dataset(options)
        given, plan.skip = dataset.compare(given)
        if plan.skip:
            speak.note(one_line(f"{len(plan.skip):,} of {len(given):,} captures are in {out} already"))
        plan.on_done = _progress([one for one in given if one.key not in plan.skip], speak)
        for result in run(given, options, plan):
            if result.error is None:
                dataset.tally.add(result.tally)
                continue
            speak.done()
            say_error(result)
            internal += result.internal is not None
            errors.append((result.name, result.error))
        speak.done()
        summary = finish(dataset, errors)
    click.echo(line(summary) if as_json else totals(summary, out), nl=as_json)
    hits = sum(dataset.tally.names[word] + dataset.tally.flows[word] for word in options.fail_on)
    return INTERNAL if internal else InputError.exit_code if errors else 1 if hits else 0


def say_error(result: Result) -> None:
    """What is wrong with one capture, and with -v the traceback of an error of this program's own."""
    click.echo(f"dpiprobe: {one_line(str(result.error))}", err=True)
    root = click.get_current_context().find_root().obj
    if result.internal is not None and isinstance(root, int) and root > 0:
        click.echo(result.internal, err=True, nl=False)


def _progress(given: list[Input], speak: Voice) -> Any:
    """What to call with results that are there."""
    import time

    from dpiprobe.scale.progress import Progress

    progress = Progress(len(given), sum(one.size for one in given), time.monotonic())

    def done(results: list[Result]) -> None:
        progress.step(result.size for result in results)
        if progress.done < progress.total:
            speak.progress(progress.text(time.monotonic()))

    return done


def _means_a_folder(out: str, as_json: bool) -> bool:
    """Whether --out names a folder: one that is there, a bucket, or a name that ends in '/' or (without --json) has no extension."""
    from dpiprobe.scale.inputs import is_url

    if out == "-" or not out:
        return False
    if os.path.isdir(out) or is_url(out) or out.endswith("/"):  # noqa: PTH112
        return True
    base = os.path.basename(out)  # noqa: PTH119
    return not as_json and "." not in base.lstrip(".") and not os.path.lexists(out)


def _check(captures: tuple[str, ...], server_side: str | None, together: bool, follow: bool, dask: str | None) -> None:
    """Refuse what cannot be meant, or is not there yet."""
    if together and (follow or dask or server_side):
        other = "--follow" if follow else "--dask" if dask else "--server-side"
        raise UsageError(f"--together and {other} do not go together; merge the captures first (mergecap -w all.pcapng ...) and analyze the result")
    if follow:
        from dpiprobe.cli.follow import check

        check(captures, server_side, dask)
    if server_side is not None and len(captures) != 1:
        raise UsageError(f"--server-side belongs to one capture, and {len(captures)} are given; give one capture and its server side")
    if [*captures, server_side].count("-") > 1:
        raise UsageError("standard input can be read once; name '-' once")
    if dask is not None and "-" in (*captures, server_side):
        raise UsageError("a cluster cannot read this machine's standard input; save the capture where the workers see it")


def _check_names(captures: tuple[str, ...], server_side: str | None, out: str, controls: tuple[str, ...]) -> None:
    """Refuse to write over what is to be read, and a control without a name."""
    if any(not name.strip() for name in controls):
        raise UsageError("--control takes a name; give one that the servers in the capture are known to serve")
    for path in (*captures, *([server_side] if server_side else [])):
        if out != "-" and os.path.isfile(out) and os.path.exists(path) and os.path.samefile(out, path):  # noqa: PTH110, PTH113, PTH121
            raise UsageError(f"{out} is one of the captures, and writing would destroy it; give -o another name")


def _expected(said: str) -> Expected:
    """`[NAME=]FILE|SHA256` as what it stands for."""
    from dpiprobe.verdict.expected import expected_of, looks_like_hash

    name, equals, value = said.rpartition("=")
    if equals and not name.strip():
        raise UsageError(f"--expect-certificate {said} names nobody before '='; write NAME=FILE, or the file alone")
    if looks_like_hash(value):
        return expected_of(value, name or None)
    try:
        with open(value, "rb") as file:  # noqa: PTH123
            return expected_of(file.read(1 << 20), name or None, value)
    except OSError as problem:
        raise UsageError(f"--expect-certificate takes a file or a SHA-256 of 64 hexadecimal digits, and {value} is neither: {problem.strerror}") from None


def _pour(spooled: str, sink: BinaryIO) -> None:
    """Lines that a worker left in a file."""
    import shutil

    with open(spooled, "rb") as file:  # noqa: PTH123
        shutil.copyfileobj(file, sink, 1 << 20)
    os.unlink(spooled)  # noqa: PTH108


def _write_table(summary: Summary, sink: BinaryIO, *, first: bool) -> None:
    from dpiprobe.report import terminal

    if sink is getattr(sys.stdout, "buffer", None):
        stream = sys.stdout
        if not first:
            stream.write("\n")
        terminal.write_summary(
            summary, stream, screen=stream.isatty(), colour=click.get_current_context().color is None, program=program()
        )
        stream.flush()
        return
    import io

    text = io.StringIO()
    terminal.write_summary(summary, text, colour=False, program=program())
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
