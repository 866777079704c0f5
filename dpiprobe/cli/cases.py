"""`dpiprobe cases run|list|new`: recorded cases and the verdict each must keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dpiprobe.cli.judge import load_signatures
from dpiprobe.cli.voice import voice
from dpiprobe.errors import DpiprobeError, InputError, UsageError

if TYPE_CHECKING:
    from dpiprobe.cases.case import Case

FOLDER = click.option("--pcaps", "folder", metavar="DIR", help="Where the cases are; pcaps/ unless given.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a case.")

EXPECT = """\
# What must come out; `dpiprobe cases run {name}` compares. Only what stands here is compared. Write what the rules (docs/verdicts.md) say, and why.
about: TODO, one sentence that says what this case shows.
flows:
{flows}
"""
FLOWS = """\
  "1": {server_name: allowed.example, verdict: ok}
  "2": {server_name: blocked.example, verdict: blocked, technique: rst.on-path}"""

MAKE = '''\
"""TODO: what this capture shows, and where its figures are from."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="{name}")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=3, ttl=47, ipid=4711)
    talk.acknowledge(47).answer()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
'''


@click.group()
def cases() -> None:
    """Recorded cases and the verdict each must keep.

    \b
    Examples:
      dpiprobe cases run
      dpiprobe cases run gfw-triple --json
      dpiprobe cases new match/my-device
    """


@cases.command("list")
@FOLDER
@JSON
def list_(folder: str | None, as_json: bool) -> None:
    """List the cases: family, name, and what each shows."""
    from dpiprobe.report.jsonl import line

    found = _cases(folder)
    for case in found:
        if as_json:
            click.echo(line({"family": case.family, "case": case.name, "about": case.about, "capture": str(case.capture)}))
        else:
            click.echo(f"{case.family:<10} {case.name:<32} {case.about}")


@cases.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@FOLDER
@click.option("--signatures", "signatures", metavar="DIR", help="A folder of signatures instead of those that come with dpiprobe.")
@JSON
@click.pass_context
def run(ctx: click.Context, names: tuple[str, ...], folder: str | None, signatures: str | None, as_json: bool) -> None:
    """Explain the cases and compare each stage (capture, flows, observations, matches, verdicts) with what must come out; exit 1 where one
    does not hold."""
    from dpiprobe.cases.compare import Result, run_case
    from dpiprobe.report.jsonl import line
    from dpiprobe.report.printable import printable

    found = _cases(folder)
    unknown = [name for name in names if name not in {case.name for case in found}]
    if unknown:
        raise UsageError(f"there is no case {unknown[0]!r}; 'dpiprobe cases list' has them all")
    chosen = [case for case in found if not names or case.name in names]
    database = load_signatures(signatures)
    speak = voice(ctx)
    failed = 0
    for index, case in enumerate(chosen):
        speak.progress(f"case {index + 1} of {len(chosen)}: {case.name}")
        try:
            result = run_case(case, database)
        except DpiprobeError as wrong:
            result = Result(case, [str(wrong)])
        failed += not result.holds
        if as_json:
            click.echo(line({"family": case.family, "case": case.name, "holds": result.holds, "stage": result.stage, "differences": result.differences}))
        elif not result.holds:
            speak.done()
            click.echo(f"{case.family}/{case.name}: {case.about}")
            for difference in result.differences:
                click.echo(f"  {printable(difference)}")
            if result.stage is not None:
                click.echo(f"  the first stage that differs: {result.stage}; what stands below it may follow from it")
    speak.done()
    if not as_json:
        click.echo(f"{len(chosen) - failed} of {len(chosen)} cases hold" + (f", {failed} do not" if failed else ""))
    ctx.exit(1 if failed else 0)


@cases.command()
@click.argument("case", metavar="FAMILY/NAME")
@click.option("--from", "capture", metavar="CAPTURE", help="Start from this capture instead of a script that builds one.")
@FOLDER
def new(case: str, capture: str | None, folder: str | None) -> None:
    """Make the folder of a new case, with an expectation to fill in and a script (or an ORIGIN.md) to complete."""
    import shutil
    import sys

    from dpiprobe.cases.case import FAMILIES, default_folder

    family, slash, name = case.partition("/")
    if not slash or family not in FAMILIES or not name or "/" in name or name != name.lower():
        raise UsageError(f"a case is named FAMILY/name in lower case, and families are {', '.join(FAMILIES)}; {case!r} is not")
    place = (_folder(folder) or default_folder()) / family / name
    if place.exists():
        raise UsageError(f"{place} is there already; choose another name")
    if capture is not None and not Path(capture).is_file():
        raise InputError(f"there is no file {capture}; name a capture")
    place.mkdir(parents=True)
    (place / "expect.yaml").write_text(EXPECT.format(name=name, flows=FLOWS if capture is None else _flows_of(capture)))
    if capture is None:
        (place / "make.py").write_text(MAKE.format(name=name))
        click.echo(f"{place}: complete make.py, build with `{sys.executable} {place / 'make.py'}`, then fill in expect.yaml", err=True)
    else:
        endings = "".join(suffix for suffix in Path(capture).suffixes[-2:] if suffix in (".pcap", ".pcapng", ".gz")) or ".pcap"
        shutil.copyfile(capture, place / f"test{endings}")
        (place / "ORIGIN.md").write_text("TODO: who recorded it, where, when, how, and under which licence.\n")
        click.echo(f"{place}: say in ORIGIN.md where it is from, then fill in expect.yaml", err=True)
    click.echo(str(place))


def _flows_of(capture: str) -> str:
    """The flows of a capture as lines of an expectation: what a person has to judge, and beside it what is said today."""
    from dpiprobe.cli.judge import explain_file
    from dpiprobe.report.printable import printable

    lines = []
    for record in explain_file(capture, database=load_signatures(None)).records:
        if record.get("kind") == "flow":
            named = f"server_name: {json.dumps(name)}, " if (name := record.get("server_name")) else ""
            today = ", ".join(f"{key} {record[key]}" for key in ("outcome", "verdict", "technique", "signature") if record.get(key))
            lines.append(f'  "{record["flow"]}": {{{named}verdict: TODO}}   # today: {printable(today)}')
    return "\n".join(lines) or "  {}"


def _cases(folder: str | None) -> list[Case]:
    """All cases; where some do not read, each problem on a line of its own first."""
    from dpiprobe.cases.case import CasesWrong, load_cases
    from dpiprobe.report.printable import printable

    try:
        return load_cases(_folder(folder))
    except CasesWrong as wrong:
        for problem in wrong.problems:
            click.echo(printable(problem), err=True)
        raise


def _folder(folder: str | None) -> Path | None:
    return None if folder is None else Path(folder)
