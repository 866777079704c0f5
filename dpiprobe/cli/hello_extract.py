"""`dpiprobe hello extract CAPTURE...`: the ClientHellos of captures and exports, as lines, files or a case."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpiprobe.errors import InputError, UsageError

if TYPE_CHECKING:
    from dpiprobe.flow.hello_segments import SentHello


@click.command()
@click.argument("sources", metavar="CAPTURE|FILE...", nargs=-1, required=True)
@click.option("--flow", "flows", multiple=True, type=click.IntRange(1), metavar="N", help="Only the hello of this flow; may be repeated.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only hellos that ask for this name (or one below it); may be repeated.")
@click.option("-o", "--out", "folder", metavar="DIR", help="Write each hello's bytes to DIR/flow-N-NAME.bin too, CAPTURE- before it where there are several.")
@click.option("--case", "case", metavar="FAMILY/NAME", help="Make a case of the flows that carry them: their packets, an ORIGIN.md, an expectation to fill in.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line (the default where the output is no terminal).")
def extract(sources: tuple[str, ...], flows: tuple[int, ...], names: tuple[str, ...], folder: str | None, case: str | None, as_json: bool) -> None:
    """Take the ClientHellos out of captures (pcap, pcapng), exports of tshark or hex: one line a hello, with its flow, segmentation and bytes.

    \b
    Examples:
      dpiprobe hello extract browser.pcapng
      dpiprobe hello extract browser.pcapng --name blocked.example -o hellos/
      tshark -r x.pcap -Y tcp.len -T fields -e tcp.payload | dpiprobe hello extract -
      dpiprobe hello extract x.pcapng --flow 12 --case broken/my-network

    Hellos over several segments or records are put together. A line's `hello` is the client's bytes in hex; `segments` say in which packets
    they left, at which offset, how many, and how many seconds after the one before; of QUIC they are the datagrams and `hello` is the message.
    """
    from dpiprobe.cli.recorded_input import recorded_in

    if case is not None and (len(sources) != 1 or sources[0] == "-"):
        raise UsageError("a case is made of the packets of one capture; give one file")
    place = _folder(folder)
    kept: list[SentHello] = []
    written: set[Path] = set()
    for source in sources:
        for sent in recorded_in(source):
            told = _told(sent, source)
            if (flows and sent.flow not in flows) or (names and not _asks(told["server_name"], names)):
                continue
            kept.append(sent)
            if case is not None:
                pass  # what is printed is where the case is
            elif as_json or not sys.stdout.isatty():
                click.echo(json.dumps(told, ensure_ascii=False))
            else:
                click.echo(_line(told))
            if place is not None:
                _write(place, sent, told, source if len(sources) > 1 else "", written)
    if not kept:
        raise InputError(f"no ClientHello {'like that ' if flows or names else ''}is in {', '.join(sources)}; 'dpiprobe analyze' says what is")
    if case is not None:
        _make_case(case, sources[0], kept)


def _told(sent: SentHello, source: str) -> dict[str, Any]:
    from dpiprobe.tls.fingerprint import ja3, ja4
    from dpiprobe.tls.hello import parse, parse_message, printable_name

    hello = parse_message(sent.stream) if sent.quic else parse(sent.stream)
    if hello is None:
        raise InputError(f"the hello of flow {sent.flow} of {source} cannot be read; choose others with --flow")
    length = min(hello.end, len(sent.stream))
    times = [segment.time for segment in sent.segments]
    waits = [0.0, *[(b - a) / 1e9 for a, b in pairwise(times)]]
    return {
        "source": source, "flow": sent.flow, "packet": sent.packet or None, "transport": "quic" if sent.quic else "tcp",
        "client": sent.client or None, "server": sent.server or None, "server_name": hello.server_name,
        "alpn": [printable_name(protocol) for protocol in hello.alpn], "ja3": ja3(hello), "ja4": ja4(hello, "q" if sent.quic else "t"),
        "ech": hello.ech, "complete": hello.complete, "problems": list(hello.problems), "before": sent.before, "length": length,
        "records": [record.length for record in hello.records], "in_order": sent.in_order,
        "segments": [
            {"packet": segment.packet or None, "offset": segment.offset, "length": segment.length, "delay": round(wait, 9)}
            for segment, wait in zip(sent.segments, waits, strict=True) if sent.quic or segment.offset < length
        ],
        "hello": sent.stream[:length].hex(),
    }  # fmt: skip


def _line(told: dict[str, Any]) -> str:
    shape = f"{len(told['segments'])} {'datagram' if told['transport'] == 'quic' else 'segment'}{'s' * (len(told['segments']) != 1)}"
    more = f", {len(told['records'])} records" if len(told["records"]) > 1 else ""
    whole = "" if told["complete"] else ", cut"
    return f"flow {told['flow']:<5} {told['server_name'] or '-':<40} {told['ja4']}  {told['length']} bytes in {shape}{more}{whole}"


def _asks(server_name: str | None, names: tuple[str, ...]) -> bool:
    asked = (server_name or "").lower().rstrip(".")
    return any(asked == name.lower().rstrip(".") or asked.endswith("." + name.lower().strip(".")) for name in names)


def _folder(folder: str | None) -> Path | None:
    if folder is None:
        return None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}); give another folder with -o") from None
    return Path(folder)


def _safe(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "_" for c in text)[:100]


def _write(place: Path, sent: SentHello, told: dict[str, Any], source: str, written: set[Path]) -> None:
    """`source` is in the file's name where there are several; what this call has written is never overwritten by it."""
    stem = f"{_safe(Path(source).name.split('.')[0] or 'stdin')}-" if source else ""
    stem += f"flow-{sent.flow}-{_safe(told['server_name'] or 'no-name')}"
    path = place / f"{stem}.bin"
    while path in written:
        path = place / f"{stem}-{sum(p.name.startswith(stem) for p in written) + 1}.bin"
    written.add(path)
    try:
        path.write_bytes(bytes.fromhex(told["hello"]))
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); give another folder with -o") from None


def _make_case(case: str, source: str, kept: list[SentHello]) -> None:
    """A case of the frames that belong to these hellos' flows, as `cases new --from` makes one of a whole capture."""
    import tempfile

    from dpiprobe.cli.cases import new
    from dpiprobe.report.flow_capture import write_flows

    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.pcapng"
        with part.open("wb") as file:
            write_flows(file, source, {sent.flow for sent in kept})
        click.get_current_context().invoke(new, case=case, capture=str(part), folder=None)
