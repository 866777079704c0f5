"""`dpiprobe signatures list|show|check|draft|features`: what is in the signature database, and the words it is written in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpiprobe.signature.database import Database
    from dpiprobe.signature.match import Match
    from dpiprobe.signature.model import Signature

FOLDER = click.option("--signatures", "folder", metavar="DIR", help="A folder of signatures instead of those that come with dpiprobe.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def signatures() -> None:
    """List, show, check and draft signatures; print their vocabulary.

    \b
    Examples:
      dpiprobe signatures list
      dpiprobe signatures show gfw-reset-triple
      dpiprobe signatures check my-signatures/
      dpiprobe signatures draft capture.pcapng --flow 12 > new-signature.yaml
      dpiprobe signatures features
    """


@signatures.command("list")
@FOLDER
@JSON
def list_(folder: str | None, as_json: bool) -> None:
    """List the signatures, most specific first: id, technique, confidence, title."""
    for signature in _database(folder).signatures:
        if as_json:
            _line(_summary(signature))
        else:
            kind = "generic" if signature.generic else signature.group
            click.echo(f"{signature.id:<24} {signature.technique:<15} {signature.confidence:<7} {kind:<13} {signature.title}")


@signatures.command()
@click.argument("name", metavar="ID")
@FOLDER
@JSON
def show(name: str, folder: str | None, as_json: bool) -> None:
    """Show one signature: what it claims, what it looks for, and what looks like it."""
    database = _database(folder)
    signature = database.by_id.get(name)
    if signature is None:
        from dpiprobe.errors import UsageError
        from dpiprobe.signature.tombstones import read_tombstones
        from dpiprobe.signature.values import suggestion

        stone = read_tombstones(Path(database.folder))[0].get(name)
        if stone is not None:
            became = f"it is {stone.now} now" if stone.now else "nothing took its place"
            raise UsageError(f"the signature {name!r} was given up ({stone.since}: {stone.why}); {became}")
        raise UsageError(f"there is no signature {name!r}{suggestion(name, sorted(database.by_id)) or '; `dpiprobe signatures list` shows all'}")
    if as_json:
        _line(signature.to_plain())
        return
    from dpiprobe.signature.describe import describe

    for text in describe(signature):
        click.echo(text)
    for text in _kept_apart(signature, database):
        click.echo(text)


def _kept_apart(signature: Signature, database: Database) -> list[str]:
    """What keeps the signature from each of its near misses: the field that would have to change. Needs the recorded cases of a checkout."""
    from dpiprobe.cases.case import default_folder, load_cases
    from dpiprobe.cases.signature_check import run_cases
    from dpiprobe.report.near import nearest
    from dpiprobe.signature.clause import needs_context

    wanted = signature.examples.get("near_miss", [])
    if not default_folder().is_dir():
        return []
    asked = [c.name for c in (*signature.expect, *signature.any_of) if needs_context(c)]
    out, killing = [], [c.name for c in signature.rule_out]
    elsewhere = " or ".join(
        [f"other flows do not hold {', '.join(asked)}"] * bool(asked) + [f"what rules it out is there: {', '.join(killing)}"] * bool(killing)
    )  # fmt: skip
    elsewhere = elsewhere or "none of any_of holds, or a more specific signature has them"
    for ran in run_cases([case for case in load_cases() if case.name in wanted], database):
        differs = nearest(signature, ran.explanation.observed)
        why = "; ".join(differs or ()) or "no packet that it could be about" * (differs is None) or f"its packets are there; {elsewhere}"
        out.append(f"  {ran.case.name}: {ran.case.about.rstrip('.')}. What keeps it away: {why}")
    return ["What would have to be otherwise in its near misses:", *out] if out else []


@signatures.command()
@click.argument("folder", required=False, metavar="[DIR]")
@click.option("--pcaps", metavar="DIR", help="Run them over the cases there, and over the clean ones of pcaps/; all of pcaps/ unless given.")
@JSON
@click.pass_context
def check(ctx: click.Context, folder: str | None, pcaps: str | None, as_json: bool) -> None:
    """Check a folder of signatures (those that come with dpiprobe unless given): every problem at once, exit code 1 where there is one.

    \b
    Examples:
      dpiprobe signatures check
      dpiprobe signatures check my-signatures/
      dpiprobe signatures check my-signatures/ --pcaps my-cases/
    """
    from dpiprobe.cases.case import checkout_folder, default_folder, load_cases
    from dpiprobe.cases.signature_check import check_behaviour
    from dpiprobe.errors import UsageError
    from dpiprobe.signature.check import check as check_folder
    from dpiprobe.signature.database import packaged_folder
    from dpiprobe.signature.reader import signature_files

    where = packaged_folder() if folder is None else Path(folder)
    if not where.is_dir():
        raise UsageError(f"{where} is no folder; name one that holds signature files")
    problems = check_folder(where)
    ours = packaged_folder()
    own = where.resolve() == ours.resolve()
    recorded = [] if problems or not (cases := Path(pcaps) if pcaps is not None else default_folder()).is_dir() else load_cases(cases)
    if not problems and checkout_folder().is_dir():  # somebody's own signatures must spare our innocents as well
        named = {case.name for case in recorded}
        recorded += [case for case in load_cases(checkout_folder()) if case.name not in named and case.family == "clean"]
    ran = len(recorded)
    if recorded:
        problems = check_behaviour(where, recorded, also=() if own else _database(None).signatures)
    for problem in problems:
        if as_json:
            file, number, column, what = problem.split(":", 3)
            _line({"file": file, "line": int(number), "column": int(column), "problem": what.strip()})
        else:
            click.echo(problem)
    if problems:
        click.echo(f"dpiprobe: {len(problems)} problem{'s' * (len(problems) != 1)}; mend what the lines above name", err=True)
        ctx.exit(1)
    if not as_json:
        for signature in [] if own else _stock_alone(where):
            said = f"dpiprobe: {signature.id} has no near miss but the draft's own, {signature.examples['near_miss'][0]}"
            click.echo(f"{said}; make one that differs from your device in a field (docs/signatures.md, step 4)", err=True)
        over = f" over {ran} cases" if ran else ""
        count = len(signature_files(where))
        click.echo(f"{count} signature{'s' * (count != 1)}, no problem{over}")


def _stock_alone(folder: Path) -> list[Signature]:
    """Devices whose near misses are those that every draft begins with: they say nothing about this device."""
    from dpiprobe.signature.draft import STOCK_NEAR_MISSES
    from dpiprobe.signature.reader import read_folder

    found = [signature for signature, _ in read_folder(folder)[0] if not signature.generic]
    return [s for s in found if (named := s.examples.get("near_miss")) and set(named) <= STOCK_NEAR_MISSES]


@signatures.command()
@click.argument("capture", metavar="CAPTURE")
@click.option("--flow", "numbers", type=click.IntRange(min=1), multiple=True, required=True, metavar="N", help="Flows of one behaviour; may be repeated.")
@click.option("--control", "controls", multiple=True, metavar="NAME", help="A name known to work, as for analyze; may be repeated.")
@click.option("--id", "identity", default="new-signature", metavar="ID", help="What the signature will be called.")
@FOLDER
def draft(capture: str, numbers: tuple[int, ...], controls: tuple[str, ...], identity: str, folder: str | None) -> None:
    """Draft a signature of what no device claims in a flow: commented YAML, ready to edit. Several flows show what is constant.

    \b
    Example:
      dpiprobe signatures draft capture.pcapng --flow 12 --flow 15 --id my-device > my-device.yaml
    """
    from dpiprobe.capture.read import read_capture
    from dpiprobe.errors import UsageError
    from dpiprobe.explain import explain
    from dpiprobe.signature.draft import draft as draft_signature
    from dpiprobe.signature.reader import is_id

    database = _database(folder)
    if not is_id(identity):
        raise UsageError(f"{identity!r} is no id of a signature; use small letters, digits, and single hyphens or dots between them, such as my-device")
    if identity in database.by_id:
        raise UsageError(f"there is a signature {identity!r} already; choose another --id")
    explanation = explain(read_capture(capture), database=database, controls=controls)
    count = len(explanation.judgements)
    for number in numbers:
        if number > count:
            raise UsageError(f"the capture has {count} flows, so there is no flow {number}; `dpiprobe analyze` numbers them")
    matches = [m for found in explanation.matches.values() for m in found]
    text = draft_signature(explanation.observed, matches, [n - 1 for n in numbers], identity)
    if text is None:
        raise UsageError(f"{_nothing_free(matches, numbers)}, so there is nothing to draft; choose a flow that `dpiprobe analyze` does not explain")
    click.echo(text, nl=False)


def _nothing_free(matches: Sequence[Match], numbers: Sequence[int]) -> str:
    """Why flows (by number) hold nothing to draft: of each device the flows in which it claims what is strange, then those that are clean."""
    by_device: dict[str, list[int]] = {}
    for number in sorted(set(numbers)):
        for device in sorted({m.signature for m in matches if m.flow + 1 == number and m.deployment}):
            by_device.setdefault(device, []).append(number)
    said = [f"{device} claims what is strange in {_flows(mine)}" for device, mine in by_device.items()]
    clean = sorted(set(numbers) - {number for mine in by_device.values() for number in mine})
    return " and ".join([*said, *([f"nothing is strange in {_flows(clean)}"] if clean else [])])


def _flows(numbers: Sequence[int]) -> str:
    return f"flow{'s' * (len(numbers) != 1)} {', '.join(map(str, numbers))}"


@signatures.command()
@JSON
def features(as_json: bool) -> None:
    """Print the vocabulary of clauses: what can be asked of a packet, and of a flow."""
    from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES

    for scope, words in (("packet", PACKET_FEATURES), ("flow", FLOW_FEATURES)):
        if not as_json:
            click.echo(f"{'What can be asked of a packet' if scope == 'packet' else 'What can be asked of a flow as a whole (flow: {...})'}:")
        for feature in words.values():
            if as_json:
                _line({"feature": feature.name, "of": scope, "kind": feature.kind, "unit": feature.unit or None, "anchor": feature.anchor or None,
                       "choices": list(feature.choices), "distinctive": feature.distinctive, "meaning": feature.meaning})  # fmt: skip
            else:
                takes = " | ".join(feature.choices) or feature.kind
                mark = "*" if feature.distinctive else " "
                anchor = f" [{feature.anchor}]" if feature.anchor else ""
                click.echo(f"  {mark} {feature.name:<22} {takes:<26} {feature.meaning}{anchor}")
    if not as_json:
        click.echo("\n* a rare value can tell one device from all others   [word] the anchor a difference is taken from")


def _database(folder: str | None) -> Database:
    from dpiprobe.cli.judge import load_signatures

    database: Database = load_signatures(folder)
    return database


def _summary(signature: Signature) -> dict[str, Any]:
    return {
        "id": signature.id, "title": signature.title, "group": signature.group, "generic": signature.generic, "technique": signature.technique,
        "mechanism": signature.mechanism, "status": signature.status, "confidence": signature.confidence, "seen": signature.seen,
        "second_pass": signature.second_pass, "distinctive": list(signature.distinctive_fields),
    }  # fmt: skip


def _line(record: dict[str, Any]) -> None:
    from dpiprobe.report.jsonl import line

    click.echo(line(record))
