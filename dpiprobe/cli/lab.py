"""`dpiprobe lab`: networks with a censor on the path, in namespaces of this machine.

Rules of this file: arguments only; what a lab is and does stands in the room `lab`, which loads when a command needs it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import click

from dpiprobe.cli.matrix import matrix
from dpiprobe.cli.number import Number
from dpiprobe.cli.voice import voice

BLOCKED = "blocked.example"


@click.group()
def lab() -> None:
    """Networks with a censor on the path, in namespaces of this machine.

    client - r1 - box - r2 - server, real kernels and real TLS, no root where user namespaces are allowed, nothing left behind.

    \b
    Examples:
      dpiprobe lab list
      dpiprobe lab run in-path-reset -- dpiprobe probe 198.18.4.2 --name blocked.example --control allowed.example
      dpiprobe lab up gfw-reset-triple
      dpiprobe lab exec client -- openssl s_client -connect 198.18.4.2:443 -servername blocked.example
      dpiprobe lab down
    """


@lab.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a box.")
def list_boxes(as_json: bool) -> None:
    """The boxes there are, and what each does."""
    from dpiprobe.lab import catalogue

    rows = catalogue.rows()
    if as_json:
        from dpiprobe.report.jsonl import line

        for row in rows:
            click.echo(line({
                "format": "dpiprobe/1", "kind": "box", "name": row.name, "signature": row.signature, "technique": row.technique, "says": row.says,
                "emulate": row.block, "available": row.lacks is None, "lacks": row.lacks,
            }))  # fmt: skip
        return
    wide = max(len(row.name) for row in rows)
    for row in rows:
        more = f" [{row.signature}]" if row.signature not in (None, row.name) else ""
        click.echo(f"{row.name:<{wide}}  {row.says}{more}" + (f" ({row.lacks})" if row.lacks else ""))


@lab.command("conditions")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a condition.")
def list_conditions(as_json: bool) -> None:
    """What the path can be like, for --condition."""
    from dpiprobe.lab.conditions import CONDITIONS, INNOCENT_CONDITIONS

    for entry in (*CONDITIONS, *INNOCENT_CONDITIONS):
        if as_json:
            from dpiprobe.report.jsonl import line

            click.echo(line({"format": "dpiprobe/1", "kind": "condition", "name": entry.name, "says": entry.says}))
        else:
            click.echo(f"{entry.name:<18}{entry.says}")


@lab.command("grammar")
def grammar() -> None:
    """How a box of your own is written: every key of an `emulate:` block, with what it may say."""
    import textwrap

    from dpiprobe.signature import emulation

    text = emulation.__doc__ or ""
    click.echo(textwrap.dedent(text[text.index("    emulate:") :]).rstrip())


def _conditions(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what the lab is like."""
    for option in (
        click.option("--seed", type=int, help="Make the box and the path repeat themselves."),
        click.option("--body", type=click.IntRange(0, 50_000_000), default=1000, show_default=True, help="Bytes of the server's answer."),
        click.option("--tls", type=click.Choice(["1.2", "1.3"]), default="1.3", show_default=True, help="The newest version the server speaks."),
        click.option("--loss", type=Number(0, 100), help="Percent of packets lost on each half of the path, whatever the condition says."),
        click.option("--delay", nargs=2, type=Number(0, 10_000),
                     help="Milliseconds one way: client to box, box to server; 5 and 20 unless the condition says otherwise."),
        click.option("--condition", "conditions", default="plain", show_default=True, metavar="NAME",
                     help="What the path is like; `dpiprobe lab conditions` lists them."),
        click.option("--server", "server_program", metavar="PROGRAM", help="Serve with real software: openssl, nginx, haproxy, gnutls."),
        click.option("--server-does", "behaviours", nargs=2, multiple=True, metavar="NAME WHAT",
                     help="What the server does by itself for a name (*: any other): ok, reset, alert, close, hang, late, slow, stall, ..."),
        click.option("--blocked", "blocked", multiple=True, metavar="NAME", default=(BLOCKED,), show_default=True, help="Names the box acts on."),
    ):  # fmt: skip
        command = option(command)
    return command


def _options(
    *, blocked: tuple[str, ...], behaviours: tuple[tuple[str, str], ...], delay: tuple[float, float] | None, loss: float | None, body: int,
    seed: int | None, tls: str, conditions: str, server_program: str | None,
) -> dict[str, Any]:  # fmt: skip
    """The options as arguments of `Lab`, plain data."""
    return {
        "blocked": list(blocked), "behaviours": dict(behaviours), "delay": delay, "loss": None if loss is None else loss / 100, "body": body,
        "seed": seed, "tls": tls, "conditions": conditions, "server_program": server_program,
    }  # fmt: skip


def _box(text: str) -> str | dict[str, Any] | list[Any]:
    """A name, names joined by +, or a file with an `emulate:` block of one's own (a signature file, or the block alone)."""
    if "+" in text:
        return [_box(part) for part in text.split("+")]
    if not text.endswith((".yaml", ".yml")):
        return text
    from dpiprobe.lab.boxfile import read_box

    return read_box(text)


def _found(command: tuple[str, ...]) -> tuple[str, ...]:
    """The command, and where it is this program and the shell would not find it (a venv that is not active): through its Python."""
    if command[0] == "dpiprobe" and shutil.which("dpiprobe") is None:
        return (sys.executable, "-m", *command)
    return command


_NAME = click.option("--name", default="lab", show_default=True, help="Which standing lab.")


@lab.command("up")
@click.argument("box")
@_NAME
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@_conditions
def up(box: str, name: str, as_json: bool, **options: Any) -> None:
    """Leave a lab standing until `lab down`."""
    from dpiprobe.lab import standing

    told = standing.up(name, {"box": _box(box), **_options(**options)})
    if as_json:
        from dpiprobe.report.jsonl import line

        click.echo(line({"format": "dpiprobe/1", "kind": "lab", "name": name, **told}))
        return
    click.echo(f"{name}: box {box}, client {told['client']}, server {told['server']}, blocked {told['DPIPROBE_LAB_BLOCKED']}")
    click.echo("run programs in it with: dpiprobe lab exec client -- COMMAND", err=True)


@lab.command("exec")
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@_NAME
def execute(node: str, command: tuple[str, ...], name: str) -> None:
    """Run COMMAND in a standing lab.

    NODE is client, r1, box, r2 or server. The command's exit code is returned.
    """
    from dpiprobe.lab import standing

    status = standing.execute(name, node, _found(command))
    sys.exit(status if status >= 0 else 128 - status)


@lab.command("down")
@_NAME
def down(name: str) -> None:
    """End a standing lab and all that runs in it."""
    from dpiprobe.lab import standing

    standing.down(name)


@lab.command("run", options_metavar="[OPTIONS]")
@click.argument("box")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.option("--capture", "folder", type=click.Path(file_okay=False), help="Write client.pcapng and server.pcapng into this folder.")
@_conditions
@click.pass_context
def run(ctx: click.Context, /, box: str, command: tuple[str, ...], folder: str | None, **options: Any) -> None:
    """Run COMMAND at the client of a new lab.

    The lab has BOX on its path and is taken down afterwards. BOX is a name from `dpiprobe lab list`, several joined by + (the first nearest
    to the client), or a YAML file with an `emulate:` block. The command's exit code is returned. It finds the server's address in
    DPIPROBE_LAB_SERVER, names in DPIPROBE_LAB_ALLOWED and DPIPROBE_LAB_BLOCKED.

    \b
    dpiprobe lab run in-path-reset -- curl -k --resolve blocked.example:443:198.18.4.2 https://blocked.example/
    dpiprobe lab run none --loss 2 --capture out -- sh -c 'ping -c 3 $DPIPROBE_LAB_SERVER'
    dpiprobe lab run throttle-shape+in-path-reset --condition jitter -- dpiprobe probe 198.18.4.2 --name blocked.example
    """
    say = voice(ctx)
    from dpiprobe.lab.session import Lab

    with Lab(_box(box), **_options(**options)) as standing:
        say.detail(f"lab: {box}, server {standing.server}, seed {standing.seed}")
        with nullcontext() if folder is None else standing.capture(folder) as capture:
            done = standing.run_in("client", list(_found(command)))
        if capture is not None and capture.counts is not None:
            for node, counts in capture.counts.items():
                say.note(f"{capture.files[node]}: {counts['frames']} packets" + (f", {counts['dropped']} lost" if counts["dropped"] else ""))
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


lab.add_command(matrix)


@lab.command("record", options_metavar="[OPTIONS]")
@click.argument("box")
@click.option("-o", "--out", "out", required=True, metavar="DIR", help="The case's folder, like pcaps/match/my-box; must not be there yet.")
@click.option("--repetitions", type=click.IntRange(1, 100), default=2, show_default=True, help="Trials for each name.")
@click.option("--about", metavar="TEXT", help="One sentence that says what the case shows; the box's own unless given.")
@_conditions
@click.pass_context
def record(ctx: click.Context, /, box: str, out: str, repetitions: int, about: str | None, **options: Any) -> None:
    """Record a case for pcaps/: both captures, a draft of what must come out, and where it is from.

    \b
    dpiprobe lab record gfw-reset-triple -o pcaps/match/my-triple --seed 7
    dpiprobe cases run my-triple
    """
    import shlex
    from pathlib import Path

    from dpiprobe.lab import catalogue
    from dpiprobe.lab.record import record as record_case

    say = voice(ctx)
    made = _options(**options)
    if ctx.get_parameter_source("body") is click.core.ParameterSource.DEFAULT:
        made["body"] = None
    title = about or f"{catalogue.says(box)}, recorded in the lab."
    words = ["dpiprobe", "lab", "record", *sys.argv[sys.argv.index("record") + 1 :]] if "record" in sys.argv else ["dpiprobe", "lab", "record", box]
    done = record_case(_box(box), Path(out), made, title=title, command=shlex.join(words), repetitions=repetitions, told=say.detail)
    came_out = ", ".join(word for word in (done.verdict, done.technique, done.signature) if word)
    say.note(f"{done.folder}: {done.packets['test.pcap']} and {done.packets['server.pcap']} packets; {came_out}")
    say.note("read expect.yaml: it says what came out, not what is true")
    click.echo(str(done.folder))
