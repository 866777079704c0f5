"""The folder of one run: what is in it, and how it is written so that an interrupt or a crash leaves something that can be read.

    capture.pcapng   what the client's interface saw; its section comments hold the plan
    server.pcapng    what the server's side saw, where somebody recorded that
    plan.json        what was intended, with the source endpoint of each trial; written before the first packet
    trials.jsonl     what the application saw, one line a trial, appended as each ends; never evidence for a verdict
    records.jsonl    the records of `analyze` on capture.pcapng
    summary.json     the name records alone, and the counts of verdicts
    run.json         the run's record: vantage, tool, signatures, capture point, drops, clock, arguments, and how far it came

Rules of this file: whole files are replaced atomically (written beside, then renamed); lines are appended whole and flushed; a cut last
line of an interrupted run is left out and said.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpiprobe.errors import InputError, UsageError
from dpiprobe.plan.plan import Plan, read_plan
from dpiprobe.report import jsonl


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run folder; make it with `create` or `open`."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """A new folder, or an empty one that is there. Raises UsageError where it would overwrite something, or cannot be made."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise UsageError(f"{path} is not empty; give another folder with -o, a run is never overwritten")
        except OSError as error:
            raise UsageError(f"{path} cannot be made ({error.strerror}); give another folder with -o") from None
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A folder that holds a run. Raises InputError where there is none."""
        if not (path / "run.json").is_file():
            raise InputError(f"{path} is no run folder, it has no run.json; give a folder that 'dpiprobe probe' wrote")
        return cls(path)

    @property
    def capture(self) -> Path:
        """The client side's capture."""
        return self.path / "capture.pcapng"

    @property
    def server_capture(self) -> Path:
        """The server side's capture; may not exist."""
        return self.path / "server.pcapng"

    def write_plan(self, plan: Plan) -> None:
        """Replace plan.json."""
        self._replace("plan.json", plan.to_json(indent=1) + "\n")

    def plan(self) -> Plan:
        """The plan. Raises InputError where it is missing or broken."""
        return read_plan(self._text("plan.json"), str(self.path / "plan.json"))

    def append_trial(self, record: Mapping[str, Any]) -> None:
        """Append one line to trials.jsonl; it is on disk when this returns."""
        with (self.path / "trials.jsonl").open("a", encoding="utf-8") as file:
            file.write(jsonl.line(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def trials(self) -> list[dict[str, Any]]:
        """The application's view of the trials that were run, in order; a cut last line is left out."""
        return self._lines("trials.jsonl")

    def write_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Replace records.jsonl and summary.json."""
        rows = list(records)
        self._replace("records.jsonl", "".join(jsonl.lines(rows)))
        names = [row for row in rows if row.get("kind") == "name"]
        counts: dict[str, int] = {}
        for row in rows:
            if row.get("kind") == "flow":
                word = str(row.get("verdict"))
                counts[word] = counts.get(word, 0) + 1
        summary = {"format": jsonl.FORMAT, "kind": "summary", "names": names, "flows": dict(sorted(counts.items()))}
        self._replace("summary.json", json.dumps(jsonl.plain(summary), ensure_ascii=False, indent=1) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The records of the last explanation."""
        return self._lines("records.jsonl")

    def write_run(self, record: Mapping[str, Any]) -> None:
        """Replace run.json."""
        self._replace("run.json", json.dumps(jsonl.plain(record), ensure_ascii=False, indent=1) + "\n")

    def run(self) -> dict[str, Any]:
        """The run's record. Raises InputError where it is broken."""
        try:
            record = json.loads(self._text("run.json"))
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise InputError(f"{self.path / 'run.json'} is broken; analyze {self.capture} itself")
        return record

    def _replace(self, name: str, text: str) -> None:
        beside = self.path / f".{name}.part"
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path / name)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.path / name} cannot be read ({error.strerror}); is {self.path} the folder of a run?") from None
        except UnicodeDecodeError:
            raise InputError(f"{self.path / name} is not text; is {self.path} the folder of a run?") from None

    def _lines(self, name: str) -> list[dict[str, Any]]:
        text = self._text(name)
        rows: list[dict[str, Any]] = []
        for number, row in enumerate(text.split("\n")[:-1], 1):
            try:
                rows.append(json.loads(row))
            except ValueError:
                raise InputError(f"{self.path / name}:{number} is not a record; the file was changed after the run") from None
        return rows
