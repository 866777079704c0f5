"""`dpiprobe hello build|show|list|extract|diff`: ClientHellos made, read and compared, byte for byte."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from dpiprobe.cli.only_one import only_one
from dpiprobe.errors import UsageError

if TYPE_CHECKING:
    from dpiprobe.cli.hello_input import Found
    from dpiprobe.tls.vary.variation import Varied


def complete_variation(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of variations for the shell."""
    from dpiprobe.tls.vary.catalogue import CATALOGUE

    return [name for name in CATALOGUE if name.startswith(incomplete)]


def complete_client(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of clients for the shell."""
    from dpiprobe.tls.recipe import client_names

    return [name for name in client_names() if name.startswith(incomplete)]


class HelloGroup(click.Group):
    """The commands of this file, and `extract` where its file is there."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        order = ["build", "show", "list", "extract", "diff"]
        return [name for name in order if name in self.commands or (name == "extract" and find_spec("dpiprobe.cli.hello_extract") is not None)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "extract" and cmd_name in self.list_commands(ctx):
            from importlib import import_module

            command = import_module("dpiprobe.cli.hello_extract").extract
            return command if isinstance(command, click.Command) else None
        return super().get_command(ctx, cmd_name)


@click.group(cls=HelloGroup)
def hello() -> None:
    """ClientHellos: build, read, list, extract and compare them, byte for byte.

    \b
    Examples:
      dpiprobe hello build --name blocked.example --vary record-at-midsld --pcap -o odd.pcap
      dpiprobe hello build --name blocked.example --vary name-upper --hex | dpiprobe hello show -
      dpiprobe hello show capture.pcapng
      dpiprobe hello list
      dpiprobe hello diff one.hex two.hex
    """


@hello.command()
@click.option("--name", metavar="NAME", help="The server name, case and all; \\xHH for a byte that is no text. Without it: no server_name extension.")
@click.option("--client", default=None, metavar="CLIENT", shell_complete=complete_client,
              help="Whose hello; 'dpiprobe hello list' prints them. builtin where not given.")  # fmt: skip
@click.option("--vary", "vary", multiple=True, metavar="VARIATION", shell_complete=complete_variation,
              help="A variation, or NAME:key=value;key=value. May be repeated.")  # fmt: skip
@click.option("--from", "source", metavar="FILE", help="Vary this hello (hex, raw, capture or JSON) instead of a client's; --name replaces its name.")
@click.option("--seed", default="0", show_default=True, metavar="TEXT", help="Decides every byte that looks random.")
@click.option("--twin", is_flag=True, help="The innocuous twin instead: another name, same length, segments and checksum sums.")
@click.option("--hex", "as_hex", is_flag=True, help="Hex, one line a segment in the order of sending (the default).")
@click.option("--raw", "as_raw", is_flag=True, help="The bytes that a server reads.")
@click.option("--pcap", "as_pcap", is_flag=True, help="A capture of the connection that would send it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every field, the fingerprints and the segments.")
@click.option("-o", "--out", metavar="FILE", help="Where to; standard output where not given, or '-'.")
def build(
    name: str | None, client: str | None, vary: tuple[str, ...], source: str | None, seed: str, twin: bool, as_hex: bool, as_raw: bool,
    as_pcap: bool, as_json: bool, out: str | None,
) -> None:  # fmt: skip
    """Build a ClientHello, varied or not.

    \b
    Examples:
      dpiprobe hello build --name www.example.org
      dpiprobe hello build --name blocked.example --vary cut-midsld --vary name-random-case --json
      dpiprobe hello build --name blocked.example --vary 'name-pad:before=3;after=0;fill=-' --raw -o hello.bin
    """
    from dpiprobe.tls.twin import innocuous_twin
    from dpiprobe.tls.vary.variation import Varied

    form = only_one("in which form", hex=as_hex, raw=as_raw, pcap=as_pcap, json=as_json) or "hex"
    made = _made(name, client, vary, source, seed)
    if twin:
        from dpiprobe.tls.hello import parse

        sending = innocuous_twin(made.sending, seed.encode())
        made = Varied(parse(sending.stream) or made.hello, sending)
    _put(_rendered(made, form, client, vary), out, binary=form in ("raw", "pcap"))


def _made(name: str | None, client: str | None, vary: tuple[str, ...], source: str | None, seed: str) -> Varied:
    from dpiprobe.tls.recipe import BUILTIN, Recipe
    from dpiprobe.tls.rename import with_name
    from dpiprobe.tls.vary.catalogue import variation
    from dpiprobe.tls.vary.variation import apply

    if source is None:
        return Recipe(client or BUILTIN, name, vary, seed.encode()).make()
    if client is not None:
        raise UsageError("--from and --client both say whose hello it is; give one of them")
    from dpiprobe.cli.hello_input import hellos_in

    found = hellos_in(source)
    if len(found) > 1:
        raise UsageError(f"{source} holds {len(found)} ClientHellos; take one out with 'dpiprobe hello extract' and give that")
    given = found[0].hello if name is None else with_name(found[0].hello, name)
    return apply(given, [variation(text) for text in vary])


def _rendered(made: Varied, form: str, client: str | None, vary: tuple[str, ...]) -> bytes:
    if form == "raw":
        return made.sending.stream
    if form == "hex":
        return "".join([f"{s.data.hex()}\n" for s in made.sending.segments]).encode()
    if form == "pcap":
        if not made.hello.records:
            raise UsageError("this hello is QUIC's, a bare message, and no TCP connection carries it; ask for --hex, --raw or --json")
        import io

        from dpiprobe.report.hello_capture import write_hello_capture

        file = io.BytesIO()
        write_hello_capture(file, [made.sending])
        return file.getvalue()
    from dpiprobe.tls.description import describe
    from dpiprobe.tls.recipe import BUILTIN

    segments = [
        {"offset": s.offset, "data": s.data.hex(), "delay": s.delay, "await_ack": s.await_ack, "urgent": s.urgent, "decoy": s.decoy}
        for s in made.sending.segments
    ]
    told = {**describe(made.hello), "client": client or BUILTIN, "variations": list(vary), "stream": made.sending.stream.hex(), "segments": segments}
    return (json.dumps(told, ensure_ascii=False) + "\n").encode()


def _put(data: bytes, out: str | None, *, binary: bool) -> None:
    if out is None or out == "-":
        if binary and sys.stdout.isatty():
            raise UsageError("raw bytes do not belong on a terminal; write them to a file with -o, or into a pipe")
        stream: BinaryIO = sys.stdout.buffer
        stream.write(data)
        stream.flush()
        return
    from pathlib import Path

    try:
        Path(out).write_bytes(data)
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror}); give another file") from None


@hello.command()
@click.argument("sources", metavar="INPUT...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a hello; 'hello build --from' reads it again.")
@click.option("--short", is_flag=True, help="One line a hello: name, fingerprints, length.")
def show(sources: tuple[str, ...], as_json: bool, short: bool) -> None:
    """Dissect ClientHellos: offset, bytes, field, value; and both fingerprints.

    INPUT is a file or '-': raw bytes, hex (also with colons, or a hex dump), a capture, or JSON of this command; or the hex itself.

    \b
    Examples:
      dpiprobe hello show capture.pcapng --short
      dpiprobe hello build --name a.example | dpiprobe hello show -
    """
    from dpiprobe.cli.hello_input import hellos_in

    only_one("how it is told", json=as_json, short=short)
    first = True
    for source in sources:
        for found in hellos_in(source):
            if as_json:
                _line(_told(found))
            elif short:
                _short(found)
            else:
                if not first:
                    click.echo("")
                _dissection(found)
            first = False


def _told(found: Found) -> dict[str, Any]:
    from dpiprobe.tls.description import describe
    from dpiprobe.tls.fingerprint import ja4, ja4_raw

    told = describe(found.hello)
    if found.quic:
        told["ja4"], told["ja4_r"] = ja4(found.hello, "q"), ja4_raw(found.hello, "q")
    return told


def _short(found: Found) -> None:
    from dpiprobe.tls.fingerprint import ja3, ja4

    where = f"flow {found.flow} packet {found.packet}  " if found.flow else ""
    click.echo(f"{where}{found.hello.server_name or '-'}  {ja4(found.hello, 'q' if found.quic else 't')}  {ja3(found.hello)}  {found.hello.end} bytes")


def _dissection(found: Found) -> None:
    from dpiprobe.tls.dissect import dissect
    from dpiprobe.tls.fingerprint import ja3, ja3_string, ja4, ja4_raw

    transport = "q" if found.quic else "t"
    if found.flow:
        click.echo(f"flow {found.flow}, packet {found.packet}{' (QUIC)' if found.quic else ''}")
    for line in dissect(found.hello):
        shown = line.data[:8].hex(" ") + (" .." if len(line.data) > 8 else "")
        click.echo(f"{line.offset:5}  {shown:<26}  {'  ' * line.depth}{line.field}{': ' if line.value else ''}{line.value}")
    click.echo(f"JA3    {ja3(found.hello)}  ({ja3_string(found.hello)})")
    click.echo(f"JA4    {ja4(found.hello, transport)}")
    click.echo(f"JA4_r  {ja4_raw(found.hello, transport)}")
    for problem in found.hello.problems:
        click.echo(f"odd    {problem}")


@hello.command("list")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(words: tuple[str, ...], as_json: bool) -> None:
    """List the clients and variations; with words, those in whose line each of them stands.

    \b
    Examples:
      dpiprobe hello list records
      dpiprobe hello list zapret cut
    """
    found = False
    for row in _rows():
        text = f"{row['kind']} {row['name']} {row.get('group', '')} {row['about']} {row.get('source', '')}".lower()
        if all(word.lower() in text for word in words):
            found = True
            if as_json:
                _line(row)
            else:
                click.echo(f"{row['name']:<34} {row.get('group', 'client'):<11} {row['about']}")
    if not found:
        raise UsageError(f"no client and no variation has all of {', '.join(map(repr, words))} in its line; 'dpiprobe hello list' prints them")


def _rows() -> list[dict[str, Any]]:
    from dpiprobe.tls.recipe import BUILTIN, client_names
    from dpiprobe.tls.vary.catalogue import CATALOGUE
    from dpiprobe.tls.vary.variation import written

    rows: list[dict[str, Any]] = []
    for name in client_names():
        rows.append({"kind": "client", "name": name, "about": _client_about(name) if name != BUILTIN else "OpenSSL 4.0.3 with default settings and h2"})
    for v in CATALOGUE.values():
        rows.append({
            "kind": "variation", "name": v.name, "group": v.group, "about": v.tests, "stage": v.stage, "source": v.source,
            "parameters": {key: written(value) for key, value in v.parameters.items()},
        })  # fmt: skip
    return rows


def _client_about(name: str) -> str:
    from importlib import import_module

    about = getattr(import_module("dpiprobe.tls.clients"), "about", None)
    return str(about(name)) if about is not None else "recorded"


@hello.command()
@click.argument("left", metavar="LEFT")
@click.argument("right", metavar="RIGHT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a difference.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where they differ.")
@click.pass_context
def diff(ctx: click.Context, left: str, right: str, as_json: bool, exit_code: bool) -> None:
    """Compare two ClientHellos field by field. LEFT and RIGHT as for show; of a capture the first hello.

    \b
    Example:
      dpiprobe hello diff <(dpiprobe hello build --name a.example) <(dpiprobe hello build --name a.example --vary version-max-0303)
    """
    if left == right == "-":
        raise UsageError("standard input holds one hello and diff needs two; give a file for one of them")
    from dpiprobe.cli.hello_input import hellos_in
    from dpiprobe.tls.difference import differences

    found = differences(hellos_in(left)[0].hello, hellos_in(right)[0].hello)
    for d in found:
        if as_json:
            _line({"field": d.field, "left": d.left, "right": d.right})
        else:
            click.echo(f"{d.field}\n  - {d.left if d.left is not None else '(not there)'}\n  + {d.right if d.right is not None else '(not there)'}")
    if exit_code and found:
        ctx.exit(1)


def _line(told: dict[str, Any]) -> None:
    click.echo(json.dumps(told, ensure_ascii=False))
