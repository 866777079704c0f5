"""`dpiprobe replay CAPTURE --to SERVER`: recorded ClientHellos sent again, between controls, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dpiprobe.cli.number import Number
from dpiprobe.cli.only_one import ip_version
from dpiprobe.errors import InputError, UsageError

if TYPE_CHECKING:
    from dpiprobe.flow.hello_segments import SentHello
    from dpiprobe.plan.replayed import Recorded

LISTED = 8  # hellos that an error names at most


@click.command()
@click.argument("capture", metavar="CAPTURE")
@click.option("--to", "server", metavar="SERVER", required=True, help="Where to: a name or an address, with :port where needed.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="Put this server name into each hello; may be repeated. Its own where not given.")
@click.option("--control", metavar="NAME", help="A name known to be served there. A random name of equal length is tried as well.")
@click.option("--flow", "flows", multiple=True, type=click.IntRange(1), metavar="N", help="The hello of this flow; may be repeated.")
@click.option("--all", "every", is_flag=True, help="All hellos of the capture that can be sent.")
@click.option("--whole", is_flag=True, help="In one piece, not in the segments of the recording.")
@click.option("--spacing", is_flag=True, help="With the recording's pauses between segments (at most 5 s each).")
@click.option("--repetitions", type=click.IntRange(1, 500), default=3, show_default=True, help="Trials for each hello and name.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True, help="Port, where SERVER does not say.")
@click.option("-4", "four", is_flag=True, help="Use IPv4.")
@click.option("-6", "six", is_flag=True, help="Use IPv6.")
@click.option("--interface", metavar="NAME", help="Connect and capture there, whatever the route says.")
@click.option("--rate", type=Number(0.01, 50), default=1.0, show_default=True, help="Connections a second, at most.")
@click.option("--timeout", type=Number(1, 120), default=10.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--wait", type=Number(0, 3600), default=180.0, show_default=True,
              help="Seconds to wait out a punishment, where a control fails after a test; 0 never waits.")  # fmt: skip
@click.option("--seed", type=int, help="Decides order and random names; drawn and recorded where it is not given.")
@click.option("--vantage", metavar="TEXT", help="Where this machine stands, for the record (network, place).")
@click.option("--contact", metavar="TEXT", help="An address to write to about this run, for the record.")
@click.option("--signatures", "signatures", metavar="DIR", help="A folder of signatures instead of those that come with dpiprobe.")
@click.option("-o", "--out", metavar="DIR", help="The run folder; runs/... where it is not given.")
@click.option("--dry-run", is_flag=True, help="Print the plan and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Records as JSON lines, as of analyze; with --dry-run the plan as JSON.")
@click.pass_context
def replay(
    ctx: click.Context, capture: str, server: str, names: tuple[str, ...], control: str | None, flows: tuple[int, ...], every: bool, whole: bool,
    spacing: bool, repetitions: int, port: int, four: bool, six: bool, interface: str | None, rate: float, timeout: float, wait: float,
    seed: int | None, vantage: str | None, contact: str | None, signatures: str | None, out: str | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Send the ClientHellos of a capture again, byte for byte or for another name, with controls as probe has them, and explain what happens.

    \b
    Examples:
      dpiprobe replay browser.pcapng --to 192.0.2.1 --flow 12
      dpiprobe replay browser.pcapng --to 192.0.2.1 --all --name blocked.example --control served.example
      dpiprobe replay browser.pcapng --to 192.0.2.1 --flow 12 --spacing --dry-run

    CAPTURE is a capture, '-', or a hello as 'dpiprobe hello' reads it. Never sent to the servers of the recording by itself: --to says where.
    Segments leave as they were recorded, in order; QUIC, cut hellos and those behind a CONNECT or STARTTLS cannot be sent. Otherwise as probe,
    needs and exit codes too.
    """
    import secrets

    from dpiprobe.cli.probe import carry_out
    from dpiprobe.plan.plan import Pace
    from dpiprobe.plan.replayed import design_replay
    from dpiprobe.probe.route import resolve

    if flows and every:
        raise UsageError("--flow and --all both say which hellos; give one of them")
    if whole and spacing:
        raise UsageError("--spacing is the pauses between segments and --whole sends one; give one of them")
    notes: list[str] = []
    chosen = _recorded(capture, flows, every, whole, spacing, notes)
    target = resolve(server, port, ip_version(four, six))
    pace = Pace(gap=1 / rate, answer=timeout, unacknowledged=max(timeout, Pace().unacknowledged), connect=min(timeout, Pace().connect), residual=wait)
    plan = design_replay(
        target.endpoint, chosen, names, control=control, repetitions=repetitions, seed=secrets.randbits(32) if seed is None else seed,
        target=server, pace=pace,
    )  # fmt: skip
    if control is not None and any(len(control) != len(name) for name in plan.names):
        notes.append("dpiprobe: the control is not as long as the name, so its hello is not either; the random name's is")
    carry_out(
        ctx, plan, target, interface=interface, vantage=vantage, contact=contact, signatures=signatures, out=out, dry_run=dry_run, as_json=as_json,
        notes=notes,
    )  # fmt: skip


def _recorded(capture: str, flows: tuple[int, ...], every: bool, whole: bool, spacing: bool, notes: list[str]) -> list[Recorded]:
    from dpiprobe.cli.recorded_input import recorded_in

    found = recorded_in(capture)
    good = [hello for hello in found if _obstacle(hello) is None]
    if flows:
        by_flow = {hello.flow: hello for hello in found}
        for flow in flows:
            if flow not in by_flow:
                raise UsageError(f"flow {flow} of {capture} has no ClientHello; {_listing(good)}")
            if (obstacle := _obstacle(by_flow[flow])) is not None:
                raise UsageError(f"the hello of flow {flow} {obstacle}; {_listing(good)}")
        good = [by_flow[flow] for flow in dict.fromkeys(flows)]
    elif not good:
        why = f": that of flow {found[0].flow} {_obstacle(found[0])}" if found else ""
        raise InputError(f"{capture} holds no ClientHello that can be sent again{why}; give another capture")
    elif every:
        for hello in found:
            if (obstacle := _obstacle(hello)) is not None:
                notes.append(f"dpiprobe: the hello of flow {hello.flow} {obstacle}; left out")
    elif len(good) > 1:
        raise UsageError(f"{capture} holds {len(good)} ClientHellos; choose with --flow or take them --all; {_listing(good)}")
    return [_one(hello, capture, whole, spacing, notes) for hello in good]


def _one(sent: SentHello, capture: str, whole: bool, spacing: bool, notes: list[str]) -> Recorded:
    from dpiprobe.plan.replayed import MOST_DELAY, Recorded
    from dpiprobe.tls.hello import PRE_SHARED_KEY, parse

    hello = parse(sent.stream)
    length = hello.end if hello is not None else len(sent.stream)
    delays = sent.delays(length) if spacing else ()
    if any(delay > MOST_DELAY for delay in delays):
        notes.append(f"dpiprobe: flow {sent.flow} paused for {max(delays):.1f} s; at most {MOST_DELAY:g} s are kept")
    if not sent.in_order and not whole:
        notes.append(f"dpiprobe: the segments of flow {sent.flow} left out of order; a live run sends them in order")
    if hello is not None and hello.extension(PRE_SHARED_KEY) is not None:
        keyed = f"dpiprobe: the hello of flow {sent.flow} has a pre-shared key that signs all of it"
        notes.append(f"{keyed}; for another name a server that still knows it refuses")
    kept = tuple(min(delay, MOST_DELAY) for delay in delays)
    return Recorded(sent.stream[:length], () if whole else sent.cuts(length), kept, f"{capture}, flow {sent.flow}")


def _obstacle(sent: SentHello) -> str | None:
    """Why this hello cannot be sent again, as the end of a sentence; None where it can."""
    from dpiprobe.tls.hello import parse

    if sent.quic:
        return "is QUIC's, and a live run speaks TLS over TCP"
    if sent.before:
        return f"follows {sent.before} bytes of another protocol (CONNECT, STARTTLS)"
    hello = parse(sent.stream)
    return None if hello is not None and hello.complete else "is not whole in the capture"


def _listing(hellos: list[SentHello]) -> str:
    from dpiprobe.tls.hello import parse

    told = [f"{sent.flow} ({(hello.server_name if (hello := parse(sent.stream)) else None) or 'no name'})" for sent in hellos[:LISTED]]
    rest = f" and {len(hellos) - LISTED} more" if len(hellos) > LISTED else ""
    return f"flows with one that can be sent: {', '.join(told) or 'none'}{rest}"
