"""The clauses that one flow cannot answer, each by an example."""

from __future__ import annotations

from typing import Any

from dpiprobe.signature.match import Match, first_pass
from dpiprobe.signature.second_pass import Context, second_pass, settle
from tests.signature.fake_table import FakeTable, table
from tests.signature.signatures import database, signature

SECOND = 1_000_000_000
RESET = "resets: {from: server, flags: R}"


def context(flows: int, **columns: Any) -> Context:
    values: dict[str, Any] = {
        "control": [None] * flows, "outcome": ["reset"] * flows, "client": ["c"] * flows, "server": ["s"] * flows, "port": [443] * flows,
        "name": ["n"] * flows, "start": [i * SECOND for i in range(flows)],
    }  # fmt: skip
    return Context(**{**values, **columns})


def resets(flows: int, **features: list[Any]) -> FakeTable:
    return table(*({"flow": i, "flags": "R", **{k: v[i] for k, v in features.items()}} for i in range(flows)))


def run(second: str, suspects: FakeTable, **columns: Any) -> list[Match]:
    pending = first_pass(database(signature(f"expect: {{{RESET}, asked: {second}}}")), suspects, both_ends=True)
    assert all(m.pending for m in pending)
    return second_pass(pending, context(suspects.flow_count, **columns))


def test_control_says_how_the_control_fares_and_unknown_is_no_match() -> None:
    held = run("{control: completes}", resets(4), control=["completes", "fails", "absent", None])
    assert [m.flow for m in held] == [0] and not held[0].pending


def test_control_may_ask_what_the_controls_show() -> None:
    split = "{control: {state: completes, split_round_trips: at least 1.7}}"
    held = run(split, resets(3), control=["completes"] * 3, control_values={"split_round_trips": [5.0, 1.0, None]})
    assert [m.flow for m in held] == [0]


def test_what_both_captures_show_is_known_only_with_both() -> None:
    shown = [frozenset({"rewritten"}), frozenset(), None]
    assert [m.flow for m in run("{seen_at: {shows: [rewritten, forged-to-both]}}", resets(3), both_ends=shown)] == [0]
    assert [m.flow for m in run("{seen_at: both}", resets(3), both_ends=shown)] == [0, 1]


def test_seen_at_names_the_end() -> None:
    assert [m.flow for m in run("{seen_at: [client, both]}", resets(3), seen_at=["client", "server", None])] == [0]


def test_compare_is_test_over_control() -> None:
    assert [m.flow for m in run("{compare: {goodput: at most 0.5}}", resets(3), ratios={"goodput": [0.1, 0.9, None]})] == [0]
    assert [m.flow for m in run("{compare: {certificate: differs}}", resets(2), certificate=["same", "differs"])] == [1]


def test_across_compares_the_flows_of_a_name() -> None:
    suspects = resets(4, ipid=[7, 7, 8, 9])
    same = "{across: {same: [ipid], of: resets}}"
    held = run(same, suspects, name=["a", "a", "b", "b"], table=suspects)
    assert [m.flow for m in held] == [0, 1] and held[0].clauses["asked"] == ("held", (1, 2))
    assert [m.flow for m in run(same.replace("same", "distinct"), suspects, name=["a", "a", "b", "b"], table=suspects)] == [2, 3]
    assert not run(same, suspects, name=["a", "b", "c", "d"], table=suspects), "one flow shows nothing across flows"


def test_earlier_finds_an_earlier_flow_with_the_same_keys_in_time() -> None:
    asked = "{earlier: {outcome: silent, same: [client, server, port], within: 5 s}}"
    suspects = resets(4)
    outcome = ["silent", "reset", "reset", "reset"]
    assert [m.flow for m in run(asked, suspects, outcome=outcome)] == [1, 2, 3]
    assert [m.flow for m in run(asked, suspects, outcome=outcome, start=[0, 4 * SECOND, 6 * SECOND, 0])] == [1]
    assert [m.flow for m in run(asked, suspects, outcome=outcome, client=["c", "d", "c", "d"])] == [2]


def test_later_looks_the_other_way() -> None:
    asked = "{later: {outcome: worked, same: [client, server, port], within: 5 s}}"
    outcome = ["reset", "reset", "worked"]
    assert [m.flow for m in run(asked, resets(3), outcome=outcome)] == [0, 1]
    assert [m.flow for m in run(asked, resets(3), outcome=outcome, start=[0, 4 * SECOND, 6 * SECOND])] == [1]


def test_earlier_knows_signatures_of_the_first_pass_and_shows_their_packets() -> None:
    fins = signature("expect: {fin: {from: server, flags: FA}}", "closes")
    later = signature(f"expect: {{{RESET}, asked: {{earlier: {{signature: closes, same: [client], within: 5 s}}}}}}")
    suspects = table({"flow": 0, "flags": "FA", "number": 42}, {"flow": 1, "flags": "R"})
    first = first_pass(database(fins, later), suspects)
    (held,) = second_pass([m for m in first if m.pending], context(2, matches=[m for m in first if not m.pending]))
    assert held.flow == 1 and held.clauses["asked"] == ("held", (42,))


def test_support_of_the_second_pass_is_recorded_and_rule_out_kills() -> None:
    text = f"expect: {{{RESET}}}\nsupport: {{works: {{control: completes}}}}\nrule_out: {{down: {{control: fails}}}}"
    pending = first_pass(database(signature(text)), resets(3))
    held = second_pass(pending, context(3, control=["completes", "fails", None]))
    assert [(m.flow, m.clauses["works"].state) for m in held] == [(0, "held"), (2, "not_visible")]


def test_settle_lets_the_specific_keep_what_both_want() -> None:
    generic = signature(f"expect: {{{RESET}}}", "generic", generic=True)
    waits = signature(f"expect: {{{RESET}, works: {{control: completes}}}}", "waits")
    first = first_pass(database(generic, waits), resets(2))
    held = [m for m in first if not m.pending]
    final = settle(held + second_pass([m for m in first if m.pending], context(2, control=["completes", "fails"])))
    assert [(m.flow, m.signature) for m in final] == [(0, "waits"), (1, "generic")]
