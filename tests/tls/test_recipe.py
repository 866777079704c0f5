"""From client, name, variations and seed to bytes: always the same, alike but for the name, of one length where that is asked."""

from __future__ import annotations

import pytest

from dpiprobe.errors import UsageError
from dpiprobe.tls.fingerprint import ja4
from dpiprobe.tls.freshen import freshened
from dpiprobe.tls.hello import build, parse
from dpiprobe.tls.recipe import BUILTIN, Recipe, client_names, template

CLIENTS = client_names()


def test_builtin_is_always_there() -> None:
    assert CLIENTS[0] == BUILTIN


@pytest.mark.parametrize("client", CLIENTS)
def test_the_seed_decides(client: str) -> None:
    one, two = (Recipe(client, "a.example", seed=seed).make().sending.stream for seed in (b"1", b"2"))
    assert Recipe(client, "a.example", seed=b"1").make().sending.stream == one
    assert one != two
    assert len(one) == len(two)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_fresh_hello_is_the_same_clients(client: str) -> None:
    hello = template(client, "a.example", b"1")
    fresh = freshened(hello, b"2")
    assert ja4(fresh) == ja4(hello)
    assert [(e.type, len(e.data)) for e in fresh.extensions or ()] == [(e.type, len(e.data)) for e in hello.extensions or ()]
    assert [(s.group, len(s.key)) for s in fresh.key_shares] == [(s.group, len(s.key)) for s in hello.key_shares]
    assert fresh.random != hello.random
    if hello.records:
        assert parse(build(fresh)) == fresh


@pytest.mark.parametrize("client", CLIENTS)
def test_names_of_different_length_are_levelled(client: str) -> None:
    names = ["a.io", "a-name-in-the-middle.example", "a-much-longer-name-than-the-others.subdomain.example"]
    made = [Recipe(client, name, seed=b"1", beside=tuple(names)).make() for name in names]
    assert len({len(m.sending.stream) for m in made}) == 1
    assert [m.hello.server_name for m in made] == names


def test_variations_act() -> None:
    assert Recipe(BUILTIN, "a.example", ["name-upper"]).make().hello.server_name == "A.EXAMPLE"


def test_without_a_name() -> None:
    assert Recipe(BUILTIN, None).make().hello.server_name is None


@pytest.mark.parametrize("recipe", [Recipe("no-such-client", "a.example"), Recipe("builtim", "a.example"), Recipe(BUILTIN, "a.example", ["no-such"])])
def test_what_is_unknown(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match=r"there is no (client|variation)"):
        recipe.make()
