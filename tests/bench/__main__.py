"""`python -m tests.bench [--quick] [--page docs/performance.md] [--readme README.md] [--json FILE]`: measure dpiprobe beside the alternatives.

A full run takes twenty minutes and 8 GB of temporary space and writes the tables into the page; a quick one takes two minutes and prints them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import machine, page
from tests.bench.captures import FULL, QUICK
from tests.bench.programs import how_to_install, missing
from tests.bench.session import Session


def main() -> int:
    """The command line above. 3 where a program is missing without which the table is no result."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="small captures, two rounds; prints, and writes no page")
    parser.add_argument("--page", type=Path, help="the page whose tables are written anew")
    parser.add_argument("--readme", type=Path, help="the README, whose short table is written anew")
    parser.add_argument("--json", type=Path, dest="kept", help="where all figures are kept")
    parser.add_argument("--parts", default="", help=f"only these, comma between: {', '.join(Session.PARTS)}")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled files, and so has what is measured
    lacking = missing()
    if lacking:
        print(f"bench: {how_to_install(lacking)}", file=sys.stderr)
    if given.page and any(program.needed for program in lacking):
        print("bench: a table without tshark, ndpiReader and cat is no result; nothing is measured", file=sys.stderr)
        return 3
    sizes = QUICK if given.quick else FULL
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="dpiprobe-bench-") as folder:
        session = Session(Path(folder), sizes, lacking)
        if given.parts and given.kept and given.kept.exists():  # parts that were measured before stand beside those of now
            session.figures = json.loads(given.kept.read_text())
        usual = [part for part in Session.PARTS if part != "hellos" or not given.quick]
        for part in given.parts.split(",") if given.parts else usual:
            session.measure(part)
            figures = {"machine": machine.describe(), "quick": given.quick, "missing": [program.name for program in lacking], **session.figures}
            if given.kept:  # after each part: what was measured stays, should a later one fail
                given.kept.parent.mkdir(parents=True, exist_ok=True)
                given.kept.write_text(json.dumps(figures, indent=1) + "\n")
    text = page.tables(figures)
    if given.page and not given.quick:
        page.write(given.page, text)
    if given.readme and not given.quick and "table" in figures:
        page.write(given.readme, page.short(figures))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
