"""Boxes as a person names them: several at once, from a file, under a condition; what is wrong with them is said before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_lab import dpiprobe, lab_here  # noqa: F401 (a fixture)

BOX = """
emulate:
  trigger: {kind: client_hello, names: substring}
  hello: drop
  send:
    - {to: client, flags: RA, ttl: 200}
"""


def test_every_box_says_what_it_is_in_a_sentence() -> None:
    rows = [json.loads(line) for line in dpiprobe("lab", "list", "--json").stdout.splitlines()]
    assert all(len(row["says"].split()) >= 3 for row in rows)
    assert len({row["says"] for row in rows}) > 0.95 * len(rows), "a sentence of its own, not a phrase for all"
    assert {row["name"] for row in rows if row["technique"] == "mitm"} >= {"mitm", "real-sslsplit", "real-mitmproxy"}
    assert all(row["available"] == (row["lacks"] is None) for row in rows)


def test_conditions_are_listed() -> None:
    done = dpiprobe("lab", "conditions")
    assert done.returncode == 0
    assert {"plain", "jitter", "nat", "ipv6", "black-hole"} <= {line.split()[0] for line in done.stdout.splitlines()}


@pytest.mark.usefixtures("lab_here")
def test_a_box_from_a_file_and_several_in_a_row(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(BOX)
    ask = "import socket,ssl,sys;c=ssl._create_unverified_context();c.wrap_socket(socket.create_connection(('198.18.4.2',443),3),server_hostname=sys.argv[1])"
    for box, name, word in ((str(file), "notblocked.example.org", "ConnectionResetError"), (f"none+{file}", "blocked.example", "ConnectionResetError"),
                            (f"throttle-shape+{file}", "free.example", "")):  # fmt: skip
        done = dpiprobe("lab", "run", box, "--condition", "lan", "--", "python3", "-c", ask, name)
        assert (done.returncode != 0, word in done.stderr) == (bool(word), True), done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "no-such-box", "--", "true"), "there is no box 'no-such-box'"), (("run", "none+no-such-box", "--", "true"), "there is no box 'no-such-box'"),
        (("run", "none", "--condition", "sunny", "--", "true"), "no condition 'sunny'"),
        (("run", "none", "--server", "iis", "--", "true"), "no server 'iis'"), (("record", "none", "-o", "."), "is there already"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_in_one_sentence(words: tuple[str, ...], said: str) -> None:
    done = dpiprobe("lab", *words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_unreadable_input() -> None:
    done = dpiprobe("lab", "run", "missing.yaml", "--", "true")
    assert (done.returncode, "cannot read the box missing.yaml" in done.stderr) == (4, True), done.stderr


def test_everything_wrong_with_a_file_is_told_at_once_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("emulate:\n  hello: swallow\n  send:\n    - {flags: XY}\n")
    done = dpiprobe("lab", "run", str(file), "--", "true")
    assert done.returncode == 2
    assert "wrong.yaml:2" in done.stderr
    assert "wrong.yaml:4" in done.stderr
