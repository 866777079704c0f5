"""Records as Parquet: four tables, flows, names, observations and captures, for DuckDB, Polars, pandas and whatever else reads it.

Rules of this file:
- One typed schema, the same for every file, so that many files read as one table; docs/scale.md describes it and a test holds both together.
- Columns are named as in the records (docs/output.md). Absent is NULL. Times are nanoseconds in UTC. Lists stay lists, with typed members.
- Rows go out in groups as they come, so a capture of any length takes bounded memory.
- pyarrow (the extra `parquet`) is imported when the first table is made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dpiprobe.errors import EnvironmentError_
from dpiprobe.report.jsonl import line, plain

FORMAT = "dpiprobe-parquet/1"
GROUP = 5_000
"""Rows of one row group at most; about 20 MB of records of interfered flows in memory."""
Record = Mapping[str, Any]

TABLES: dict[str, dict[str, tuple[str, str]]] = {
    "flows": {
        "capture": ("string", "as named on the command line; the key to `captures`"),
        "flow": ("int64", "number in the capture, from 1"),
        "transport": ("string", "tcp, quic"),
        "client": ("string", "address:port, IPv6 in brackets"),
        "client_address": ("string", ""),
        "client_port": ("int32", ""),
        "server": ("string", "address:port, IPv6 in brackets"),
        "server_address": ("string", ""),
        "server_port": ("int32", ""),
        "first_packet": ("int64", "number as Wireshark shows it"),
        "packets": ("int64", "how many"),
        "start": ("time", "of the first packet"),
        "start_ns": ("int64", "the same, nanoseconds since 1970, for readers that cut nanoseconds"),
        "trigger_kind": ("string", ""),
        "server_name": ("string", ""),
        "alpn": ("strings", ""),
        "ja4": ("string", ""),
        "ech": ("string", ""),
        "outcome": ("string", ""),
        "verdict": ("string", ""),
        "because": ("string", ""),
        "could_be": ("strings", ""),
        "mechanism": ("string", ""),
        "technique": ("string", ""),
        "techniques": ("strings", ""),
        "trigger": ("string", ""),
        "direction": ("string", ""),
        "position": ("string", ""),
        "confidence": ("string", ""),
        "signature": ("string", ""),
        "matches": ("matches", "every signature that matched, with its clauses and packet numbers"),
        "reasons": ("strings", ""),
    },
    "names": {
        "capture": ("string", ""),
        "server": ("string", ""),
        "server_address": ("string", ""),
        "server_port": ("int32", ""),
        "server_name": ("string", ""),
        "controls": ("controls", "names that served as controls, and how often they worked and failed"),
        "outcome": ("string", ""),
        "verdict": ("string", ""),
        "because": ("string", ""),
        "could_be": ("strings", ""),
        "mechanism": ("string", ""),
        "technique": ("string", ""),
        "techniques": ("strings", ""),
        "trigger": ("string", ""),
        "direction": ("string", ""),
        "position": ("string", ""),
        "confidence": ("string", ""),
        "signature": ("string", ""),
        "reasons": ("strings", ""),
        "trials": ("trials", "flows by verdict"),
        "flows": ("integers", "their numbers"),
    },
    "observations": {
        "capture": ("string", ""),
        "flow": ("int64", "the key to `flows`, with `capture`"),
        "observation": ("int64", "place among those of the flow, from 1"),
        "kind": ("string", ""),
        "packets": ("integers", "numbers as Wireshark shows them"),
        "server_packets": ("integers", "numbers in the server-side capture"),
        "detail": ("string", "whatever else the observation holds, as JSON"),
    },
    "captures": {
        "capture": ("string", ""),
        "path": ("string", "absolute path or URL"),
        "sha256": ("string", "of the file as it lay there"),
        "packets": ("int64", ""),
        "undecoded": ("int64", ""),
        "undecoded_reasons": ("counts", ""),
        "other": ("int64", ""),
        "fragments": ("int64", ""),
        "damage": ("strings", "one sentence a loss"),
        "drops": ("int64", ""),
        "links": ("strings", ""),
        "complete": ("bool", ""),
        "tool": ("string", ""),
        "signatures": ("string", "hash of the database"),
    },
}
"""table -> column -> (type by the name used here, what it means where docs/output.md does not say)."""

VERDICTS = ("ok", "contested", "blocked", "down", "insufficient")


def arrow() -> Any:
    """pyarrow with its Parquet writer. Raises EnvironmentError_ where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise EnvironmentError_("Parquet needs the package pyarrow; pip install 'dpiprobe[parquet]'") from None
    return pyarrow


@functools.cache
def types() -> dict[str, Any]:
    """The types that TABLES names."""
    pa = arrow()
    integers = pa.list_(pa.int64())
    clause = pa.struct([("name", pa.string()), ("state", pa.string()), ("packets", integers), ("server_packets", integers)])
    return {
        "string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "bool": pa.bool_(), "time": pa.timestamp("ns", tz="UTC"),
        "strings": pa.list_(pa.string()), "integers": integers,
        "matches": pa.list_(pa.struct([("signature", pa.string()), ("clauses", pa.list_(clause))])),
        "controls": pa.struct([("names", pa.list_(pa.string())), ("ok", pa.int64()), ("failed", pa.int64())]),
        "trials": pa.struct([(word, pa.int64()) for word in VERDICTS]),
        "counts": pa.list_(pa.struct([("reason", pa.string()), ("count", pa.int64())])),
    }


@functools.cache
def schema(table: str) -> Any:
    """The Arrow schema of a table."""
    pa = arrow()
    return pa.schema([(column, types()[kind]) for column, (kind, _) in TABLES[table].items()], metadata={"format": FORMAT})


class Tables:
    """The four tables of some captures, written into a folder as `flows.parquet` and so on while records come in.

    Use it as a context manager; the files are complete after `close`.
    """

    def __init__(self, folder: Path) -> None:
        self.rows = dict.fromkeys(TABLES, 0)
        self._held: dict[str, list[Record]] = {table: [] for table in TABLES}
        pq = arrow().parquet
        self._writers: dict[str, Any] = {}
        try:
            for table in TABLES:
                self._writers[table] = pq.ParquetWriter(str(folder / f"{table}.parquet"), schema(table), compression="zstd", version="2.6")
        except BaseException:
            self.abandon()
            raise

    def add(self, records: Iterable[Record], path: str = "") -> None:
        """Take the records of one capture. `path`: where it lies."""
        flows, names, observations, captures = (self._held[table] for table in ("flows", "names", "observations", "captures"))
        for record in records:
            kind = record.get("kind")
            if kind == "flow":
                flows.append(record)
                for place, seen in enumerate(record["observations"], start=1):
                    observations.append({**seen, "capture": record["capture"], "flow": record["flow"], "observation": place})
                if len(flows) >= GROUP or len(observations) >= GROUP:
                    self._flush("flows")
                    self._flush("observations")
            elif kind == "name":
                names.append(record)
                if len(names) >= GROUP:
                    self._flush("names")
            elif kind == "capture":
                captures.append({**record, "path": path})

    @property
    def held(self) -> int:
        """Rows that wait for their group to fill."""
        return sum(map(len, self._held.values()))

    def close(self) -> dict[str, int]:
        """Write what is left and end the files; how many rows each table has."""
        for table, writer in self._writers.items():
            if self._held[table]:
                self._flush(table)
            writer.close()
        return self.rows

    def abandon(self) -> None:
        """End the files without what is left; they are of no use."""
        for writer in self._writers.values():
            with suppress(OSError):  # the disk is full: each is asked, and none a second time when it is let go
                writer.close()
            writer.is_open = False

    def _flush(self, table: str) -> None:
        rows, self._held[table][:] = list(self._held[table]), []
        self.rows[table] += len(rows)
        self._writers[table].write_table(table_of(table, rows))


def table_of(table: str, rows: list[Record]) -> Any:
    """Records of one kind as an Arrow table."""
    pa = arrow()
    try:
        return pa.table([_column(table, column, rows) for column in TABLES[table]], schema=schema(table))
    except (UnicodeEncodeError, pa.ArrowInvalid, pa.ArrowTypeError):  # the rare row that holds bytes or half a surrogate pair
        rows = [plain(row) for row in rows]
        return pa.table([_column(table, column, rows) for column in TABLES[table]], schema=schema(table))


def _column(table: str, column: str, rows: list[Record]) -> Any:
    derive = DERIVED.get((table, column)) or DERIVED.get(("", column))
    values = [row.get(column) for row in rows] if derive is None else list(map(derive, rows))
    return arrow().array(values, type=types()[TABLES[table][column][0]])


def _address(side: str) -> Callable[[Record], str]:
    return lambda row: str(row[side]).rpartition(":")[0].strip("[]")


def _port(side: str) -> Callable[[Record], int]:
    return lambda row: int(str(row[side]).rpartition(":")[2])


def _matches(row: Record) -> list[dict[str, Any]]:
    return [
        {"signature": match["signature"], "clauses": [{"name": name, **clause} for name, clause in match["clauses"].items()]}
        for match in row["matches"]
    ]


def _detail(row: Record) -> str | None:
    rest = {key: value for key, value in row.items() if key not in TABLES["observations"]}
    return line(rest) if rest else None


DERIVED: dict[tuple[str, str], Callable[[Record], Any]] = {
    ("", "client_address"): _address("client"),
    ("", "client_port"): _port("client"),
    ("", "server_address"): _address("server"),
    ("", "server_port"): _port("server"),
    ("flows", "start"): lambda row: row["start_ns"],
    ("flows", "matches"): _matches,
    ("observations", "detail"): _detail,
    ("captures", "undecoded_reasons"): lambda row: [
        {"reason": reason, "count": count} for reason, count in (row.get("undecoded_reasons") or {}).items()
    ],
}
"""Columns that are not simply the record's key of that name."""
