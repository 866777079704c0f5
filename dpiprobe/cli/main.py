"""The command `dpiprobe`: which commands there are, and what a process says and returns when it ends.

Rules of this file:
- It imports nothing heavy; a command's module is loaded when that command is called, and the help of the whole needs none of them.
- stdout carries data only. Whatever goes wrong is one line on stderr that says what to do next, and an exit code:

      0 ran to the end            1 a check failed, or --fail-on hit     2 usage          3 environment (privilege, tool)
      4 unreadable input         70 internal error                     130 interrupted

- A reader that has had enough (`dpiprobe analyze x.pcap --json | head`) is no error.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from dpiprobe import __version__
from dpiprobe.errors import DpiprobeError, EnvironmentError_, SignatureError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("dpiprobe.cli.demo:demo", "The whole job in a lab on this machine: boxes, probes, verdicts."),
    "analyze": ("dpiprobe.cli.analyze:analyze", "Explain captures: who stops which name, how, and how sure that is."),
    "show": ("dpiprobe.cli.show:show", "Draw one flow as a ladder, its evidence marked."),
    "hello": ("dpiprobe.cli.hello:hello", "ClientHellos: build, read, list, extract and compare them, byte for byte."),
    "probe": ("dpiprobe.cli.probe:probe", "Probe a server with names and controls; write a run folder."),
    "replay": ("dpiprobe.cli.replay:replay", "Send recorded ClientHellos again, for this name or another."),
    "lab": ("dpiprobe.cli.lab:lab", "Networks with a censor on the path, in namespaces of this machine."),
    "signatures": ("dpiprobe.cli.signatures:signatures", "List, show and check the signatures; print their vocabulary."),
    "cases": ("dpiprobe.cli.cases:cases", "Recorded cases and the verdict each must keep."),
    "doctor": ("dpiprobe.cli.doctor:doctor", "What this machine can do, and what it lacks for the rest."),
    "completion": ("dpiprobe.cli.completion:completion", "Print the completion script for a shell."),
}
"""name -> (module:attribute, one line of help), in the order in which help lists them. A command whose module is absent is not listed."""

EPILOG = """\b
Examples:
  dpiprobe demo                               see it work, without root
  dpiprobe analyze capture.pcapng             explain a capture
  dpiprobe show capture.pcapng --flow 12      look at one flow
  tcpdump -w - | dpiprobe analyze - --json    records, one JSON object a line
"""


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (target, _) in COMMANDS.items() if importlib.util.find_spec(target.partition(":")[0]) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see 'dpiprobe --help' for the commands"
            raise click.UsageError(f"there is no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands without loading them; options as usual."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=COMMANDS[name][1]) for name in self.list_commands(ctx) if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, COMMANDS[name][1]) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice: tracebacks too.")
@click.version_option(__version__, prog_name="dpiprobe", message="%(prog)s %(version)s")
@click.pass_context
def group(ctx: click.Context, quiet: bool, verbose: int) -> None:
    """Who stops a TLS connection, with which technique, where on the path, and how sure that is."""
    ctx.obj = -1 if quiet else verbose
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What the operating system says where nothing more can be written."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with the exit code that the design promises."""
    _open_what_is_closed()
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code instead of ending the process."""
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        result = group.main(args=arguments, prog_name="dpiprobe", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leave:
        return int(leave.exit_code)
    except click.exceptions.NoArgsIsHelpError as wrong:
        click.echo(wrong.format_message(), err=True)
        return wrong.exit_code
    except click.ClickException as wrong:
        _say_usage(wrong)
        return wrong.exit_code
    except DpiprobeError as wrong:
        _say_error(wrong)
        return wrong.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("dpiprobe: interrupted; what was there is kept", err=True)
        return 130
    except SystemExit as left:  # click's own answer to a reader that has gone
        return 0 if _reader_has_gone() else int(left.code) if isinstance(left.code, int) else 1
    except BrokenPipeError as broken:
        return 0 if _reader_has_gone() else _say_internal(broken, arguments)
    except OSError as broken:
        return _say_full(broken) if broken.errno in FULL else _say_internal(broken, arguments)
    except MemoryError:
        _say_error(EnvironmentError_("there is not enough memory for this; cut the capture into parts with 'editcap -c 1000000'"))
        return EnvironmentError_.exit_code
    except Exception as broken:  # the last line of defence: the user gets one line, the maintainer a traceback
        return _say_internal(broken, arguments)


def _say_usage(wrong: click.ClickException) -> None:
    """click's message in this program's form: one line, then where help is."""
    hint = ""
    if isinstance(wrong, click.UsageError) and wrong.ctx is not None and "--help" not in wrong.format_message():
        hint = f" (see '{wrong.ctx.command_path} --help')"
    message = " ".join(wrong.format_message().split()).removesuffix(".")
    if message.startswith("Usage: "):  # a group without a command: its help
        click.echo(message, err=True)
        return
    message = one_line(message).replace("a valid integer range", "a whole number").replace("a valid float range", "a number")
    click.echo(f"dpiprobe: {message[:1].lower()}{message[1:]}{hint}", err=True)


def _say_error(wrong: DpiprobeError) -> None:
    if isinstance(wrong, SignatureError):
        for problem in wrong.problems:
            click.echo(problem, err=True)
        count = len(wrong.problems)
        click.echo(f"dpiprobe: {count} problem{'s' * (count != 1)} in {wrong.what}; mend what the lines above name", err=True)
        return
    click.echo(f"dpiprobe: {one_line(str(wrong))}", err=True)


def one_line(text: str) -> str:
    """A message with the names in it made safe: file names may hold line ends, escape sequences and bytes that are no text."""
    if text.isascii() and text.isprintable():
        return text
    from dpiprobe.report.printable import printable

    return printable(text)


def _say_full(broken: OSError) -> int:
    """Nothing more can be written: what was not written yet is given up, so that the interpreter does not try again at exit."""
    where = f" {one_line(os.fsdecode(broken.filename))}" if isinstance(broken.filename, str | bytes) else ""
    _say_error(EnvironmentError_(f"cannot write{where}: {broken.strerror}; make room or write elsewhere, then run it again"))
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EnvironmentError_.exit_code


def _open_what_is_closed() -> None:
    """Standard streams that were closed before the start read as empty and swallow what is written; else the next file opened would take
    their number and be written into."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            if os.open(os.devnull, os.O_RDWR) != number:  # the lowest number that is free
                continue
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115


def _say_internal(broken: BaseException, arguments: Sequence[str]) -> int:
    """An error of this program's own: one line, and the traceback where it can be picked up (on stderr with -v)."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(broken))
    short = " ".join(f"{type(broken).__name__}: {broken}".split())[:200]
    if any(a == "--verbose" or (a.startswith("-v") and set(a[1:]) == {"v"}) for a in arguments):
        click.echo(text, err=True, nl=False)
        where = "the traceback stands above"
    else:
        try:
            with tempfile.NamedTemporaryFile("w", prefix="dpiprobe-", suffix=".traceback", delete=False, encoding="utf-8") as file:
                file.write(f"dpiprobe {__version__}, Python {sys.version.split()[0]}\n{text}")
            where = f"the traceback is in {file.name}"
        except OSError:
            where = "run it again with -v for the traceback"
    click.echo(f"dpiprobe: internal error, {short}; {where}, please report it", err=True)
    return 70


def _reader_has_gone() -> bool:
    """Whether stdout is a pipe that nobody reads any more; closes it so that the interpreter does not complain at exit."""
    import select

    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone
