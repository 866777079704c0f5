"""What the documents say exists, exists: commands, options, and the example of a signature."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from dpiprobe.cli.main import group
from dpiprobe.signature.check import check
from dpiprobe.tls import clients
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "signatures" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOREIGN = {"--resolve", "--reject-with", "--strict", "--port", "--nworkers", "--nthreads", "--list"}
"""Options of curl, iptables, mypy, dask, and of what `make hellos` runs."""
OPTION = r"(?<![\w-])--[a-z][a-z-]+"
RECORDED = {option for name in clients.names() for option in re.findall(OPTION, clients.client(name).settings)}
"""Options that the recorded programs were given, as docs/clients.md lists them."""


def commands(command: click.Command, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command by its words."""
    found = {path: command}
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            found |= commands(below, (*path, name))
    return found


KNOWN = commands(group)
OPTIONS = {option for command in KNOWN.values() for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(OPTION, page.read_text()))
    assert named - OPTIONS - FOREIGN - RECORDED == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    for words in re.findall(r"(?:^ {4}|`)dpiprobe ((?:[a-z]+ ?)+)", page.read_text(), re.MULTILINE):
        first, *rest = words.split()
        assert (first,) in KNOWN, words
        if isinstance(KNOWN[first,], click.Group) and rest:
            assert (first, rest[0]) in KNOWN, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_example_of_a_signature_has_no_problem(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(id: .*?)```", (ROOT / "docs" / "signatures.md").read_text(), re.DOTALL)
    (tmp_path / f"{example.split()[1]}.yaml").write_text(example)
    assert check(tmp_path) == []


def test_the_makefile_s_example_for_the_demo_is_one() -> None:
    (example,) = re.findall(r"DEMO='([^']+)'", (ROOT / "Makefile").read_text())
    demo = KNOWN["demo",]
    assert demo.make_context("demo", example.split()).params["only"] == ("in-path-reset",)
