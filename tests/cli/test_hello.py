"""`dpiprobe hello`: what is built is what is shown, in every form and through every door."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dpiprobe.cli import main
from dpiprobe.tls.hello import parse
from dpiprobe.tls.vary.catalogue import CATALOGUE

Output = pytest.CaptureFixture[bytes]


def run(capfdbinary: Output, *arguments: str, code: int = 0) -> bytes:
    assert main.run(["hello", *arguments]) == code
    out, err = capfdbinary.readouterr()
    assert bool(err) == (code != 0), err
    return out if code == 0 else err


def built(capfdbinary: Output, *arguments: str) -> bytes:
    return run(capfdbinary, "build", *arguments)


# ---- build


def test_forms_carry_the_same_bytes(capfdbinary: Output, tmp_path: Path) -> None:
    wanted = ("--name", "www.blocked.example", "--vary", "record-3", "--seed", "x")
    raw = built(capfdbinary, *wanted, "--raw")
    assert bytes.fromhex(built(capfdbinary, *wanted).decode()) == raw
    assert json.loads(built(capfdbinary, *wanted, "--json"))["stream"] == raw.hex()
    capture = tmp_path / "h.pcap"
    assert built(capfdbinary, *wanted, "--pcap", "-o", str(capture)) == b""
    dpkt = pytest.importorskip("dpkt")
    with capture.open("rb") as file:
        payload = b"".join(bytes(dpkt.ethernet.Ethernet(frame).data.data.data) for _, frame in dpkt.pcap.Reader(file))
    assert payload == raw
    hello = parse(raw)
    assert hello is not None and hello.server_name == "www.blocked.example" and len(hello.records) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("build", "--name", "a.example", "--hex", "--raw"), b"--hex and --raw both say in which form"),
        (("build", "--name", "a.example", "--json", "--pcap"), b"--pcap and --json both say"),
        (("show", "1603010000", "--short", "--json"), b"--json and --short both say"),
        (("build", "--name", "a\\xZZ"), b"\\xZZ in a name is no byte; write \\xHH"),
        (("build", "--name", "a\\x"), b"\\x in a name is no byte"),
    ],
)
def test_what_contradicts_itself_or_is_no_byte_is_one_line(capfdbinary: Output, arguments: tuple[str, ...], says: bytes) -> None:
    err = run(capfdbinary, *arguments, code=2)
    assert says in err and err.count(b"\n") == 1


def test_an_escape_is_a_byte_in_either_case(capfdbinary: Output) -> None:
    assert built(capfdbinary, "--name", "a\\xFC") == built(capfdbinary, "--name", "a\\xfc")


def test_short_hex_and_an_empty_file_are_called_so(capfdbinary: Output, tmp_path: Path) -> None:
    assert b"too short for a ClientHello" in run(capfdbinary, "show", "160301", code=4)
    empty = tmp_path / "empty.hex"
    empty.write_bytes(b"\n")
    assert b"empty.hex is empty" in run(capfdbinary, "show", str(empty), code=4)


def test_a_description_that_is_wrong_is_unreadable_input_and_named(capfdbinary: Output, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"ciphers": ["TLS_NONE_SUCH"]}')
    err = run(capfdbinary, "build", "--from", str(file), code=4)
    assert b"mine.json: " in err and b"TLS_NONE_SUCH" in err and err.count(b"\n") == 1


def test_hex_has_a_line_a_segment(capfdbinary: Output) -> None:
    lines = built(capfdbinary, "--name", "www.blocked.example", "--vary", "cut-1-midsld", "--hex").split()
    whole = built(capfdbinary, "--name", "www.blocked.example")
    assert len(lines) == 3 and b"".join(lines) == whole.strip()


def test_json_tells_the_segments(capfdbinary: Output) -> None:
    told = json.loads(built(capfdbinary, "--name", "www.blocked.example", "--vary", "decoy-zeros", "--json"))
    assert (told["client"], told["variations"], told["server_name"]) == ("builtin", ["decoy-zeros"], "www.blocked.example")
    assert told["segments"][0] == {"offset": 0, "data": "00000000", "delay": 0.0, "await_ack": False, "urgent": False, "decoy": True}


def test_the_seed_and_the_twin(capfdbinary: Output) -> None:
    one, again, other = (built(capfdbinary, "--name", "www.blocked.example", "--seed", seed) for seed in ("1", "1", "2"))
    assert one == again != other
    twin = built(capfdbinary, "--name", "www.blocked.example", "--seed", "1", "--twin")
    differing = [i for i, (a, b) in enumerate(zip(bytes.fromhex(one.decode()), bytes.fromhex(twin.decode()), strict=True)) if a != b]
    at = bytes.fromhex(one.decode()).index(b"www.blocked")
    assert differing and all(at <= i < at + len("www.blocked") for i in differing)


def test_from_another_hello(capfdbinary: Output, tmp_path: Path) -> None:
    given = tmp_path / "given.hex"
    given.write_bytes(built(capfdbinary, "--name", "old.example"))
    made = built(capfdbinary, "--from", str(given), "--name", "new-name.example", "--vary", "name-upper", "--raw")
    hello = parse(made)
    assert hello is not None and hello.server_name == "NEW-NAME.EXAMPLE"
    told = tmp_path / "told.json"
    told.write_bytes(run(capfdbinary, "show", str(given), "--json"))
    assert built(capfdbinary, "--from", str(told)) == given.read_bytes()


def test_odd_names_are_kept(capfdbinary: Output) -> None:
    for name, raw in (("a\\x00b", b"a\0b"), ("a..b", b"a..b"), ("bücher.example", "bücher.example".encode()), ("", b""), ("192.0.2.1", b"192.0.2.1")):
        hello = parse(built(capfdbinary, "--name", name, "--raw"))
        assert hello is not None and hello.server_names[0].name == raw
    assert parse(built(capfdbinary, "--raw")).server_names == ()  # type: ignore[union-attr]


# ---- show and diff


def test_show_says_where_each_field_stands(capfdbinary: Output, tmp_path: Path) -> None:
    file = tmp_path / "one.bin"
    built(capfdbinary, "--name", "www.blocked.example", "--raw", "-o", str(file))
    shown = run(capfdbinary, "show", str(file)).decode()
    at = file.read_bytes().index(b"www.blocked")
    assert f"{at:5}  77 77 77 2e 62 6c 6f 63 ..        name: www.blocked.example\n" in shown
    assert "\nJA3    " in shown and "\nJA4    t13d3012h2_" in shown


@pytest.mark.parametrize("form", ["raw", "hex", "spaced", "colons", "0x", "dump", "xxd", "json", "pcap", "pcap.gz"])
def test_show_reads_every_form(capfdbinary: Output, tmp_path: Path, form: str) -> None:
    raw = built(capfdbinary, "--name", "www.blocked.example", "--raw")
    rows = [raw[i : i + 16] for i in range(0, len(raw), 16)]
    file = tmp_path / "input"
    if form.startswith("pcap"):
        built(capfdbinary, "--name", "www.blocked.example", "--pcap", "-o", str(file))
        if form.endswith("gz"):
            import gzip

            file.write_bytes(gzip.compress(file.read_bytes()))
    elif form == "json":
        file.write_bytes(built(capfdbinary, "--name", "www.blocked.example", "--json"))
    else:
        file.write_bytes({
            "raw": raw, "hex": raw.hex().encode(), "spaced": raw.hex(" ").encode(), "colons": raw.hex(":").encode(),
            "0x": b", ".join([b"0x%02x" % b for b in raw]),
            "dump": b"".join([f"{16 * i:04x}  {row.hex(' ')}   {'.' * len(row)}\n".encode() for i, row in enumerate(rows)]),
            "xxd": b"".join([f"{16 * i:08x}: {row.hex(' ', 2)}  {'.' * len(row)}\n".encode() for i, row in enumerate(rows)]),
        }[form])  # fmt: skip
    told = json.loads(run(capfdbinary, "show", "--json", str(file)))
    assert told["server_name"] == "www.blocked.example"
    assert told["random"] == raw[11:43].hex()


def test_show_reads_an_argument_and_standard_input(capfdbinary: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    line = built(capfdbinary, "--name", "a.example").decode().strip()
    short = run(capfdbinary, "show", "--short", line)
    assert short.startswith(b"a.example  t13d")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(line.encode())))
    assert run(capfdbinary, "show", "--short", "-") == short


def test_show_reads_a_pipe_that_has_a_name(capfdbinary: Output) -> None:
    line = built(capfdbinary, "--name", "a.example")
    reader, writer = os.pipe()
    os.write(writer, line)
    os.close(writer)
    assert run(capfdbinary, "show", "--short", f"/dev/fd/{reader}").startswith(b"a.example  t13d")
    os.close(reader)


def test_show_finds_all_hellos_of_a_capture(capfdbinary: Output) -> None:
    from tests.conftest import ROOT

    capture = next(iter(sorted((ROOT / "pcaps").rglob("*.pcap"))))
    lines = run(capfdbinary, "show", "--short", str(capture)).splitlines()
    assert lines and all(line.startswith(b"flow ") for line in lines)


def test_diff_names_the_fields(capfdbinary: Output) -> None:
    one = built(capfdbinary, "--name", "a.example").decode().strip()
    two = built(capfdbinary, "--name", "b.example", "--vary", "version-legacy-0304").decode().strip()
    assert run(capfdbinary, "diff", one, one, "--exit-code") == b""
    found = [json.loads(line) for line in run(capfdbinary, "diff", one, two, "--json").splitlines()]
    assert [d["field"] for d in found] == ["legacy_version", "server_name", "JA3"]
    assert main.run(["hello", "diff", one, two, "--exit-code"]) == 1


# ---- list


def test_list_names_clients_and_variations(capfdbinary: Output) -> None:
    rows = [json.loads(line) for line in run(capfdbinary, "list", "--json").splitlines()]
    assert {row["name"] for row in rows if row["kind"] == "variation"} == set(CATALOGUE)
    assert "builtin" in {row["name"] for row in rows if row["kind"] == "client"}
    assert len(rows) >= 80
    assert all(row["about"] for row in rows)
    assert [row["parameters"] for row in rows if row["name"] == "record-3"] == [{"sizes": "64,95"}]


def test_list_with_words(capfdbinary: Output) -> None:
    found = [line.split()[0].decode() for line in run(capfdbinary, "list", "tq-027").splitlines()]
    assert found and all(name.startswith("stuff-") for name in found)


def test_the_shell_completes_names() -> None:
    import click
    from click.shell_completion import ShellComplete

    from dpiprobe.cli.hello import hello as group

    for arguments, incomplete, wanted in (["build", "--vary"], "record-at-mid", "record-at-midsld"), (["build", "--client"], "buil", "builtin"):
        found = ShellComplete(group, {}, "hello", "_X").get_completions(arguments, incomplete)
        assert wanted in [item.value for item in found]
    assert isinstance(group, click.Group)


# ---- what cannot be meant


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["build", "--name", "a.example", "--vary", "name-uper"], 2, "did you mean 'name-upper'"),
        (["build", "--name", "a.example", "--vary", "record-3:sizes=x"], 2, "numbers with commas"),
        (["build", "--vary", "name-upper"], 2, "--name"),
        (["build", "--name", "a.example", "--client", "chromiun"], 2, "there is no client"),
        (["build", "--name", "a.example", "--vary", "cut-1", "--vary", "disorder-1"], 2, "give one of them"),
        (["build", "--from", "/no/such/file", "--name", "x"], 4, "there is no file"),
        (["build", "--from", "16", "--client", "builtin"], 2, "give one of them"),
        (["build", "--name", "a.example", "-o", "/no/such/folder/x"], 2, "cannot be written"),
        (["build", "--twin"], 2, "no name"),
        (["build", "--name", "x" * 70_000], 2, "fit"),
        (["build", "--bogus"], 2, "bogus"),
        (["show", "47455420"], 4, "there is no file"),
        (["show", "474554202f20485454502f312e310d0a"], 4, "ClientHello"),
        (["show"], 2, "INPUT"),
        (["diff", "-", "-"], 2, "two"),
        (["diff", "x"], 2, "RIGHT"),
        (["nonsense"], 2, "nonsense"),
    ],
)  # fmt: skip
def test_wrong_calls_say_what_to_do(capfdbinary: Output, arguments: list[str], code: int, word: str) -> None:
    err = run(capfdbinary, *arguments, code=code).decode()
    assert err.startswith("dpiprobe: ") and err.count("\n") == 1
    assert word in err


@pytest.mark.parametrize("content", [b"", b"hello", b"\x16\x03", b"{", b"[1]", b'{"x": 1}', b"\x02" + b"\0" * 40, bytes(range(256))])
def test_input_that_is_no_hello(capfdbinary: Output, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "input"
    file.write_bytes(content)
    assert main.run(["hello", "show", str(file)]) in (2, 4)
    out, err = capfdbinary.readouterr()
    assert out == b"" and err.startswith(b"dpiprobe: ") and err.count(b"\n") == 1
