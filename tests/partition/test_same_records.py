"""A capture that is read in parts has the records that it has as a whole: whatever the loops, the number of parts, of processes, and of bytes read at once."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from struct import pack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpiprobe.capture.read import read_capture
from dpiprobe.errors import InputError
from dpiprobe.explain import explain
from dpiprobe.partition import reading, size
from dpiprobe.partition.large import compiled_loops, explain_large
from dpiprobe.partition.reading import Loops
from dpiprobe.report.jsonl import lines
from dpiprobe.signature.database import load
from dpiprobe.signature.ledger import Ledger
from dpiprobe.tls.craft import client_hello
from dpiprobe.wire import build
from tests.circles import left_in_circles
from tests.conftest import ROOT

CASES = sorted(ROOT.glob("pcaps/*/*/*.pcap*"))
DATABASE = load(None)


def capture(frames: list[bytes], times: list[int]) -> bytes:
    """A pcap file of IP packets at times in ns."""
    records = (pack("<IIII", *divmod(time, 1_000_000_000), len(frame), len(frame)) + frame for frame, time in zip(frames, times, strict=True))
    return pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101) + b"".join(records)


def whole(path: Path) -> bytes:
    return "".join(lines(explain(read_capture(path, "x"), database=DATABASE).records)).encode()


def parts(path: Path, loops: Loops, buckets: int = 5, jobs: int = 1, chunk: int = 1 << 20, memory: int = 1 << 14) -> bytes:
    found = explain_large(path, "x", database=DATABASE, loops=loops, buckets=buckets, jobs=jobs, chunk=chunk, memory=memory)
    try:
        return b"".join(found.lines())
    finally:
        found.close()


def compiled() -> Loops:
    loops = compiled_loops()
    if loops is None:
        pytest.skip("numba is not installed")
    return loops


@pytest.mark.parametrize("path", CASES[::8], ids=lambda path: path.parent.name)
def test_plain_loops_and_many_parts(path: Path) -> None:
    assert parts(path, Loops(), chunk=1 << 12) == whole(path)


@pytest.mark.parametrize("path", CASES[3::40], ids=lambda path: path.parent.name)
def test_compiled_loops(path: Path) -> None:
    assert parts(path, compiled(), buckets=64) == whole(path)


@pytest.mark.parametrize("path", CASES[5::60], ids=lambda path: path.parent.name)
def test_two_processes(path: Path) -> None:
    assert parts(path, Loops(), jobs=2) == whole(path)


def test_the_corpus(corpus: Path) -> None:
    loops = compiled()
    for path in sorted(p for p in corpus.rglob("*.pcap*") if p.suffix in (".pcap", ".pcapng", ".gz"))[::40]:
        assert parts(path, loops) == whole(path), path


def test_a_compressed_capture(tmp_path: Path) -> None:
    plain = next(path for path in CASES if path.parent.name == "gfw-triple")
    packed = tmp_path / "x.pcap.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert parts(packed, Loops()) == whole(packed)


def test_without_a_hash_nothing_else_is_missing() -> None:
    path = next(path for path in CASES if path.parent.name == "gfw-triple")
    found = explain_large(path, "x", database=DATABASE, loops=Loops(), buckets=3, hashed=False)
    *flows, last = b"".join(found.lines()).splitlines()
    *known, whole_capture = whole(path).splitlines()
    found.close()
    assert flows == known
    assert json.loads(last) | {"sha256": json.loads(whole_capture)["sha256"]} == json.loads(whole_capture)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_ends_the_reading_thread(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise error

    before = threading.active_count()
    monkeypatch.setattr(reading, "_lay", interrupted)
    path = next(path for path in CASES if path.parent.name == "gfw-triple")
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else InputError):
        explain_large(path, "x", database=DATABASE, loops=Loops(), chunk=300)
    assert threading.active_count() == before


@pytest.mark.parametrize("path", CASES[::16], ids=lambda path: path.parent.name)
def test_a_part_that_is_done_frees_itself(path: Path) -> None:
    """Nothing refers to itself in circles: workers do without the cyclic collector."""
    assert not left_in_circles(lambda: parts(path, Loops()))


def test_a_long_pipe_is_begun_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    path = next(path for path in CASES if path.parent.name == "gfw-triple")
    monkeypatch.setattr(size, "LARGE", 1000)
    with path.open("rb") as file:
        head, rest = size.begin(file)
        assert head == b"" and rest is not None
        found = explain_large(rest, "x", database=DATABASE, loops=Loops(), buckets=3)
    assert b"".join(found.lines()) == whole(path)
    found.close()


CLIENTS, SERVERS = ("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("198.51.100.1", "198.51.100.2")
HELLOS = [client_hello(f"{name}.example", b"seed") for name in ("one", "two", "blocked")]
WORDS = [
    b"", b"", HELLOS[0], HELLOS[1], HELLOS[2][:300], HELLOS[2][300:], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x03\0\x04\x02\0\0\0",
    b"\x17" * 40, b"CONNECT",
]  # fmt: skip
FLAGS = [0x02, 0x12, 0x10, 0x18, 0x04, 0x14, 0x11]

packets = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.booleans(), st.sampled_from(FLAGS), st.sampled_from((0, 1, 301, 518, 7000)),
        st.sampled_from((0, 1, 518)), st.sampled_from(WORDS), st.integers(0, 3_000_000_000),
    ),
    max_size=60,
)  # fmt: skip


@given(packets)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_packets_at_all(tmp_path: Path, rows: list[tuple[int, int, int, bool, int, int, int, bytes, int]]) -> None:
    frames, times, now = [], [], 0
    for client, server, port, up, flags, seq, ack, word, wait in rows:
        ends = [(build.address(CLIENTS[client]), 40000 + port), (build.address(SERVERS[server]), 443)]
        (source, sport), (destination, dport) = ends if up else ends[::-1]
        frames.append(build.tcp_packet(source, destination, sport, dport, seq=1000 + seq, ack=1000 + ack, flags=flags, payload=word))
        now += wait // 1000 * 1000
        times.append(now)
    path = tmp_path / "x.pcap"
    path.write_bytes(capture(frames, times))
    assert parts(path, Loops(), buckets=3, chunk=700) == whole(path)


def test_parts_ask_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three clients see one early reset each: what no client alone can prove, three trials do."""
    path = tmp_path / "x.pcap"
    frames, times = [], []
    for number, client in enumerate(("192.0.2.1", "192.0.2.2", "192.0.2.3")):
        for port, name in ((40001, "fine"), (40002, "blocked")):
            start = number * 5_000_000_000 + (port - 40001) * 2_000_000_000
            for delay, frame in trial(client, port, name):
                frames.append(frame)
                times.append(start + delay)
    path.write_bytes(capture(frames, times))
    assert b"so in 3 trials" in whole(path)
    assert parts(path, Loops(), buckets=64) == whole(path)
    monkeypatch.setattr(Ledger, "answerable", lambda *_: False)
    assert parts(path, Loops(), buckets=64) != whole(path)


def trial(client: str, port: int, name: str) -> list[tuple[int, bytes]]:
    """A connection; its hello is answered after a round trip of 60 ms, or reset after 6."""
    ends = (build.address(client), build.address("198.51.100.1"))
    hello = client_hello(f"{name}.example", b"seed")

    def packet(up: bool, flags: int, seq: int, ack: int, payload: bytes = b"", **more: int) -> bytes:
        source, destination = ends if up else ends[::-1]
        ports = (port, 443) if up else (443, port)
        return build.tcp_packet(source, destination, *ports, seq=seq, ack=ack, flags=flags, payload=payload, **more)

    size = len(hello)
    opening = [(0, packet(True, 2, 99, 0)), (60_000_000, packet(False, 0x12, 499, 100)), (60_100_000, packet(True, 0x10, 100, 500)),
               (60_200_000, packet(True, 0x18, 100, 500, hello))]  # fmt: skip
    if name == "blocked":
        return [*opening, (66_000_000, packet(False, 0x14, 500, 100 + size))]
    # the capture began too late for its SYN: two round trips are known at this address, not the three that would prove it
    return [*opening[1:], (121_000_000, packet(False, 0x18, 500, 100 + size, b"\x16\x03\x03\0\x04\x02\0\0\0"))]


@pytest.mark.parametrize("path", CASES[::25], ids=lambda path: path.parent.name)
def test_a_summary_lists_of_a_name_the_flows_that_are_told_of(path: Path) -> None:
    found = explain_large(path, "x", database=DATABASE, loops=Loops(), buckets=3, lines=False)
    told = {number for number, _ in found.said.telling.values()}
    whole, short = list(found.closing()), list(found.closing(short=True))
    for one, other in zip(whole, short, strict=True):
        if one["kind"] == "name":
            one["flows"] = [f for f in one["flows"] if f in told] if one["verdict"] != "ok" else []
        assert one == other
    found.close()
