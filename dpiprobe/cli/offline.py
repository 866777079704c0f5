"""What `demo` does where no lab can be built: the recorded cases explained, one line each.

Rules of this file: it says nothing about a network; the cases are recorded or built, and each says what must come out.
"""

from __future__ import annotations

import click


def explain_cases() -> None:
    """Explain every recorded case that shows an interference, and print what was found. Raises UsageError where no cases are there."""
    from dpiprobe.cases.case import load_cases
    from dpiprobe.cases.evidence import evidence_of
    from dpiprobe.cli.judge import explain_file, load_signatures
    from dpiprobe.report.printable import pad, printable, ranges

    database = load_signatures(None)
    rows = [("case", "verdict", "technique", "signature", "position", "evidence packets")]
    for case in load_cases():
        if case.family != "match":
            continue
        explanation = explain_file(str(case.capture), database=database, controls=case.controls)
        told = next((r for r in explanation.records if r["kind"] == "flow" and r["verdict"] != "ok"), None)
        if told is not None:
            words = [printable(str(told[key] or "-")) for key in ("verdict", "technique", "signature", "position")]
            rows.append((case.name, words[0], words[1], words[2], words[3], ranges(evidence_of(told))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(pad(cell, cells) for cell, cells in zip(row, widths, strict=True)).rstrip())
