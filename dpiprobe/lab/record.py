"""A case out of the lab: one run of the prober through a box, both captures, what comes out as a draft expectation, and where it is from.

Rules of this file:
- The case is an ordinary one (`cases/case.py`): `test.pcap`, `server.pcap`, `expect.yaml`, `ORIGIN.md`. Captures are classic pcap with nanoseconds;
  the plan does not travel with them, so the allowed name is named as control.
- The expectation is what the explanation *says*, not what the box is; a person reads it before it is believed, and the file says so.
- While it records nothing is on disk; then the case is written to a folder beside the target and renamed: it is there whole, or not at all.
"""

from __future__ import annotations

import datetime
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpiprobe.cases.case import DRAFT
from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.lab.availability import package_environment
from dpiprobe.lab.session import Lab

_FIELDS = ("server_name", "verdict", "because", "technique", "signature", "position")
_ETHERNET, _PACKET = 1, 6  # LINKTYPE_ETHERNET; the enhanced packet block (draft-ietf-opsawg-pcapng section 4.3)
BODY = 24_000  # bytes of the page: three seconds at the lab's 8 kB/s, more than an initial window


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where the case is, and what its draft says of the name in question."""

    folder: Path
    packets: dict[str, int]
    verdict: str | None
    technique: str | None
    signature: str | None


def record(
    box: Any, target: Path, options: Mapping[str, Any], *, title: str, command: str, repetitions: int = 2, database: Any = None,
    told: Callable[[str], None] = lambda _: None,
) -> Recorded:  # fmt: skip
    """Stand the lab up (`options` are arguments of `Lab`), probe through it, write the case to `target`.

    Raises UsageError where `target` is there already, EnvironmentError_ where no lab can be made or the prober fails in it.
    """
    if target.exists():
        raise UsageError(f"{target} is there already; choose another name")
    settings = {"body": BODY, **{key: value for key, value in options.items() if value is not None}}
    with Lab(box, **settings) as lab:
        told(f"recording, seed {lab.seed}")
        with lab.capture(None) as capture:
            _probe(lab, repetitions, settings["body"])
        seed, names, condition = lab.seed, [lab.allowed_name, *lab.blocked], lab.condition
    lost = sum(count["dropped"] for count in (capture.counts or {}).values())
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        packets = {name: _as_pcap(capture.files[end], work / name) for end, name in (("client", "test.pcap"), ("server", "server.pcap"))}
        lead = _draft(work, names[0], names[1], title, database)
        (work / "ORIGIN.md").write_text(_origin(title, command, seed, repetitions, f"{condition.name}: {condition.says}", lost))
        work.chmod(0o755)
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return Recorded(target, packets, lead.get("verdict"), lead.get("technique"), lead.get("signature"))


def _probe(lab: Lab, repetitions: int, body: int) -> None:
    """The ordinary command; what it writes beside its packets goes to a /run in memory that is gone with it."""
    done = lab.run_in("client", [
        "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh",
        sys.executable, "-m", "dpiprobe", "probe", lab.server, "--name", lab.blocked[0], "--control", lab.allowed_name, "--handshake",
        "--get", f"/bytes/{body}", "--repetitions", str(repetitions), "--rate", "2", "--wait", "10", "--timeout", "8", "--seed", str(lab.seed & 0xFFFF),
        "--vantage", "lab", "--out", "/run/probe", "--json",
    ], env=package_environment(), capture_output=True, timeout=900)  # fmt: skip
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise EnvironmentError_(f"the prober failed inside the lab (exit {done.returncode}): {words}; 'dpiprobe doctor' says what this machine lacks")


def _as_pcap(source: Path, target: Path) -> int:
    """The frames of a pcapng that a tap of ours wrote (one interface, nanoseconds, little-endian) as a classic pcap; how many there are."""
    from dpiprobe.capture.write import PcapWriter

    data = source.read_bytes()
    at = count = 0
    with target.open("wb") as file:
        writer = PcapWriter(file, _ETHERNET)
        while at + 12 <= len(data):
            kind, length = struct.unpack_from("<II", data, at)
            if kind == _PACKET:
                _, high, low, captured, whole = struct.unpack_from("<IIIII", data, at + 8)
                writer.packet(high << 32 | low, data[at + 28 : at + 28 + captured], whole)
                count += 1
            at += length
    return count


def _draft(work: Path, allowed: str, blocked: str, title: str, database: Any) -> dict[str, Any]:
    """Explain the case as `cases run` will, and write that down; the record of the name in question."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.explain import explain
    from dpiprobe.signature.database import load

    near, far = read_capture(work / "test.pcap"), read_capture(work / "server.pcap")
    records = list(explain(near, database=database or load(), controls=(allowed,), server_side=far).records)
    flows = [r for r in records if r["kind"] == "flow"]
    names = [r for r in records if r["kind"] == "name"]
    lines = [
        DRAFT,
        f"about: {_quoted(title)}", f"controls: [{allowed}]", "flows:",
    ]  # fmt: skip
    lines += [f'  "{r["flow"]}": {_line(r)}' for r in flows]
    lines += ["names:", *(f"  {r['server_name'] or 'none'}: {_line({**r, 'server_name': None})}" for r in names)]
    (work / "expect.yaml").write_text("\n".join(lines) + "\n")
    return next((r for r in names if r["server_name"] == blocked), names[0] if names else {})


def _line(record: Mapping[str, Any]) -> str:
    """The fields that a case compares, as one flow mapping; those that say nothing are left out."""
    return "{" + ", ".join(f"{key}: {_quoted(str(record[key]))}" for key in _FIELDS if record.get(key) is not None) + "}"


def _quoted(text: str) -> str:
    """A YAML scalar: plain where it is a word, else in double quotes."""
    import json

    return text if text and all(c.isalnum() or c in ".-_" for c in text) and not text[0].isdigit() else json.dumps(text, ensure_ascii=False)


def _origin(title: str, command: str, seed: int, repetitions: int, condition: str, lost: int) -> str:
    day = datetime.datetime.now(datetime.UTC).date()
    return f"""{title}

Recorded in the lab of dpiprobe on {day}, in network namespaces of one machine: real kernels, addresses set aside for benchmarks (RFC 2544), a real
TLS server, no third party's traffic. CC0.

- command: `{command}`
- seed: {seed} (box and path repeat themselves with it; kernels' sequence numbers and ports do not)
- path: {condition}
- trials: {repetitions} of each name, in random order
- frames lost by the captures: {lost}
"""
