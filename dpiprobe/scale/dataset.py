"""A data set of Parquet files that grows batch by batch and can be interrupted anywhere.

    OUT/flows/ID.parquet  names/ID.parquet  observations/ID.parquet  captures/ID.parquet
    OUT/manifest/settings.json      what all of it was made with
    OUT/manifest/ID.json            batch ID is complete: its inputs, and what they come to

Rules of this file:
- A batch is done when its line of the manifest is there; it is written last. Tables without it are left-overs, deleted at the next start.
- ID is made from the batch's inputs and their contents, so a batch done twice writes the same files over the same names.
- What the files were made with is fixed by the first run; another version, database or option is refused, never mixed in.
- A capture that could not be read leaves no row and is tried again by the next run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpiprobe.errors import UsageError
from dpiprobe.report.parquet import FORMAT, TABLES, Tables
from dpiprobe.scale.batches import Task
from dpiprobe.scale.inputs import Input, is_url
from dpiprobe.scale.store import Store, store_of
from dpiprobe.scale.tally import Tally
from dpiprobe.scale.task import Options, Result, explain_one

if TYPE_CHECKING:
    from dpiprobe.signature.database import Database
    from dpiprobe.verdict.expected import Expected

MANIFEST = "manifest"
SETTINGS = f"{MANIFEST}/settings.json"
SUMMARY = f"{MANIFEST}/summary.json"


@dataclass(slots=True)
class Dataset:
    """What is in a data set already. `done`: input key -> (name, stamp, sha256) · `tally`: of all batches"""

    store: Store
    done: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def compare(self, inputs: Sequence[Input]) -> tuple[list[Input], set[str]]:
        """The inputs, each once, in order; and the keys of those that are in it already.

        Raises UsageError where one has changed since, or has the name of another that is in it.
        """
        names = {name: key for key, (name, _, _) in self.done.items()}
        once: dict[str, Input] = {}
        for given in inputs:
            once.setdefault(given.key, given)
            if given.key == "-":
                raise UsageError("standard input cannot be found again when a run is resumed; save the capture, or leave --out DIR out")
            known = self.done.get(given.key)
            if known is None:
                other = names.get(given.name, given.key)
                if other != given.key:
                    raise UsageError(f"{given.name} would be taken for {other}, which is in the data set; give its absolute path, or another --out")
                names[given.name] = given.key
            elif known[1] != given.stamp and not _same_content(given, known[2]):
                raise UsageError(f"{given.name} has changed since it was analyzed into this folder; give another --out")
        return list(once.values()), once.keys() & self.done.keys()


def _same_content(given: Input, sha256: str) -> bool:
    """A file that was only touched or copied back is the same capture."""
    if is_url(given.key):
        return False
    try:
        with open(given.key, "rb") as file:  # noqa: PTH123
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def open_dataset(options: Options) -> Dataset:
    """The data set at `options.out`, cleared of left-overs; begun where there is none.

    Raises UsageError where the folder holds something else, or was made with other settings.
    """
    store = store_of(options.out)
    names = store.names()
    wanted = _settings(options)
    if SETTINGS in names:
        there = _read(store, SETTINGS)
        if there is None:
            raise UsageError(f"{options.out}/{SETTINGS} is damaged, and nobody can say what the folder was made with; give another --out")
        _require_same(there, wanted, options.out)
    elif [name for name in names if not name.startswith(".")]:
        raise UsageError(f"{options.out} holds files that are no data set of dpiprobe; give --out a new folder")
    else:
        store.write(SETTINGS, _json(wanted))
    found = Dataset(store)
    present = set(names)
    kept = {SETTINGS, SUMMARY, ".lock"}
    for name in names:
        batch = name.removeprefix(f"{MANIFEST}/").removesuffix(".json")
        files = {f"{table}/{batch}.parquet" for table in TABLES}
        if not name.startswith(f"{MANIFEST}/") or name in kept or not files <= present:
            continue
        record = _read(store, name)
        if record is None:  # as if the batch had no line
            continue
        kept |= files | {name}
        found.tally.add(Tally.from_plain(record["tally"]))
        found.done |= {i["key"]: (i["name"], i["stamp"], i["sha256"]) for i in record["inputs"] if i["error"] is None}
    for name in names:
        if name not in kept:
            store.delete(name)
    return found


def _read(store: Store, name: str) -> dict[str, Any] | None:
    """A file of the manifest; None where it is damaged (a machine that lost power, a disk)."""
    try:
        value = json.loads(store.read(name))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _settings(options: Options) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "tool": options.tool,
        "signatures": options.database,
        "options": {
            "controls": sorted(set(options.controls)), "interesting": options.interesting, "server_side": options.server_side,
            "expected": sorted(map(_print, options.expected)),
        },
    }


def _print(expected: Expected) -> str:
    """What a certificate is expected for, and a hash over all that is known of it."""
    known = "".join([*sorted(expected.prints), *(authority.hex() for authority in sorted(expected.authorities))])
    return f"{', '.join(expected.names or ['any name'])}: {hashlib.sha256(known.encode()).hexdigest()[:16]}"


def _require_same(there: dict[str, Any], wanted: dict[str, Any], out: str) -> None:
    """Refuse to put results side by side that were made by different means."""
    was, now = ({**{k: v for k, v in s.items() if k != "options"}, **s.get("options", {})} for s in (there, wanted))
    wrong = [f"{key} {_short(was.get(key))} instead of {_short(now[key])}" for key in now if was.get(key) != now[key]]
    if wrong:
        raise UsageError(f"{out} was made with {', '.join(wrong)}; give the same again, or another --out")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 64 else text


def write_batch(task: Task, options: Options, database: Database) -> list[Result]:
    """Explain a batch of captures and add their rows to the data set, all or nothing. In a worker."""
    store = store_of(options.out)
    failed: dict[int, Result] = {}
    with store.workshop() as aside:
        while True:
            results, rows, spoilt = _fill(task, options, database, aside, failed)
            if not spoilt:
                break
            failed |= spoilt
        if any(result.error is None for result in results):
            store.publish({f"{table}/{task.id}.parquet": aside / f"{table}.parquet" for table in TABLES})
            store.write(f"{MANIFEST}/{task.id}.json", _json(_line(task, results, rows)))
    return results


def _fill(
    task: Task, options: Options, database: Database, aside: Path, failed: dict[int, Result]
) -> tuple[list[Result], dict[str, int], dict[int, Result]]:
    """Write the tables of a batch, without the captures of `failed`: results, rows, and captures that failed after they gave rows."""
    tables = Tables(aside)
    results: list[Result] = []
    spoilt: dict[int, Result] = {}
    try:
        for place, given in task.inputs:
            if place in failed:
                results.append(failed[place])
                continue
            before = dict(tables.rows), tables.held

            def take(records: Any, given: Input = given) -> None:
                tables.add(records, given.key)

            result = explain_one(place, given, options, database, lambda _: None, take=take, cores=options.cores)
            results.append(result)
            if result.error is not None and (tables.rows, tables.held) != before:
                spoilt[place] = result
        return results, tables.close(), spoilt
    except BaseException:
        with suppress(Exception):
            tables.abandon()
        raise


def _line(task: Task, results: list[Result], rows: dict[str, int]) -> dict[str, Any]:
    """The manifest's line of a batch."""
    tally = Tally()
    for result in results:
        if result.error is None:
            tally.add(result.tally)
    return {
        "batch": task.id,
        "inputs": [
            {"name": given.name, "key": given.key, "size": given.size, "stamp": given.stamp, "sha256": result.sha256, "error": result.error}
            for (_, given), result in zip(task.inputs, results, strict=True)
        ],
        "rows": rows,
        "tally": tally.plain(),
    }


def finish(dataset: Dataset, errors: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Write down what the whole data set comes to, and give it back."""
    summary = {"format": FORMAT, "kind": "summary", **dataset.tally.plain(), "errors": [{"capture": c, "error": e} for c, e in errors]}
    dataset.store.write(SUMMARY, _json(summary))
    return summary


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=True, indent=1) + "\n").encode()
