"""What a worker does, in this process or in another: read captures, explain them, give the records where they belong.

Rules of this file:
- One function explains every capture (`dpiprobe.explain`), with the same options wherever it runs; so one worker and many give the same bytes.
- What is wrong with one capture is in its `Result` and stops nothing. What is wrong with the call (no such signatures) is an exception.
- Lines that are many go to a file of the folder `spool`, not through the pipe to the parent: memory stays bounded.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dpiprobe import __version__
from dpiprobe.errors import DpiprobeError, EnvironmentError_, InputError
from dpiprobe.scale.batches import Task
from dpiprobe.scale.inputs import Input, file_system, is_url
from dpiprobe.scale.tally import Tally

if TYPE_CHECKING:
    from dpiprobe.report.summary import Summary
    from dpiprobe.signature.database import Database
    from dpiprobe.verdict.expected import Expected

Form = Literal["lines", "table", "parquet"]
Records = Iterable[Mapping[str, Any]]
SPOOL = 4 << 20
"""Bytes of lines that a worker holds in memory for one capture."""
TOGETHER = 256
"""Lines that are encoded and written at once."""
FETCHED = 64 << 20
"""Bytes of a remote capture up to which one request fetches it whole; above, it is read in pieces."""


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that decides what the records say and where they go.

    expected: certificates that names are known to be served with
    database: hash of the signatures that the caller has loaded, so that no worker judges by others · out: folder or URL of the Parquet data set
    cores: processes that one large capture may be spread over
    spool: folder for long outputs of this machine's workers, None where there is none
    """

    form: Form = "lines"
    signatures: str | None = None
    controls: tuple[str, ...] = ()
    server_side: str | None = None
    interesting: bool = False
    fail_on: tuple[str, ...] = ()
    database: str = ""
    tool: str = __version__
    out: str = ""
    cores: int = 1
    spool: str | None = None
    expected: tuple[Expected, ...] = ()


@dataclass(slots=True)
class Result:
    """What became of one capture.

    place: among all inputs · error: why it could not be read · internal: the traceback where the error is this program's own
    hits: records with a verdict of --fail-on · unused: controls that nobody asked for · partners: flows that the server side holds too
    sha256: of the file · text, spooled: its lines, or the file that holds them · summaries: for the table
    """

    place: int
    name: str
    size: int = 0
    error: str | None = None
    internal: str | None = None
    hits: int = 0
    unused: tuple[str, ...] = ()
    partners: int | None = None
    sha256: str = ""
    text: bytes = b""
    spooled: str | None = None
    summaries: list[Summary] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def run_task(task: Task, options: Options) -> list[Result]:
    """Do a batch, in a process of its own or a cluster's."""
    database = signatures(options.signatures, options.database, options.tool)
    if options.form == "parquet":
        from dpiprobe.scale.dataset import write_batch

        return write_batch(task, options, database)
    results = []
    for place, given in task.inputs:
        if options.form == "table":
            results.append(explain_one(place, given, options, database, _no_op, raw=True))
            continue
        with _Spool(options.spool) as spool:
            result = explain_one(place, given, options, database, spool.write)
            if result.error is None:
                spool.give(result)
        results.append(result)
    return results


def explain_one(
    place: int, given: Input, options: Options, database: Database, write: Callable[[bytes], Any], *, raw: bool = False,
    take: Callable[[Records], None] | None = None, bare: bool = False, cores: int = 1,
) -> Result:
    """Explain one capture.

    write: gets the JSON lines as they come · raw: no lines but a summary · take: gets the records instead of either
    bare: an error of this program's own is raised, not noted · cores: processes that one large capture may be spread over
    """
    result = Result(place, given.name, given.size)
    try:
        piped: Any = None
        data: bytes | None = None
        if given.key == "-" and options.server_side is None:
            from dpiprobe.partition.size import begin

            data, piped = begin(sys.stdin.buffer)
        if piped is not None or (options.server_side is None and _is_large(given)):
            _explain_large(given, options, database, write, result, raw, take, cores, piped)
            return result
        explanation = explain_file(given, database=database, controls=options.controls, server_side=options.server_side, data=data, expected=options.expected)
        asked: set[str] = set()
        records: Records = explanation.records
        if options.form == "parquet":
            records = result.tally.watch(records)
        if options.form == "parquet" or options.fail_on or options.controls:
            records = _watched(records, result, options.fail_on, asked)
        if options.interesting:
            records = (r for r in records if r.get("kind") != "flow" or r.get("verdict") != "ok")
        if take is not None:
            take(records)
        elif raw:
            from dpiprobe.report.summary import summaries

            result.summaries = list(summaries(records))
            for summary in result.summaries:
                summary.files = given.parts
        else:
            _write_lines(records, write)
        result.unused = tuple(name for name in options.controls if name.lower() not in asked)
        result.partners = explanation.partners
        explanation.observed.forget()  # nothing refers to itself in a circle then: one capture is gone before the next
    except InputError as wrong:
        result.error = str(wrong)
    except MemoryError:
        result.error = f"{given.name} needs more memory than there is; cut it into parts with 'editcap -c 1000000'."
    except (DpiprobeError, OSError):
        raise
    except Exception as broken:
        if bare:
            raise
        result.internal = traceback.format_exc()
        result.error = f"internal error at {given.name}, {type(broken).__name__}: {broken}; please report it"
    return result


def explain_file(
    given: Input, *, database: Database, controls: tuple[str, ...], server_side: str | None, data: bytes | None = None, expected: tuple[Expected, ...] = ()
) -> Any:
    """Read one capture and explain it; InputError where it cannot be read. `data`: its bytes, where they are there already."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.explain import explain

    capture = _read(given.name, given) if data is None else read_capture("-", given.name, data)
    other = None if server_side is None else _read(server_side)
    return explain(capture, database=database, controls=controls, server_side=other, expected=expected)


def _is_large(given: Input) -> bool:
    """A file or an object that is worth reading in parts."""
    from dpiprobe.partition.size import LARGE, is_large

    if given.parts:
        return given.size >= LARGE
    return given.size > FETCHED if is_url(given.key) else given.key != "-" and is_large(given.key)


def _explain_large(
    given: Input, options: Options, database: Database, write: Callable[[bytes], Any], result: Result, raw: bool,
    take: Callable[[Records], None] | None, cores: int, piped: Any = None,
) -> None:  # fmt: skip
    """The same for a capture that is explained in parts: counts come from the parts, lines as they stand."""
    from dpiprobe.partition.large import explain_large

    with _opened(given) if piped is None else contextlib.nullcontext(piped) as source:
        explanation = explain_large(
            source, given.name, database=database, controls=options.controls, lines=not raw, interesting=options.interesting, jobs=cores,
            expected=options.expected, hashed=not raw,  # a table shows no hash
        )
    try:
        said, names = explanation.said, explanation.names
        for counted in ("verdicts", "techniques", "signatures"):
            getattr(result.tally, "flows" if counted == "verdicts" else counted).update(getattr(said, counted))
        result.hits = sum(said.verdicts[word] for word in options.fail_on) + sum(name.verdict in options.fail_on for name in names)
        closing = result.tally.watch(explanation.closing(short=raw and take is None))
        result.sha256 = explanation.capture.sha256
        result.unused = tuple(name for name in options.controls if name.lower() not in said.asked)
        if take is not None:
            take(explanation.records)
            deque(closing, maxlen=0)
        elif raw:
            from dpiprobe.report.summary import summary_of

            result.summaries = [summary_of(said.verdicts, said.signatures, explanation.told(), closing)]
            result.summaries[0].files = given.parts
        else:
            for text in explanation.flow_lines():
                write(text)
            _write_lines(closing, write)
    finally:
        explanation.close()


def _read(name: str, given: Input | None = None) -> Any:
    from dpiprobe.capture.read import read_capture

    given = given if given is not None else Input(name, name)
    if given.parts:
        from dpiprobe.capture.together import read_together

        return read_together(given.parts)
    if is_url(given.key) and 0 < given.size <= FETCHED:
        with _fetching(given) as (system, path):
            data = system.cat_file(path)
        return read_capture(name, data=data)
    with _opened(given) as source:
        return read_capture(source, name)


@contextmanager
def _opened(given: Input) -> Iterator[Any]:
    """What a reader of captures is to be given: a path, several files as one, or an object of a store, open."""
    if given.parts:
        from dpiprobe.capture.together import Together

        yield Together(given.parts)
        return
    if not is_url(given.key):
        yield given.key
        return
    with _fetching(given) as (system, path), system.open(path, "rb", block_size=8 << 20) as file:
        yield file


@contextmanager
def _fetching(given: Input) -> Iterator[tuple[Any, str]]:
    """The file system of a URL and the path in it; whatever its backend raises is an error of that capture."""
    system, path = file_system(given.key)
    try:
        yield system, path
    except (DpiprobeError, MemoryError):
        raise
    except FileNotFoundError:
        raise InputError(f"{given.name} does not exist; check the address.") from None
    except Exception as problem:  # each backend has errors of its own
        if type(problem).__module__ == "builtins" and not isinstance(problem, OSError):
            raise
        why = f"{type(problem).__name__}: {problem}"
        raise InputError(f"{given.name} cannot be fetched ({why}); check the address and who may read it.") from None


@functools.lru_cache(maxsize=4)
def signatures(folder: str | None, expected: str = "", tool: str = __version__) -> Database:
    """The signatures of a folder, loaded once a process.

    Raises EnvironmentError_ where this process has another version of the program or other signatures than its caller.
    """
    from pathlib import Path

    from dpiprobe.signature.database import load

    database = load(None if folder is None else Path(folder))
    if tool != __version__ or (expected and database.hash != expected):
        raise EnvironmentError_(
            f"a worker on {os.uname().nodename} has dpiprobe {__version__} with signatures {database.hash[:12]}, "
            f"the caller dpiprobe {tool} with {expected[:12]}; install the same on all machines"
        )
    return database


def _watched(records: Records, result: Result, words: tuple[str, ...], asked: set[str]) -> Iterator[Mapping[str, Any]]:
    """The records as they are; what --fail-on and --control want to know is noted."""
    for record in records:
        kind = record.get("kind")
        if kind == "capture":
            result.sha256 = str(record.get("sha256") or "")
        if kind == "flow" and record.get("server_name"):
            asked.add(str(record["server_name"]).lower())
        if words and kind in ("flow", "name") and record.get("verdict") in words:
            result.hits += 1
        yield record


def _write_lines(records: Records, write: Callable[[bytes], Any]) -> None:
    from dpiprobe.report.jsonl import lines

    text = lines(records)
    while piece := "".join(itertools.islice(text, TOGETHER)):
        write(piece.encode())


def _no_op(_: bytes) -> None:
    """Where no lines are wanted."""


class _Spool:
    """Lines of one capture: in memory while they are few, in a file of the spool folder once they are many."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._pieces: list[bytes] = []
        self._held = 0
        self._file: Any = None

    def __enter__(self) -> _Spool:
        return self

    def write(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._folder is not None and self._held > SPOOL:
            if self._file is None:
                self._file = tempfile.NamedTemporaryFile(dir=self._folder, delete=False)  # noqa: SIM115 (closed in __exit__)
            self._file.write(b"".join(self._pieces))
            self._pieces, self._held = [], 0

    def give(self, result: Result) -> None:
        """Hand over what was written."""
        if self._file is None:
            result.text = b"".join(self._pieces)
        else:
            self._file.write(b"".join(self._pieces))
            result.spooled, self._file.delete = self._file.name, False

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
