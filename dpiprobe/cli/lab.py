"""`dpiprobe lab`: networks with a censor on the path, in namespaces of this machine.

Rules of this file: arguments only; what a lab is and does stands in the room `lab`, which loads when a command needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from dpiprobe.cli.voice import voice

if TYPE_CHECKING:
    from dpiprobe.lab.session import Lab

BLOCKED = "blocked.example"


@click.group()
def lab() -> None:
    """Networks with a censor on the path, in namespaces of this machine.

    client - r1 - box - r2 - server, real kernels and real TLS, no root where user namespaces are allowed, nothing left behind.
    """


@lab.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a box.")
def list_boxes(as_json: bool) -> None:
    """The boxes there are, and what each does."""
    from dpiprobe.lab import catalogue

    blocks = catalogue.from_database()
    named = {entry.signature for entry in catalogue.entries()}
    rows = [(entry.name, entry.signature, entry.says, catalogue.block(entry.name, blocks)) for entry in catalogue.entries()]
    rows += [(name, name, "as the signature of this name says", block) for name, block in sorted(blocks.items()) if name not in named]
    if as_json:
        from dpiprobe.report.jsonl import line

        for name, signature, says, block in rows:
            click.echo(line({"format": "dpiprobe/1", "kind": "box", "name": name, "signature": signature, "says": says, "emulate": block}))
        return
    wide = max(len(name) for name, *_ in rows)
    for name, signature, says, _ in rows:
        click.echo(f"{name:<{wide}}  {says}" + (f" [{signature}]" if signature not in (None, name) else ""))


def _conditions(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what the lab is like."""
    for option in (
        click.option("--seed", type=int, help="Make the box and the path repeat themselves."),
        click.option("--body", type=click.IntRange(0, 50_000_000), default=1000, show_default=True, help="Bytes of the server's answer."),
        click.option("--loss", type=click.FloatRange(0, 100), default=0.0, help="Percent of packets lost on each half of the path."),
        click.option("--delay", nargs=2, type=click.FloatRange(0, 10_000), default=(5.0, 20.0), show_default=True,
                     help="Milliseconds one way: client to box, box to server."),
        click.option("--server-does", "behaviours", nargs=2, multiple=True, metavar="NAME WHAT",
                     help="What the server does by itself for a name: ok, reset, alert, close, hang, slow."),
        click.option("--blocked", "blocked", multiple=True, metavar="NAME", default=(BLOCKED,), show_default=True, help="Names the box acts on."),
    ):
        command = option(command)
    return command


def _lab(
    box: str, blocked: tuple[str, ...], behaviours: tuple[tuple[str, str], ...], delay: tuple[float, float], loss: float, body: int, seed: int | None
) -> Lab:
    from dpiprobe.lab.session import Lab

    return Lab(box, blocked=blocked, behaviours=dict(behaviours), delay=delay, loss=loss / 100, body=body, seed=seed)


_NAME = click.option("--name", default="lab", show_default=True, help="Which standing lab.")


@lab.command("up")
@click.argument("box")
@_NAME
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@_conditions
def up(
    box: str, name: str, as_json: bool, blocked: tuple[str, ...], behaviours: tuple[tuple[str, str], ...], delay: tuple[float, float], loss: float,
    body: int, seed: int | None,
) -> None:  # fmt: skip
    """Stand a lab up and leave it standing, for `lab exec`; it stays until `lab down`."""
    from dpiprobe.lab import standing

    told = standing.up(name, {
        "box": box, "blocked": list(blocked), "behaviours": dict(behaviours), "delay": list(delay), "loss": loss / 100, "body": body, "seed": seed,
    })  # fmt: skip
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
    """Run COMMAND in a node (client, r1, box, r2, server) of a standing lab; its exit code is returned."""
    from dpiprobe.lab import standing

    status = standing.execute(name, node, command)
    sys.exit(status if status >= 0 else 128 - status)


@lab.command("down")
@_NAME
def down(name: str) -> None:
    """Take a standing lab down, with all that runs in it."""
    from dpiprobe.lab import standing

    standing.down(name)


@lab.command("run", options_metavar="[OPTIONS]")
@click.argument("box")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.option("--capture", "folder", type=click.Path(file_okay=False), help="Write client.pcapng and server.pcapng into this folder.")
@_conditions
@click.pass_context
def run(
    ctx: click.Context, box: str, command: tuple[str, ...], folder: str | None, blocked: tuple[str, ...], behaviours: tuple[tuple[str, str], ...],
    delay: tuple[float, float], loss: float, body: int, seed: int | None,
) -> None:  # fmt: skip
    """Stand a lab up with BOX in it, run COMMAND at its client, take it down.

    The command's exit code is returned. It finds the server's address in DPIPROBE_LAB_SERVER, names in DPIPROBE_LAB_ALLOWED and
    DPIPROBE_LAB_BLOCKED.

    \b
    dpiprobe lab run in-path-reset -- curl -k --resolve blocked.example:443:198.18.4.2 https://blocked.example/
    dpiprobe lab run none --loss 2 --capture out -- sh -c 'ping -c 3 $DPIPROBE_LAB_SERVER'
    """
    say = voice(ctx)
    with _lab(box, blocked, behaviours, delay, loss, body, seed) as standing:
        say.detail(f"lab: {box}, server {standing.server}, seed {standing.seed}")
        with nullcontext() if folder is None else standing.capture(folder) as capture:
            done = standing.run_in("client", list(command))
        if capture is not None and capture.counts is not None:
            for node, counts in capture.counts.items():
                say.note(f"{capture.files[node]}: {counts['frames']} packets" + (f", {counts['dropped']} lost" if counts["dropped"] else ""))
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)
