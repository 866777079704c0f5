"""Signature files: what reads, and the exact words for what does not."""

from __future__ import annotations

import re
import textwrap

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpiprobe.observe.table import SERVER
from dpiprobe.signature.clause import Absent, Across, Earlier, Flow, Packets
from dpiprobe.signature.model import Signature, signature_from_plain
from dpiprobe.signature.reader import read_signature
from dpiprobe.wire.packets import ACK, RST
from tests.conftest import ROOT

GOOD = """\
id: triple
title: Three identical reset+acks
mechanism: tls.reset.sni
technique: rst.on-path
status: experimental
confidence: high
seen: {first: 2022, last: 2025, where: somewhere}
description: Three copies of one reset.
looks_like: A mirror port.
references: [a paper]
trigger: client_hello
expect:
  resets:
    from: server
    flags: RA
    same: [ipid, seq, window]
    count: at least 3
    span: at most 5 ms
    ack_ahead: 0
rule_out:
  after_our_close: {from: client, has: [F, R], reached_server: true, before: resets}
"""


def good() -> Signature:
    signature, problems, _ = read_signature(GOOD, "triple.yaml")
    assert problems == [] and signature is not None
    return signature


def problems_of(text: str) -> list[str]:
    return read_signature(textwrap.dedent(text), "f.yaml")[1]


def changed(old: str, new: str) -> list[str]:
    assert old in GOOD
    return read_signature(GOOD.replace(old, new), "f.yaml")[1]


def test_a_good_file_becomes_clauses_of_the_vocabulary() -> None:
    resets = good().expect[0]
    assert isinstance(resets, Packets)
    assert resets.origins == (SERVER,) and resets.exact == RST | ACK and resets.same == ("ipid", "seq_raw", "window")
    assert resets.count.accepts(3) and not resets.count.accepts(2)
    assert [p.feature for p in resets.predicates] == ["ack_ahead"]
    assert good().distinctive_fields == ("resets.same",)


def test_a_signature_survives_json() -> None:
    import json

    assert signature_from_plain(json.loads(json.dumps(good().to_plain()))) == good()


def test_every_problem_of_a_file_comes_at_once_with_its_place() -> None:
    text = GOOD.replace("technique: rst.on-path", "technique: rst.onpath").replace("ack_ahead: 0", "ack_ahed: 0\n    windw: 3").replace("title:", "titel:")
    assert read_signature(text, "f.yaml")[1] == [
        "f.yaml:2:1: unknown key 'titel', did you mean title?",
        "f.yaml:1:1: the file lacks 'title'; say in a few words who does what",
        "f.yaml:19:5: unknown packet feature 'ack_ahed', did you mean ack_ahead?",
        "f.yaml:20:5: unknown packet feature 'windw', did you mean window?",
        "f.yaml:4:12: technique cannot be 'rst.onpath', did you mean rst.on-path?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("status: experimental", "status: on", "f.yaml:5:9: 'on' reads as true or false to some parsers; write true or false, or quote it"),
        ("first: 2022", "first: 2022-09-13", "f.yaml:7:15: '2022-09-13' reads as a date to some parsers; quote it"),
        ("count: at least 3", "count: 010", "f.yaml:17:12: '010' reads as an octal number to some parsers; quote it, or write it without leading zeros"),
        ("span: at most 5 ms", "span: 1:30", "f.yaml:18:11: '1:30' reads as a sexagesimal number to some parsers; quote it"),
        ("span: at most 5 ms", "span: at most 5", "f.yaml:18:11: '5' has no unit; write it like `5 ms`"),
        ("id: triple", "id: ~", "f.yaml:1:5: '~' is null; write a value, or leave the key out"),
        ("id: triple", "id: triple\nid: again", "f.yaml:2:1: the key 'id' stands twice; the first is at 1:1"),
        ("references: [a paper]", "references: &x [a paper]", "f.yaml:10:13: an anchor (&x); write values out"),
        ("references: [a paper]", "references: !!python/tuple [a]", "f.yaml:10:13: a tag (tag:yaml.org,2002:python/tuple); values have none here"),
        ("title: Three", "title: \tThree", "f.yaml:2:8: a tab; use spaces"),
        ("flags: RA", "flags: RX", "f.yaml:15:12: flags takes the letters S, F, R, A, not 'X'"),
        ("    from: server\n", "", "f.yaml:14:5: the clause 'resets' lacks 'from'; it may be client, server, stray, icmp"),
        ("before: resets", "before: reset", "f.yaml:21:78: before: 'reset' is no packet clause that is judged before this one, did you mean resets?"),
        ("same: [ipid, seq, window]", "same: [ipid, sequence]", "f.yaml:16:18: same takes packet features, not 'sequence'"),
        ("ack_ahead: 0", "goodput: 0", "f.yaml:19:5: unknown packet feature 'goodput' (it is a flow feature; ask for it in `flow: {...}`)"),
        ("trigger: client_hello", "trigger: clienthello", "f.yaml:11:10: trigger cannot be 'clienthello', did you mean client_hello?"),
        ("count: at least 3", "count: at least 0", "f.yaml:17:12: count passes no packet at all; write `absent: {..., within: ...}` for that"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_wrong(old: str, new: str, message: str) -> None:
    assert message in changed(old, new)
    assert len(changed(old, new)) == 1


def test_a_merge_key_an_alias_and_a_second_document_are_refused() -> None:
    assert problems_of("a: {<<: {b: c}}")[0] == "f.yaml:1:5: a merge key (<<); write the keys out"
    assert problems_of("a: &x b\nc: *x")[:2] == ["f.yaml:1:4: an anchor (&x); write values out", "f.yaml:2:4: an alias (*x); write the value out"]
    assert "f.yaml:2:1: a second document; one signature a file" in problems_of("a: b\n---\nc: d")
    assert problems_of("") == ["f.yaml:1:1: the file is empty"]
    assert problems_of("a: [b\nc: d")[0].startswith("f.yaml:2:2: not YAML: ")


def test_the_pure_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    fast = read_signature(GOOD, "triple.yaml")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    slow = read_signature(GOOD, "triple.yaml")
    assert fast[0] == slow[0] and fast[2].keys == slow[2].keys and fast[2].values == slow[2].values


def test_the_other_clauses() -> None:
    text = GOOD + textwrap.dedent("""\
    support:
      quiet: {absent: {from: server, has: [R], after: resets, within: 10 s}}
      silent: {flow: {server_ack: none, unacknowledged_for: at least 3 s}}
      works: {control: completes}
      constant: {across: {same: [ipid], of: resets, flows: 3}}
      punished: {earlier: {signature: triple, same: [client, server, port], within: 180 s}}
      slower: {compare: {goodput: at most 0.5}}
      ends: {seen_at: both}
    """)
    signature, problems, _ = read_signature(text, "f.yaml")
    assert problems == [] and signature is not None and signature.second_pass
    quiet, silent, _, constant, punished, *_ = signature.support
    assert isinstance(quiet, Absent) and quiet.within == 10_000_000_000 and quiet.packets.after == "resets"
    assert isinstance(silent, Flow) and isinstance(constant, Across) and constant.flows == 3
    assert isinstance(punished, Earlier) and punished.within == 180_000_000_000
    assert signature_from_plain(signature.to_plain()) == signature


def test_unverified_numbers_name_a_field_that_exists() -> None:
    assert changed("ack_ahead: 0", "ack_ahead: 0\nunverified: [resets.span]") == []
    assert changed("ack_ahead: 0", "ack_ahead: 0\nunverified: [resets.ttl]") == [
        "f.yaml:20:14: unverified names 'resets.ttl', which is no `clause.field` of this file"
    ]


words = st.sampled_from(
    ["from", "flags", "server", "RA", "expect", "resets", "count", "at least 3", "flow", "absent", "within", "3 s", "same", "ipid", "earlier", "send"]
)
nodes = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70000) | st.floats() | words | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


SHIPPED = [path.read_text() for path in sorted((ROOT / "signatures").rglob("*.yaml"))]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["expect", "support", "rule_out", "any_of", "trigger", "seen", "emulate", "examples", "references", "unverified", "id"]), nodes)
def test_whatever_stands_under_a_key_is_a_problem_or_a_signature_never_a_crash(key: str, node: object) -> None:
    import yaml

    base = yaml.safe_load(GOOD)
    signature, problems, _ = read_signature(yaml.safe_dump({**base, key: node}, allow_unicode=True), "f.yaml")
    assert (signature is None) == bool(problems)
    assert all(line.startswith("f.yaml:") for line in problems)
    if signature is not None:
        assert signature_from_plain(signature.to_plain()) == signature


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abc:-[]{}#&*!|>'\"%@` \n\t0.~<?,", max_size=40))
def test_any_text_is_read_without_a_crash_at_all(text: str) -> None:
    signature, problems, _ = read_signature(text, "f.yaml")
    assert signature is None and problems


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([10**400, "2 to 4", "1" * 400, "at least 9e9 s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every path in a plain document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for key, child in inner for p in places(child, (*path, key))]


SHIPPED = [path.read_text() for path in sorted((ROOT / "signatures").rglob("*.yaml"))]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_junk_in_any_place_is_a_problem_and_never_an_exception(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SHIPPED))
    document = yaml.safe_load(text)
    path = data.draw(st.sampled_from(places(document)))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(JUNK)
    signature, problems, _ = read_signature(yaml.safe_dump(document, sort_keys=False), "x.yaml")
    assert problems or signature is not None


def test_a_file_without_bottom_is_a_problem() -> None:
    (problem,) = read_signature("[" * 100_000, "x.yaml")[1]  # where it is noticed first differs from parser to parser
    assert re.fullmatch(r"x.yaml:1:\d+: lists or mappings inside one another without end; a signature has a few levels", problem)


def test_a_word_for_no_source_is_no_source() -> None:
    _, problems, _ = read_signature(GOOD.replace("references: [a paper]", "references: [unknown]"), "f.yaml")
    assert problems == [
        "f.yaml:10:14: 'unknown' is no source; name the paper, capture or source code where this was seen, and mark numbers without one as unverified"
    ]
