"""Agreement with tshark: the same number of frames in every capture that it reads, and the same headers.

`pcaps/` always, the corpus where DPIPROBE_CORPUS is set. Differences that are right as they are stand in the table, each with its reason.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import pytest

from dpiprobe.capture.model import Capture
from dpiprobe.capture.read import read_capture
from dpiprobe.errors import InputError
from dpiprobe.wire.packets import ICMP, ICMPV6, TCP
from tests.conftest import ROOT

SUFFIXES = {".pcap", ".pcapng", ".cap", ".gz", ".zst"}
LIMIT = 5000  # frames a capture

ACCEPTED_COUNTS = {
    "tiny1.pcap": "one byte: tshark takes it for a text file of one line",
    "tiny3.pcap": "three bytes of a magic number: tshark takes them for a text file",
}
"""Captures of whose frames tshark counts another number."""

ACCEPTED_FIELDS = {
    ("ip_length", "reassembled"): "a datagram put together from fragments has the whole's length here, the last fragment's there",
    ("payload_length", "cut"): "where the IP length reaches beyond the frame tshark ends the payload with the frame; here it stays IP's",
}
"""Fields that tshark reads in another way (checked in `differs`)."""

FIELDS = {
    "tcp.srcport": "source_port", "tcp.dstport": "destination_port", "tcp.seq_raw": "seq", "tcp.ack_raw": "ack", "tcp.flags": "flags",
    "tcp.window_size_value": "window", "tcp.len": "payload_length", "ip.ttl": "ttl", "ip.id": "ip_id", "ip.len": "ip_length",
    "udp.srcport": "source_port", "udp.dstport": "destination_port", "tcp.options.timestamp.tsval": "ts_value", "tcp.options.mss_val": "mss",
}  # fmt: skip
ENDS = {"ip.src": "source", "ipv6.src": "source", "ip.dst": "destination", "ipv6.dst": "destination"}


def captures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file())


def disagreements(tshark: str, path: Path) -> list[str]:
    """Where tshark sees another number of frames, or other headers in the frames that both read as TCP or UDP without a tunnel."""
    names = [f for name in ("frame.number", *FIELDS, *ENDS) for f in ("-e", name)]
    run = subprocess.run([tshark, "-n", "-r", str(path), "-c", str(LIMIT), "-T", "fields", *names], capture_output=True, check=False)
    lines = [line.split("\t") for line in run.stdout.decode("utf-8", "replace").splitlines()]
    try:
        capture = read_capture(path)
    except InputError as error:
        return [f"{path.name}: {len(lines)} frames for tshark, here {error}"] if lines and path.name not in ACCEPTED_COUNTS else []
    wrong = []
    here = min(capture.frames, LIMIT)
    # where tshark gives up, reading further is welcome
    if here != len(lines) and (run.returncode == 0 or here < len(lines)) and path.name not in ACCEPTED_COUNTS:
        wrong.append(f"{path.name}: {len(lines)} frames for tshark, {here} here")
    row_of = {number: row for row, number in enumerate(capture.packets.number.tolist())}
    for number, *values in lines:
        row = row_of.get(int(number))
        seen = dict(zip((*FIELDS, *ENDS), values, strict=False))
        if row is None:
            if seen["tcp.srcport"] and "," not in seen["tcp.srcport"]:
                wrong.append(f"{path.name} frame {number}: TCP for tshark only")
            continue
        if capture.packets.protocol[row] in (ICMP, ICMPV6) or any("," in value for value in values):
            continue
        if bool(seen["tcp.srcport"]) != (capture.packets.protocol[row] == TCP):
            wrong.append(f"{path.name} frame {number}: TCP for one only")
        wrong += [f"{path.name} frame {number}: {name} is {seen[name]}" for name in seen if seen[name] and differs(capture, row, name, seen[name])]
    return wrong


def differs(capture: Capture, row: int, name: str, value: str) -> bool:
    packets = capture.packets
    if name in ENDS:
        return packets.addresses[getattr(packets, ENDS[name])[row]] != ip_address(value).packed
    here = int(getattr(packets, FIELDS[name])[row])
    if here == int(value, 0):
        return False
    if name == "ip.len":  # ACCEPTED_FIELDS: reassembled
        return here < int(value, 0) or bool(packets.df[row])
    return not (name == "tcp.len" and packets.payload_captured[row] == int(value, 0) < here)  # ACCEPTED_FIELDS: cut


def all_disagreements(tshark: str, paths: list[Path]) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [d for found in pool.map(lambda path: disagreements(tshark, path), paths) for d in found]


def test_recorded_cases_are_as_for_tshark(tshark: str) -> None:
    assert all_disagreements(tshark, captures(ROOT / "pcaps")) == []


def test_the_corpus_is_as_for_tshark(tshark: str, corpus: Path) -> None:
    assert all_disagreements(tshark, [p for part in ("clean", "field", "boxes") for p in captures(corpus / part)]) == []


def test_frames_of_hostile_captures_are_as_many_as_tshark_counted(corpus: Path) -> None:
    """Against the counts that lie beside them, so that a thousand files do not start a thousand programs."""
    table = corpus / "hostile" / "tshark-counts.tsv"
    if not table.exists():
        pytest.skip("no tshark-counts.tsv in the corpus")
    wrong = []
    for line in table.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, status, counted = line.split("\t")
        try:
            frames = min(read_capture(table.parent / name).frames, LIMIT)
        except InputError:
            frames = 0
        if frames < int(counted) or (status == "ok" and frames > int(counted)):
            wrong.append((name, frames, counted))
    assert [w for w in wrong if Path(w[0]).name not in ACCEPTED_COUNTS] == []
