"""Records as Parquet: typed, documented, and read by what people have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dpiprobe.report.parquet import TABLES
from tests.conftest import ROOT, require
from tests.report.fixtures import OK_FLOW, capture, flow, name

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    require("parquet", "pyarrow is not installed")

from dpiprobe.report.parquet import Tables, schema, table_of


def full(record: dict[str, Any], table: str) -> dict[str, Any]:
    """A hand-made record with every key that a real one has."""
    return {**dict.fromkeys(TABLES[table]), **record}


FLOW = full(flow(12, server="[2001:db8::1]:443", start_ns=1795462205036376001), "flows")
ODD = full(flow(13, **(OK_FLOW | {"server_name": "half \udcff", "reasons": [], "alpn": None})), "flows")
RECORDS = [FLOW, ODD, full(name([12]), "names"), capture() | {"undecoded_reasons": {"link": 3}}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    tables = Tables(out)
    tables.add(RECORDS, "/somewhere/x.pcap")
    assert tables.close() == {"flows": 2, "names": 1, "observations": len(FLOW["observations"]) + len(ODD["observations"]), "captures": 1}
    return out


@pytest.mark.parametrize("table", TABLES)
def test_the_file_has_the_schema_whatever_it_holds(folder: Path, tmp_path: Path, table: str) -> None:
    Tables(tmp_path).close()
    assert pq.read_schema(folder / f"{table}.parquet") == pq.read_schema(tmp_path / f"{table}.parquet") == schema(table)


def test_rows_say_what_the_record_says(folder: Path) -> None:
    row = pq.read_table(folder / "flows.parquet").to_pylist()[0]
    assert row["start_ns"] == FLOW["start_ns"]
    assert (row["server_address"], row["server_port"]) == ("2001:db8::1", 443)
    assert row["verdict"] == FLOW["verdict"] and row["reasons"] == FLOW["reasons"]
    for match, record in zip(row["matches"], FLOW["matches"], strict=True):
        assert match["signature"] == record["signature"]
        assert {c["name"]: c["packets"] for c in match["clauses"]} == {name: c["packets"] for name, c in record["clauses"].items()}


def test_times_keep_their_nanoseconds(folder: Path) -> None:
    column = pq.read_table(folder / "flows.parquet")["start"]
    assert column.type == pa.timestamp("ns", tz="UTC") and column.cast(pa.int64())[0].as_py() == FLOW["start_ns"]


def test_absent_is_null_and_text_is_text(folder: Path) -> None:
    row = pq.read_table(folder / "flows.parquet").to_pylist()[1]
    assert row["alpn"] is None and row["because"] is None and row["reasons"] == []
    assert row["server_name"] == "half \\xff"


def test_what_an_observation_holds_beside_its_packets_is_kept() -> None:
    rows = table_of("observations", [{"capture": "x", "flow": 1, "observation": 1, "kind": "reset", "packets": [3], "ttl": 9}]).to_pylist()
    assert json.loads(rows[0]["detail"]) == {"ttl": 9} and rows[0]["server_packets"] is None


def test_rows_go_out_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dpiprobe.report import parquet

    monkeypatch.setattr(parquet, "GROUP", 10)
    tables = Tables(tmp_path)
    tables.add(FLOW | {"flow": n} for n in range(1, 26))
    assert tables.close()["flows"] == 25
    assert pq.ParquetFile(tmp_path / "flows.parquet").num_row_groups > 1
    assert pq.read_table(tmp_path / "flows.parquet")["flow"].to_pylist() == list(range(1, 26))


def test_duckdb_reads_it(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    query = f"select verdict, matches[1].signature, len(reasons) from read_parquet('{folder}/flows.parquet') where flow = 12"
    assert duckdb.sql(query).fetchall() == [(FLOW["verdict"], FLOW["matches"][0]["signature"], len(FLOW["reasons"]))]


def test_polars_reads_it(folder: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(folder / "flows.parquet")
    assert frame["verdict"].to_list() == [FLOW["verdict"], "ok"]
    assert frame["reasons"].list.len().to_list() == [len(FLOW["reasons"]), 0]


def test_pandas_reads_it(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(folder / "flows.parquet")
    assert list(frame["flow"]) == [12, 13] and frame["start"].iloc[0].value == FLOW["start_ns"]


def test_the_page_describes_every_column() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    for table, columns in TABLES.items():
        part = page.split(f"### {table}\n")[1].split("###")[0]
        described = re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", part, re.MULTILINE)
        assert [(column, kind) for column, kind in described] == [(column, kind) for column, (kind, _) in columns.items()], table
