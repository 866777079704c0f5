"""`dpiprobe probe SERVER --name NAME`: a controlled experiment from this machine, and what it shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dpiprobe.cli.hello import complete_client, complete_variation
from dpiprobe.cli.number import Number
from dpiprobe.cli.only_one import ip_version
from dpiprobe.cli.program import program
from dpiprobe.cli.voice import Voice, voice
from dpiprobe.errors import UsageError

if TYPE_CHECKING:
    from dpiprobe.plan.plan import Plan
    from dpiprobe.probe.pacing import Wait
    from dpiprobe.probe.route import Target
    from dpiprobe.run.conduct import Conducted, Observer


@click.command()
@click.argument("server", metavar="SERVER")
@click.option("--name", "names", multiple=True, required=True, metavar="NAME", help="A server name to test; may be repeated.")
@click.option("--control", metavar="NAME", help="A name known to be served there. A random name of equal length is tried as well.")
@click.option("--repetitions", type=click.IntRange(1, 500), default=3, show_default=True, help="Trials for each name.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True, help="Port, where SERVER does not say.")
@click.option("-4", "four", is_flag=True, help="Use IPv4.")
@click.option("-6", "six", is_flag=True, help="Use IPv6.")
@click.option("--interface", metavar="NAME", help="Connect and capture there, whatever the route says.")
@click.option("--rate", type=Number(0.01, 50), default=1.0, show_default=True, help="Connections a second, at most.")
@click.option("--timeout", type=Number(1, 120), default=10.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--wait", type=Number(0, 3600), default=180.0, show_default=True,
              help="Seconds to wait out a punishment, where a control fails after a test; 0 never waits.")  # fmt: skip
@click.option("--handshake/--hello", default=False, help="Complete the TLS handshake, or send a crafted ClientHello alone (the default).")
@click.option("--get", metavar="PATH", help="With --handshake: fetch this page too (at most 1 MiB), to see throttling.")
@click.option("--client-certificate", metavar="CN", help="With --handshake: a certificate of this common name for a server that asks for one; TLS 1.2.")
@click.option("--client", default="builtin", show_default=True, metavar="CLIENT", shell_complete=complete_client,
              help="Whose ClientHello; 'dpiprobe hello list' prints them.")  # fmt: skip
@click.option("--vary", multiple=True, metavar="VARIATION", shell_complete=complete_variation,
              help="Vary the hello, of controls too; 'dpiprobe hello list' prints them. May be repeated.")  # fmt: skip
@click.option("--seed", type=int, help="Decides order, random names and hellos; drawn and recorded where it is not given.")
@click.option("--vantage", metavar="TEXT", help="Where this machine stands, for the record (network, place).")
@click.option("--contact", metavar="TEXT", help="An address to write to about this run, for the record.")
@click.option("--signatures", "signatures", metavar="DIR", help="A folder of signatures instead of those that come with dpiprobe.")
@click.option("-o", "--out", metavar="DIR", help="The run folder; runs/... where it is not given.")
@click.option("--dry-run", is_flag=True, help="Print the plan and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Records as JSON lines, as of analyze; with --dry-run the plan as JSON.")
@click.pass_context
def probe(
    ctx: click.Context, server: str, names: tuple[str, ...], control: str | None, repetitions: int, port: int, four: bool, six: bool,
    interface: str | None, rate: float, timeout: float, wait: float, handshake: bool, get: str | None,
    client_certificate: str | None, client: str, vary: tuple[str, ...], seed: int | None, vantage: str | None,
    contact: str | None, signatures: str | None, out: str | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Probe one server with names and controls, record every packet, and say what happens to each name.

    \b
    Examples:
      dpiprobe probe 192.0.2.1 --name blocked.example --control served.example
      dpiprobe probe www.example.org --name www.example.org --repetitions 5 -o run1
      dpiprobe probe 192.0.2.1:8443 --name a.example --name b.example --dry-run
      dpiprobe probe 192.0.2.1 --name blocked.example --control served.example --vary record-at-midsld --client chromium

    SERVER is a host name or an address, with :port where needed ([2001:db8::1]:443). Connections go to it alone. Needs CAP_NET_RAW for the
    capture. A server that cannot be reached is a result. Ctrl-C keeps what there is. Exit codes: 0 ran to the end, 2 usage,
    3 environment, 130 interrupted.
    """
    import secrets

    from dpiprobe.plan.design import design
    from dpiprobe.plan.plan import Pace
    from dpiprobe.probe.route import resolve

    if get is not None and not handshake:
        raise UsageError("--get needs a whole handshake; add --handshake")
    if get is not None and (not get.startswith("/") or any(c.isspace() for c in get)):
        raise UsageError(f"{get!r} is not a path; give one that starts with /")
    target = resolve(server, port, ip_version(four, six))
    pace = Pace(gap=1 / rate, answer=timeout, unacknowledged=max(timeout, Pace().unacknowledged), connect=min(timeout, Pace().connect), residual=wait)
    plan = design(
        target.endpoint, names, control=control, repetitions=repetitions, seed=secrets.randbits(32) if seed is None else seed,
        target=server, way="handshake" if handshake else "hello", get=get, pace=pace, client=client, vary=vary,
        client_certificate=client_certificate,
    )  # fmt: skip
    carry_out(ctx, plan, target, interface=interface, vantage=vantage, contact=contact, signatures=signatures, out=out, dry_run=dry_run, as_json=as_json)


def carry_out(
    ctx: click.Context, plan: Plan, target: Target, *, interface: str | None, vantage: str | None, contact: str | None, signatures: str | None,
    out: str | None, dry_run: bool, as_json: bool, notes: Sequence[str] = (),
) -> None:  # fmt: skip
    """What `probe` and `replay` do with their plan: print it, or run it, explain what came of it, and print that. All that can be refused is
    looked at before the first word. notes: what to say of the plan before it."""
    import time
    from pathlib import Path

    from dpiprobe.capture.ring import check_privilege
    from dpiprobe.cli.judge import load_signatures
    from dpiprobe.probe.route import check_interface, route_to

    speak = voice(ctx)
    if interface is not None:
        check_interface(interface)
    database = load_signatures(signatures) if signatures is not None or not dry_run else None
    if dry_run:
        for note in notes:
            speak.note(note)
        _print_plan(plan, as_json)
        return
    check_privilege()
    route_to(target, interface)
    from dpiprobe.run.conduct import conduct, default_folder
    from dpiprobe.run.explained import explain_run
    from dpiprobe.run.folder import RunFolder

    folder = RunFolder.create(Path(out) if out is not None else default_folder(target, time.time_ns()))
    for note in notes:
        speak.note(note)
    _warn(speak, plan)
    _stop_on_sigterm()
    done = conduct(plan, target, folder, interface=interface, vantage=vantage, contact=contact, arguments=sys.argv[1:], observer=_observer(speak))
    speak.done()
    _say_losses(speak, done)
    records = explain_run(folder, database=database)
    _print_records([*records, folder.run()], as_json)
    speak.note(f"dpiprobe: the run is in {folder.path}")
    if done.interrupted:
        speak.note(f"dpiprobe: interrupted after {len(done.outcomes)} of {_count(plan)} trials; what was there is kept and explained")
        ctx.exit(130)


def _warn(speak: Voice, plan: Plan) -> None:
    """Once, before the first packet: who may bear a risk, and how long it will take."""
    speak.note(
        f"dpiprobe: {', '.join(plan.names)} will be asked for in clear text from this machine's address; whoever runs the networks on the way\n"
        "dpiprobe: can see that and may hold it against the owner of this connection. Go on only with the owner's consent (docs/ethics.md)."
    )
    if not any(trial.role == "control" for trial in plan.trials):
        speak.note("dpiprobe: no --control is given; the random name is the only control, and a server that refuses unknown names refuses it too")
    if plan.trials[0].settings.get("client") and len({len(trial.name) for trial in plan.trials}) > 1:
        speak.note(
            "dpiprobe: names of different length: all hellos are filled up to one length, which this client would not do;\n"
            "dpiprobe: a --control as long as the name keeps them exactly its own"
        )
    count = _count(plan)
    least = count * max(plan.pace.gap, plan.pace.after_answer)
    speak.note(f"dpiprobe: {count} connections to {plan.server}, one at a time, {least:.0f} s at least; seed {plan.seed}")


def _say_losses(speak: Voice, done: Conducted) -> None:
    if done.recorded.dropped:
        speak.note(f"dpiprobe: the kernel lost {done.recorded.dropped} packets of the capture; absence of a packet proves nothing in this run")


def _observer(speak: Voice) -> Observer:
    from dpiprobe.run.conduct import Observer

    class Progress(Observer):
        def waiting(self, wait: Wait) -> None:
            if wait.why:
                speak.note(f"dpiprobe: {wait.why} ({wait.seconds:.0f} s)")

        def started(self, plan: Plan, number: int) -> None:
            trial = plan.trials[number - 1]
            speak.progress(f"trial {number} of {_count(plan)}: {trial.name} ({trial.role})")

    return Progress()


def _count(plan: Plan) -> int:
    """The trials that are run in any case."""
    return sum(not trial.settings.get("spare") for trial in plan.trials)


def _hello_of(plan: Plan) -> str:
    """Whose hello, and how varied, where that is not the usual one."""
    settings = plan.trials[0].settings
    told = [f"{key} {settings[key]}" for key in ("client", "vary", "client_certificate") if settings.get(key)]
    return f", {', '.join(told)}" if told else ""


def _print_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        click.echo(plan.to_json())
        return
    click.echo(f"{_count(plan)} connections to {plan.server}, seed {plan.seed}, at most one every {plan.pace.gap:g} s, way: {plan.way}{_hello_of(plan)}")
    for trial in plan.trials:
        condition = "  (only where the control before it fails)" if trial.settings.get("spare") else ""
        source = f"  {trial.settings['source']}" if trial.settings.get("source") else ""
        click.echo(f"{trial.number:5}  {trial.role:14}  {trial.name}{source}{condition}")


def _print_records(records: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        from dpiprobe.report.jsonl import lines

        for line in lines(records):
            sys.stdout.write(line)
    else:
        from dpiprobe.report import terminal

        terminal.write(records, sys.stdout, colour=None if click.get_current_context().color is None else False, program=program())
    sys.stdout.flush()


def _stop_on_sigterm() -> None:
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)
