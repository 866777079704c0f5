"""What many captures come to, in a few lines for a person.

Rules of this file: it prints a summary's counts, most frequent first; it judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpiprobe.report.printable import printable
from dpiprobe.report.summary import counts

MOST = 12
"""Techniques and signatures that are listed; the data set has them all."""


def totals(summary: Mapping[str, Any], out: str) -> str:
    """Lines for the counts of `summary`, and how to look further into the data set `out`."""
    lines = [
        f"captures: {summary['captures']:,}" + (f", {len(summary['errors']):,} more could not be read" if summary["errors"] else ""),
        f"packets: {summary['packets']:,}",
        f"names: {counts(summary['names'])}",
        f"flows: {counts(summary['flows'])}",
    ]
    if summary["incomplete"]:
        lines.append(f"incomplete captures: {summary['incomplete']:,}; `damage`, `drops` and `undecoded` in the table `captures` say what was lost")
    for head in ("techniques", "signatures"):
        found = list(summary[head].items())
        if found:
            more = f", ... and {len(found) - MOST} more" if len(found) > MOST else ""
            lines.append(f"{head}: " + ", ".join(f"{count:,} {printable(word)}" for word, count in found[:MOST]) + more)
    where = printable(out.rstrip("/"))
    lines += ["", "look further:", f"  duckdb -c \"from read_parquet('{where}/names/*.parquet') select verdict, technique, count(*) group by all\""]
    return "\n".join(lines) + "\n"
