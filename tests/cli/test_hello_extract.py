"""`dpiprobe hello extract`: hellos out of captures and exports, with flow, segmentation and bytes."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from dpiprobe.cli import main
from dpiprobe.report.hello_capture import write_hello_capture
from dpiprobe.tls import clients
from dpiprobe.tls.hello import build
from dpiprobe.tls.record import to_records
from dpiprobe.tls.sending import Segment, Sending, cut, whole

CHROMIUM = build(clients.hello_of("chromium", "blocked.example"))
CURL = build(clients.hello_of("curl", "served.example"))


def capture(path: Path, *sendings: Sending) -> str:
    with path.open("wb") as file:
        write_hello_capture(file, list(sendings))
    return str(path)


def extracted(*arguments: str) -> list[dict[str, object]]:
    """The lines that extract prints."""
    stream = io.StringIO()
    import contextlib

    with contextlib.redirect_stdout(stream):
        assert main.run(["hello", "extract", *arguments]) == 0
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_hello_of_a_capture_is_one_line_with_its_flow_segments_and_bytes(tmp_path: Path) -> None:
    path = capture(tmp_path / "x.pcap", cut(CHROMIUM, [517, 1400], delay=0.25), whole(CURL))
    first, second = extracted(path)
    assert (first["flow"], first["server_name"], first["transport"]) == (1, "blocked.example", "tcp")
    assert bytes.fromhex(str(first["hello"])) == CHROMIUM
    segments = first["segments"]
    assert isinstance(segments, list)
    assert [(s["offset"], s["length"]) for s in segments] == [(0, 517), (517, 883), (1400, len(CHROMIUM) - 1400)]
    assert [s["delay"] for s in segments][1:] == pytest.approx([0.25, 0.25], abs=0.05)
    assert first["ja4"] == clients.client("chromium").ja4
    assert (second["flow"], second["server_name"], bytes.fromhex(str(second["hello"]))) == (2, "served.example", CURL)


def test_a_hello_over_several_records_is_put_together(tmp_path: Path) -> None:
    stream = to_records(CURL[5:], sizes=(20, 30))
    (line,) = extracted(capture(tmp_path / "x.pcap", cut(stream, [3, 40])))
    assert bytes.fromhex(str(line["hello"])) == stream
    assert line["records"] == [20, 30, len(CURL) - 5 - 50]
    assert line["server_name"] == "served.example"


def test_segments_that_left_out_of_order_say_so(tmp_path: Path) -> None:
    sending = Sending((Segment(CURL[:50], 0), Segment(CURL[200:], 200), Segment(CURL[50:200], 50)))
    (line,) = extracted(capture(tmp_path / "x.pcap", sending))
    assert line["in_order"] is False
    assert bytes.fromhex(str(line["hello"])) == CURL


def test_a_segment_sent_again_counts_once(tmp_path: Path) -> None:
    sending = Sending((Segment(CURL[:50], 0), Segment(CURL[:50], 0, delay=0.3), Segment(CURL[50:], 50)))
    (line,) = extracted(capture(tmp_path / "x.pcap", sending))
    segments = line["segments"]
    assert isinstance(segments, list)
    assert [(s["offset"], s["length"]) for s in segments] == [(0, 50), (50, len(CURL) - 50)]


def test_hellos_can_be_chosen_by_flow_and_by_name(tmp_path: Path) -> None:
    path = capture(tmp_path / "x.pcap", whole(CHROMIUM), whole(CURL))
    assert [line["flow"] for line in extracted(path, "--flow", "2")] == [2]
    assert [line["flow"] for line in extracted(path, "--name", "example")] == [1, 2]
    assert [line["flow"] for line in extracted(path, "--name", "BLOCKED.example")] == [1]


def test_lines_of_hex_as_tshark_exports_them(tmp_path: Path) -> None:
    text = f"{CHROMIUM[:700].hex(':')}\n{CHROMIUM[700:].hex(':')}\n1703030001ff\n{CURL.hex()}\n"
    path = tmp_path / "payloads.txt"
    path.write_text(text, encoding="ascii")
    first, second = extracted(str(path))
    assert bytes.fromhex(str(first["hello"])) == CHROMIUM
    assert isinstance(first["segments"], list) and len(first["segments"]) == 2
    assert bytes.fromhex(str(second["hello"])) == CURL


def test_what_tshark_itself_exports(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = capture(tmp_path / "x.pcap", cut(CHROMIUM, [517]), whole(CURL))
    done = subprocess.run(
        ["tshark", "-r", path, "-Y", "tcp.len > 0", "-T", "fields", "-e", "tcp.payload"], check=True, capture_output=True, text=True
    )
    export = tmp_path / "export.txt"
    export.write_text(done.stdout, encoding="ascii")
    assert [bytes.fromhex(str(line["hello"])) for line in extracted(str(export))] == [CHROMIUM, CURL]


@pytest.mark.parametrize("form", ["raw", "hex"])
def test_one_hello_raw_or_in_hex(form: str, tmp_path: Path) -> None:
    path = tmp_path / "hello"
    path.write_bytes(CURL if form == "raw" else CURL.hex().encode())
    (line,) = extracted(str(path))
    assert (line["flow"], line["packet"], line["client"], bytes.fromhex(str(line["hello"]))) == (1, None, None, CURL)


def test_files_hold_the_bytes(tmp_path: Path) -> None:
    path = capture(tmp_path / "x.pcap", cut(CHROMIUM, [100]), whole(CURL))
    extracted(path, "-o", str(tmp_path / "out"))
    assert (tmp_path / "out" / "flow-1-blocked.example.bin").read_bytes() == CHROMIUM
    assert (tmp_path / "out" / "flow-2-served.example.bin").read_bytes() == CURL


def test_files_of_several_captures_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    paths = [capture(tmp_path / place, whole(CURL)) for place in ("one/x.pcap", "two/x.pcap", "y.pcap")]
    extracted(*paths, "-o", str(tmp_path / "out"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["x-flow-1-served.example-2.bin", "x-flow-1-served.example.bin", "y-flow-1-served.example.bin"]


def test_a_case_holds_the_packets_of_the_chosen_flows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "x.pcap", whole(CHROMIUM), whole(CURL))
    monkeypatch.setattr("dpiprobe.cases.case.default_folder", lambda: tmp_path / "cases")
    made = tmp_path / "cases" / "broken" / "mine"
    assert main.run(["hello", "extract", path, "--flow", "2", "--case", "broken/mine"]) == 0
    assert capsys.readouterr().out == f"{made}\n"
    assert {file.name for file in made.iterdir()} == {"test.pcapng", "ORIGIN.md", "expect.yaml"}
    (line,) = extracted(str(made / "test.pcapng"))
    assert line["server_name"] == "served.example"


def test_quic_hellos_come_as_the_message_and_the_datagrams_that_carried_it(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from dpiprobe.capture.write import PcapWriter
    from dpiprobe.wire.build import address, ethernet, ip, udp

    client = clients.client("chromium-quic")
    one, other = address("192.0.2.1"), address("192.0.2.2")

    path = tmp_path / "quic.pcap"
    with path.open("wb") as file:
        writer = PcapWriter(file, 1)
        for i, datagram in enumerate(client.datagrams):
            packet = ip(one, other, 17, udp(one, other, 40000, 443, datagram))
            writer.packet(10**18 + i * 10**6, ethernet(packet))
    (line,) = extracted(str(path))
    assert (line["transport"], line["server_name"], line["ja4"]) == ("quic", "www.example.com", client.ja4)
    assert bytes.fromhex(str(line["hello"])) == client.stream
    assert isinstance(line["segments"], list) and len(line["segments"]) == len(client.datagrams)


def test_without_a_hello_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = capture(tmp_path / "x.pcap", whole(CURL))
    assert main.run(["hello", "extract", path, "--flow", "9"]) == 4
    assert main.run(["hello", "extract", str(tmp_path / "nothing")]) == 4
    assert main.run(["hello", "extract", path, path, "--case", "broken/x"]) == 2
    assert capsys.readouterr().err.count("\n") == 3
