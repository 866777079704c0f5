"""Past one machine: Dask, object stores, web servers; and workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dpiprobe.cli import main
from tests.conftest import require
from tests.scale.many import DPIPROBE, KEYS, assert_same_content, captures, content, parquet, run
from tests.scale.test_dataset import batches
from tests.scale.test_pool import alive, children

try:
    import distributed  # noqa: F401
    import fsspec
except ImportError:
    require("cluster", "distributed is not installed")


def all_below(pid: int) -> list[int]:
    """A process's children and theirs."""
    found = []
    for child in children(pid):
        found += [child, *all_below(child)]
    return found


def test_a_worker_that_dies_costs_nothing_but_time(many: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen([*DPIPROBE, "-q", "analyze", str(many), "--out", str(out), "--dask", "local:2"], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out.exists() and batches(out)) and time.monotonic() < deadline:
        time.sleep(0.005)
    workers = [pid for pid in all_below(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(timeout=120) == 0
    assert_same_content(out, whole)
    assert not any(map(alive, workers))


def test_a_cluster_that_is_there_already_is_used(many: Path, whole: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        assert main.run(["-q", "analyze", str(many), "--out", str(tmp_path / "out"), "--dask", cluster.scheduler_address]) == 0
    assert_same_content(tmp_path / "out", whole)


@pytest.mark.parametrize(
    ("where", "code", "says"),
    [("local:0", 2, "takes a number"), ("nowhere", 2, "takes tcp://"), ("tcp://127.0.0.1:9", 3, "no Dask scheduler answers")],
)
def test_what_is_no_cluster_is_said(
    many: Path, where: str, code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpiprobe.scale import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 1)
    assert main.run(["-q", "analyze", str(many), "--json", "--dask", where]) == code
    assert says in capsys.readouterr().err


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on the loopback, and its folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    root = captures(tmp_path / "web", 4)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()


def test_captures_come_over_the_web(web: tuple[str, Path], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    url, root = web
    path = sorted((root / "a").glob("0*"))[0]
    assert main.run(["-q", "analyze", str(path), "--json"]) == 0
    local = capfdbinary.readouterr().out
    assert main.run(["-q", "analyze", f"{url}/a/{path.name}", "--json"]) == 0
    assert capfdbinary.readouterr().out == local.replace(str(path).encode(), f"{url}/a/{path.name}".encode())


def test_a_long_capture_is_read_from_the_web_in_pieces(
    web: tuple[str, Path], capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpiprobe.scale import task

    url, root = web
    path = sorted((root / "b").glob("0*"))[0]
    assert main.run(["-q", "analyze", str(path), "--json"]) == 0
    local = capfdbinary.readouterr().out
    monkeypatch.setattr(task, "FETCHED", 100)
    assert main.run(["-q", "analyze", f"{url}/b/{path.name}", "--json"]) == 0
    assert capfdbinary.readouterr().out == local.replace(str(path).encode(), f"{url}/b/{path.name}".encode())


def test_an_address_that_has_nothing_is_an_error_of_that_capture(web: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    url, root = web
    good = sorted((root / "a").glob("0*"))[0]
    assert main.run(["-q", "analyze", f"{url}/nothing.pcap", str(good), "--json"]) == 4
    out, err = capsys.readouterr()
    assert "nothing.pcap does not exist" in err and out.count('"kind":"capture"') == 1


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of an S3 server on the loopback, in the environment as workers inherit it."""
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bench")
        yield "s3://bench"
    server.stop()


def upload(folder: Path, url: str) -> None:
    system, path = fsspec.url_to_fs(url)
    for file in folder.rglob("0*"):
        if file.is_file():
            system.put_file(str(file), f"{path}/{file.relative_to(folder)}")


def below(url: str, out: str, *options: str) -> int:
    return subprocess.run([sys.executable, "-m", "dpiprobe", "-q", "analyze", url, "--out", out, *options], stdout=subprocess.DEVNULL, check=False).returncode


def remote_content(url: str, table: str) -> Any:
    system, path = fsspec.url_to_fs(url)
    system.invalidate_cache()
    return parquet().dataset(f"{path}/{table}", filesystem=system, format="parquet").to_table().sort_by([(key, "ascending") for key in KEYS[table]])


@pytest.mark.parametrize("how", [["--dask", "local:2"], ["--jobs", "2"]])
def test_captures_and_results_lie_in_a_bucket(bucket: str, tmp_path: Path, how: list[str]) -> None:
    folder = captures(tmp_path / "in", 60)
    source, out = f"{bucket}/{how[0]}/in", f"{bucket}/{how[0]}/out"
    upload(folder, source)
    assert below(source, out, *how) == 0
    assert run(folder, tmp_path / "local") == 0
    for table in KEYS:
        local = content(tmp_path / "local", table, KEYS[table]).drop_columns(["capture", *(["path"] if table == "captures" else [])])
        remote = remote_content(out, table)
        assert remote["capture"][0].as_py().startswith(source + "/")
        assert remote.drop_columns(["capture", *(["path"] if table == "captures" else [])]).equals(local), table
    system, path = fsspec.url_to_fs(out)
    system.invalidate_cache()
    before = {name: info["LastModified"] for name, info in system.find(path, detail=True).items() if "summary" not in name}
    assert below(source, out, *how) == 0
    system.invalidate_cache()
    assert before == {name: info["LastModified"] for name, info in system.find(path, detail=True).items() if "summary" not in name}


def test_an_interruption_while_workers_start_is_one_line(many: Path, tmp_path: Path) -> None:
    """Ctrl-C at a terminal goes to the workers too, which may still be importing."""
    command = [*DPIPROBE, "-q", "analyze", str(many), "--dask", "local:2", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not children(process.pid) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.8)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said and "interrupted" in said
    assert process.returncode in (130, -signal.SIGINT)
