"""The catalogue as a whole: every variation is asserted, explains itself, goes together with others or says why not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.hello import SERVER_NAME, ClientHello, build, parse, parse_message
from dpiprobe.tls.position import server_name_at, stream_offset
from dpiprobe.tls.recipe import client_names, template
from dpiprobe.tls.rename import with_name
from dpiprobe.tls.sending import Sending
from dpiprobe.tls.vary.catalogue import CATALOGUE, variation
from dpiprobe.tls.vary.variation import apply
from tests.tls.vary import (
    test_ciphers,
    test_esni_ech,
    test_extensions,
    test_name_lists,
    test_names,
    test_place,
    test_prepended,
    test_records,
    test_segments,
    test_stuffing,
    test_versions,
)
from tests.tls.vary.wire import base

MODULES = (test_names, test_name_lists, test_versions, test_ciphers, test_extensions, test_place, test_stuffing, test_records, test_prepended,
           test_esni_ech, test_segments)  # fmt: skip


def hello_for(name: str) -> ClientHello:
    hello = parse(client_hello(name, b"seed", alpn=BROWSER_ALPN))
    assert hello is not None
    return hello


def test_the_bytes_of_every_variation_are_asserted() -> None:
    asserted = {name for module in MODULES for name in (*module.EXPECTED, *getattr(module, "DRAWN", ()))}
    assert asserted == set(CATALOGUE)
    assert len(CATALOGUE) >= 80


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_says_what_it_tests_in_one_sentence(name: str) -> None:
    tests = CATALOGUE[name].tests
    assert tests.endswith("?") and tests.count("?") == 1 and len(tests) < 120
    assert name == name.lower() and not set(name) & set(" ;:=\"'")


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"ech-none"}))
def test_the_result_is_read_as_it_was_made(name: str) -> None:
    """On the template of a real client too, not only on the small hello of the tables."""
    made = apply(hello_for("www.blocked.example"), [CATALOGUE[name]])
    again = parse(made.sending.stream)
    assert again == made.hello
    assert again is not None and build(again) == made.sending.stream


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"ech-none", "ech-config", "overlap-336-iana"}))
def test_two_names_of_one_length_give_sendings_alike_but_for_the_name(name: str) -> None:
    """What a control has to be: equal length and segments, and every other byte the same."""
    one, two = (apply(hello_for(host), [CATALOGUE[name]]).sending.segments for host in ("www.blocked.example", "www.allowed.example"))
    assert [(s.offset, len(s.data), s.delay, s.await_ack, s.urgent, s.decoy) for s in one] == [
        (s.offset, len(s.data), s.delay, s.await_ack, s.urgent, s.decoy) for s in two
    ]
    first, second = Sending(one).stream, Sending(two).stream
    hello = parse(first)
    assert hello is not None
    start = server_name_at(hello)
    size = sum(4 + len(e.data) for e in hello.extensions or () if e.type == SERVER_NAME)
    places = range(0) if start is None else range(stream_offset(hello, start), stream_offset(hello, start + size - 5) + 1)
    assert all(i in places for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b)


@pytest.mark.parametrize("client", client_names())
def test_variations_of_recorded_clients_are_done_or_refused(client: str) -> None:
    """A twentieth of all pairs, another twentieth for each client."""
    hello = template(client, "www.blocked.example", b"seed")
    for name in sorted(CATALOGUE)[client_names().index(client) % 20 :: 20]:
        try:
            made = apply(hello, [CATALOGUE[name]])
        except UsageError:
            continue
        stream = made.sending.stream
        again = parse(stream) if hello.records else parse_message(stream)
        assert again == made.hello, name
        assert again is not None and build(again) == stream, name


def test_a_recipe_is_read_back() -> None:
    for found in CATALOGUE.values():
        if not any(isinstance(value, str) for value in found.parameters.values()):
            assert variation(found.recipe) == found


def test_wrong_recipes_say_what_to_do() -> None:
    for recipe, word in (("name-uper", "did you mean"), ("name-upper:x=1", "parameters are none"), ("record-3:sizes=a", "numbers with commas"),
                         ("name-pad-0-0:before", "before=0"), ("cut-bytes-acked:await_ack=maybe", "yes or no")):  # fmt: skip
        with pytest.raises(UsageError, match=word):
            variation(recipe)


def test_stages_act_in_their_order_whatever_the_order_given() -> None:
    chosen = [variation(name) for name in ("cut-midsld", "before-alert", "record-at-midsld", "name-upper")]
    made = {apply(base(), order).sending for order in itertools.permutations(chosen)}
    assert len(made) == 1
    assert b"WWW.BLO" in next(iter(made)).segments[0].data


@pytest.mark.parametrize(("one", "two"), [("cut-1", "disorder-1"), ("record-3", "record-8"), ("record-3", "record-3-segments"), ("cut-1", "record-3-segments"),
                                          ("version-max-0303", "cipher-1301"), ("version-legacy-0000", "version-legacy-ffff"), ("alpn-h2", "alpn-none"),
                                          ("esni", "ech-grease"), ("place-first", "place-last"), ("names-twice", "names-type-1")])  # fmt: skip
def test_two_that_decide_the_same_are_refused(one: str, two: str) -> None:
    with pytest.raises(UsageError, match="give one of them"):
        apply(base(), [variation(one), variation(two)])


def test_what_cannot_be_done_on_a_hello_is_said() -> None:
    nameless = with_name(base(), None)
    for name in ("name-upper", "names-twice", "cut-midsld", "record-at-midsld", "place-last", "faked-host"):
        with pytest.raises(UsageError, match="name"):
            apply(nameless, [variation(name)])
    with pytest.raises(UsageError, match="ech-none"):
        apply(base(), [variation("ech-none")])
    with pytest.raises(UsageError, match="inside"):
        apply(base(), [variation("cut-1:at=0;delay=0")])
    with pytest.raises(UsageError, match="no subdomain"):
        apply(with_name(base(), "blocked.example"), [variation("name-parent")])


@given(st.lists(st.sampled_from(sorted(CATALOGUE)), min_size=1, max_size=4))
def test_any_combination_is_done_or_refused(names: list[str]) -> None:
    try:
        made = apply(base(), [CATALOGUE[name] for name in names])
    except UsageError:
        return
    hello = parse(made.sending.stream)
    assert hello is None or build(hello) == made.sending.stream[: hello.end]


@pytest.mark.parametrize("text", [
    "cut-midsld:delay=nan", "cut-midsld:delay=-1", "cut-midsld:delay=inf", "name-pad-0-0:before=99999999999", "record-3:sizes=5,99999999999",
])  # fmt: skip
def test_a_parameter_that_nothing_can_do_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is meant"):
        variation(text)
