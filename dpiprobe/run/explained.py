"""The explanation of a run: the same function that explains any capture, its records kept in the run folder.

Rules of this file: nothing here judges, and nothing but the capture and its plan is passed on, so that `dpiprobe analyze` of the same
capture gives the same records.
"""

from __future__ import annotations

from typing import Any

from dpiprobe.run.folder import RunFolder


def explain_run(folder: RunFolder, *, database: Any, server_side: bool = False) -> list[dict[str, Any]]:
    """Explain capture.pcapng, write records.jsonl and summary.json, complete run.json, and return the records.

    database: the signatures · server_side: use server.pcapng as well. Raises InputError where the capture cannot be read."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.explain import explain
    from dpiprobe.plan.comment import plan_in

    capture = read_capture(str(folder.capture))
    other = read_capture(str(folder.server_capture)) if server_side else None
    records = [dict(record) for record in explain(capture, database=database, plan=plan_in(capture.comments), server_side=other).records]
    folder.write_records(records)
    hashes = [record.get("signatures") for record in records if record.get("kind") == "capture"]
    folder.write_run({**folder.run(), "signatures": hashes[0] if hashes else None})
    return records
