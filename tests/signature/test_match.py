"""The semantics of signatures, one example a rule."""

from __future__ import annotations

import dataclasses
import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.observe.table import CLIENT
from dpiprobe.observe.vocabulary import PACKET_FEATURES
from dpiprobe.signature import evaluate, predicates
from dpiprobe.signature.clause import Packets
from dpiprobe.signature.match import Match, first_pass, unclaimed
from dpiprobe.signature.model import Signature
from dpiprobe.signature.values import number_test, read_value
from tests.signature.fake_table import FakeTable, table
from tests.signature.signatures import database, signature

MS = 1_000_000


def run(clauses: str, suspects: FakeTable, trigger: str = "client_hello") -> list[Match]:
    return first_pass(database(signature(clauses, trigger=trigger)), suspects)


def test_predicates_select_packets_and_their_numbers_are_kept() -> None:
    (match,) = run("expect: {resets: {from: server, flags: RA, window: 0}}", table({"flags": "RA", "window": 5}, {"flags": "RA", "window": 0, "number": 17}))
    assert match.clauses["resets"] == ("held", (17,))
    assert match.packets == (17,) and match.flow == 0 and match.deployment


def test_flags_are_exactly_these_of_four_and_has_is_any_of_them() -> None:
    suspects = table({"flags": "R"})
    assert not run("expect: {resets: {from: server, flags: RA}}", suspects)
    assert run("expect: {resets: {from: server, has: [F, R]}}", suspects)
    assert not run("expect: {resets: {from: server, has: [R], lacks: [R]}}", suspects)


def test_same_splits_and_count_judges_a_whole_group() -> None:
    triple = "expect: {resets: {from: server, flags: RA, same: [ipid, window], count: at least 3}}"
    rows = [{"flags": "RA", "ipid": i, "window": 9} for i in (7, 8, 7, 8, 7)]
    (match,) = run(triple, table(*rows))
    assert match.packets == (1, 3, 5)
    assert not run(triple, table(*rows[:4]))
    assert not run(triple.replace("at least 3", "exactly 2"), table(*rows[:1]))


def test_a_group_with_too_many_packets_does_not_hold() -> None:
    assert not run("expect: {resets: {from: server, flags: R, count: 1}}", table({"flags": "R"}, {"flags": "R"}))


def test_span_is_the_time_from_the_first_to_the_last_of_a_group() -> None:
    clause = "expect: {resets: {from: server, flags: R, count: 2, span: at most 5 ms}}"
    assert run(clause, table({"flags": "R", "time": 0}, {"flags": "R", "time": 5 * MS}))
    assert not run(clause, table({"flags": "R", "time": 0}, {"flags": "R", "time": 6 * MS}))


def test_step_is_the_difference_of_neighbours_modulo_the_field() -> None:
    clause = "expect: {resets: {from: server, flags: R, step: {window: 1, ttl: 1}}}"
    rows = [{"flags": "R", "window": w, "ttl": t} for w, t in ((65535, 60), (0, 61), (1, 62))]
    assert run(clause, table(*rows))
    assert not run(clause, table(*rows[:1])), "one packet makes no step"
    assert not run(clause, table(*rows, {"flags": "R", "window": 9, "ttl": 63}))


def test_seq_offsets_are_relative_to_the_first_of_the_group_and_judge_all_of_it() -> None:
    clause = "expect: {resets: {from: server, flags: R, seq_offsets: [0, 1460, 4380]}}"
    rows = [{"flags": "R", "seq_raw": (2**32 - 100 + o) % 2**32} for o in (0, 1460, 4380)]
    assert run(clause, table(*rows))
    assert not run(clause, table(*rows[:2]))
    assert not run(clause, table(*rows, {"flags": "R", "seq_raw": 5}))


def test_the_earliest_group_that_holds_wins() -> None:
    rows = [{"flags": "R", "ipid": i} for i in (5, 6, 6, 5)]
    (match,) = run("expect: {resets: {from: server, flags: R, same: ipid, count: 2}}", table(*rows))
    assert match.packets == (1, 4), "the group of 5 begins first"


def test_expect_clauses_hold_in_order_of_their_groups_first_packets() -> None:
    clauses = """\
    expect:
      bare: {from: server, flags: R}
      burst: {from: server, flags: RA}
    """
    assert run(clauses, table({"flags": "R"}, {"flags": "RA"}))
    assert not run(clauses, table({"flags": "RA"}, {"flags": "R"}))
    (match,) = run(clauses.replace("flags: RA", "flags: RA, same: ipid"), table(*({"flags": f, "ipid": i} for f, i in (("RA", 1), ("R", 0), ("RA", 2)))))
    assert match.packets == (2, 3), "the group that began earlier is passed over"


def test_after_is_behind_the_last_packet_and_before_ahead_of_the_first() -> None:
    clauses = """\
    expect:
      resets: {from: server, flags: R}
    support:
      late: {from: server, flags: RA, after: resets}
      early: {from: server, flags: FA, before: resets}
    """
    (match,) = run(clauses, table(*({"flags": f} for f in ("FA", "R", "RA", "R", "RA"))))
    assert match.clauses["late"] == ("held", (5,)) and match.clauses["early"] == ("held", (1,))
    (match,) = run(clauses, table(*({"flags": f} for f in ("R", "FA"))))
    assert match.clauses["late"].state == "failed" and match.clauses["early"].state == "failed"


def test_a_held_rule_out_kills_the_match_and_client_packets_serve_for_it() -> None:
    clauses = """\
    expect:
      resets: {from: server, flags: R}
    rule_out:
      our_close: {from: client, has: [F, R], reached_server: true, before: resets}
    """
    ours = {"from": "client", "flags": "FA", "reaches_server": True}
    assert not run(clauses, table(ours, {"flags": "R"}))
    assert run(clauses, table({"flags": "R"}, ours))
    assert run(clauses, table({**ours, "reaches_server": False}, {"flags": "R"}))


def test_any_of_needs_one() -> None:
    clauses = """\
    expect: {resets: {from: server, flags: R}}
    any_of:
      silent: {flow: {server_ack: none}}
      second: {from: server, flags: FA}
    """
    assert run(clauses, table({"flags": "R"}, flows=[{"server_ack": "none"}]))
    assert run(clauses, table({"flags": "R"}, {"flags": "FA"}, flows=[{"server_ack": "end"}]))
    assert not run(clauses, table({"flags": "R"}, flows=[{"server_ack": "end"}]))


def test_what_cannot_be_seen_is_not_visible_and_an_expect_that_is_not_visible_is_no_match() -> None:
    ipv6 = table({"flags": "R"})  # no IP ID known
    assert not run("expect: {resets: {from: server, flags: R, ipid: 0}}", ipv6)
    assert not run("expect: {resets: {from: server, flags: R, same: ipid}}", ipv6)
    (match,) = run("expect: {resets: {from: server, flags: R}}\nsupport: {zero: {from: server, flags: R, ipid: 0}}", ipv6)
    assert match.clauses["zero"] == ("not_visible", ())
    (match,) = run("expect: {resets: {from: server, flags: R}}\nrule_out: {zero: {from: server, flags: R, ipid: 0}}", ipv6)
    assert match.clauses["zero"].state == "not_visible"


def test_absence_holds_only_as_long_as_the_capture_watched() -> None:
    clauses = """\
    expect:
      resets: {from: server, flags: R}
      quiet: {absent: {from: server, flags: RA, after: resets, within: 10 s}}
    """
    seconds = 1_000 * MS
    rows = [{"flags": "R", "time": 0}, {"flags": "RA", "time": 11 * seconds}]
    assert run(clauses, table(*rows, flows=[{"watched_after": 0}]))
    assert not run(clauses, table(rows[0], {**rows[1], "time": 9 * seconds}, flows=[{"watched_after": 99 * seconds}]))
    assert not run(clauses, table(rows[0], flows=[{"watched_after": 9 * seconds}])), "not watched long enough"
    assert run(clauses, table(rows[0], flows=[{"watched_after": 10 * seconds}]))


def test_absence_without_after_counts_from_the_trigger() -> None:
    clause = "expect:\n  quiet: {absent: {from: server, has: [R], within: 1 s}}"
    assert run(clause, table(flows=[{"watched_after": 1_000 * MS}]))
    assert not run(clause, table({"flags": "R", "delay": 500 * MS}, flows=[{"watched_after": 1_000 * MS}]))


def test_the_trigger_and_its_conditions() -> None:
    clause = "expect: {resets: {from: server, flags: R}}"
    rows = [{"flags": "R", "flow": i} for i in range(3)]
    flows: list[dict[str, Any]] = [{"trigger_kind": 0}, {"trigger_kind": 1, "segments": 2}, {"trigger_kind": 2}]
    suspects = table(*rows, flows=flows)
    assert [m.flow for m in run(clause, suspects)] == [1]
    assert [m.flow for m in run(clause, suspects, trigger="[syn, http_request]")] == [0, 2]
    assert [m.flow for m in run(clause, suspects, trigger="{kind: [client_hello, http_request], segments: 2}")] == [1]


def test_claims_are_disjoint_and_the_specific_comes_before_the_generic() -> None:
    generic = signature("expect: {resets: {from: server, has: [R]}}", "generic", generic=True)
    device = signature("expect: {resets: {from: server, flags: R, ipid: 30000}}", "device")
    other = signature("expect: {resets: {from: server, flags: RA, ipid: 13330}}", "other")
    resets = [{"flags": "R", "ipid": 30000}, {"flags": "RA", "ipid": 13330}, {"flags": "R", "ipid": 5}]
    suspects = table(*resets, {"flags": "FA"}, {"from": "client", "flags": "R"})
    matches = first_pass(database(generic, other, device), suspects)
    assert [(m.signature, m.packets) for m in matches] == [("device", (1,)), ("other", (2,)), ("generic", (3,))]
    assert unclaimed(suspects, matches).tolist() == [False, False, False, True, False]


def test_when_all_is_claimed_the_generic_does_not_match() -> None:
    generic = signature("expect: {resets: {from: server, has: [R]}}", "generic", generic=True)
    device = signature("expect: {resets: {from: server, flags: R, ipid: 30000}}", "device")
    assert [m.signature for m in first_pass(database(generic, device), table({"flags": "R", "ipid": 30000}))] == ["device"]


def test_a_shared_clause_sees_what_another_has_claimed_and_claims_nothing() -> None:
    suspects = table({"flags": "R", "window": 7}, {"flags": "RA", "ipid": 9, "window": 9})
    first = signature("expect: {resets: {from: server, flags: RA, ipid: 9, window: 9}}", "device")
    second = "expect: {resets: {from: server, flags: R}, other: {from: server, flags: RA%s}}"
    alone = first_pass(database(first, signature(second % "", "other", generic=True)), suspects)
    assert [m.signature for m in alone] == ["device"]
    both = first_pass(database(first, signature(second % ", shared: true", "other", generic=True)), suspects)
    assert [(m.signature, m.packets) for m in both] == [("device", (2,)), ("other", (1,))]


def test_support_leaves_what_a_pending_device_expects() -> None:
    suspects = table({"flags": "R", "window": 7}, {"flags": "RA", "ipid": 9})
    first = signature("expect: {resets: {from: server, flags: RA, ipid: 9}}\nsupport: {bare: {from: server, flags: R}}", "device")
    pending = signature("expect: {resets: {from: server, flags: R, window: 7}, fine: {control: completes}}", "waiting")
    assert [(m.signature, m.packets) for m in first_pass(database(first, pending), suspects) if not m.pending] == [("device", (2,))]
    assert [(m.signature, m.packets) for m in first_pass(database(first), suspects)] == [("device", (1, 2))]


def test_a_signature_with_second_pass_clauses_is_pending_and_claims_nothing() -> None:
    generic = signature("expect: {resets: {from: server, has: [R]}}", "generic", generic=True)
    waits = signature("expect: {resets: {from: server, flags: R, ipid: 5}, works: {control: completes}}", "waits")
    matches = first_pass(database(generic, waits), table({"flags": "R", "ipid": 5}))
    assert [(m.signature, m.pending) for m in matches] == [("waits", True), ("generic", False)]
    assert matches[0].clauses["works"].state == "pending"


# --- the vectorised evaluation is the same as asking flow by flow, packet by packet -------------------------------------------------


def naive(sig: Signature, suspects: FakeTable) -> dict[int, tuple[int, ...]]:
    """Flow -> packets, by loops over plain rows; packet clauses of `expect` alone."""
    found = {}
    for flow in range(suspects.flow_count):
        floor, packets = -1, set()
        for clause in sig.expect:
            assert isinstance(clause, Packets)
            rows = [i for i in range(len(suspects.flow)) if suspects.flow[i] == flow and passes(clause, suspects, i)]
            groups: dict[tuple[Any, ...], list[int]] = {}
            for i in rows:
                groups.setdefault(tuple(int(suspects.feature(f).data[i]) for f in clause.same), []).append(i)
            good = [g for g in groups.values() if g[0] > floor and group_holds(clause, suspects, g)]
            if not good:
                break
            best = min(good, key=lambda g: g[0])
            packets.update(best)
            floor = best[0]
        else:
            found[flow] = tuple(int(suspects.number[i]) for i in sorted(packets) if suspects.origin[i] != CLIENT)
    return found


def passes(clause: Packets, suspects: FakeTable, i: int) -> bool:
    if suspects.origin[i] not in clause.origins or (clause.exact is not None and suspects.flags[i] != clause.exact):
        return False
    for feature in clause.same:
        if not suspects.feature(feature).known[i]:
            return False
    return all(suspects.feature(p.feature).known[i] and p.test.accepts(suspects.feature(p.feature).data[i]) for p in clause.predicates)


def group_holds(clause: Packets, suspects: FakeTable, rows: list[int]) -> bool:
    times = [int(suspects.time[i]) for i in rows]
    if not clause.count.accepts(len(rows)) or (clause.span is not None and not clause.span.accepts(max(times) - min(times))):
        return False
    for predicate in clause.step:
        values = suspects.feature(predicate.feature)
        if len(rows) < 2 or not all(values.known[i] for i in rows):
            return False
        for a, b in pairwise(rows):
            difference = (int(values.data[b]) - int(values.data[a]) + 32768) % 65536 - 32768
            if not predicate.test.accepts(difference):
                return False
    return True


row_strategy = st.fixed_dictionaries(
    {"flow": st.integers(0, 2), "from": st.sampled_from(["server", "client", "stray"]), "flags": st.sampled_from(["R", "RA", "FA"]), "time": st.integers(0, 5)},
    optional={"ipid": st.integers(0, 2), "window": st.integers(0, 2)},
)
clause_strategy = st.builds(
    lambda origins, exact, wanted, same, count, span, step: {
        "from": origins, **({"flags": exact} if exact else {}), **({"ipid": wanted} if wanted is not None else {}), **({"same": same} if same else {}),
        **({"count": count} if count else {}), **({"span": span} if span else {}), **({"step": {"window": step}} if step is not None else {}),
    },
    st.lists(st.sampled_from(["server", "client", "stray"]), min_size=1, max_size=2, unique=True), st.sampled_from(["R", "RA", None]),
    st.sampled_from([0, "not 0", "1 to 2", None]), st.sampled_from([["ipid"], ["window", "ipid"], None]), st.sampled_from([1, 2, "at least 2", None]),
    st.sampled_from(["at most 2 ns", None]), st.sampled_from([0, 1, -1, None, None]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(row_strategy, max_size=12), st.lists(clause_strategy, min_size=1, max_size=3))
def test_all_flows_at_once_is_the_same_as_one_by_one(rows: list[dict[str, Any]], clauses: list[dict[str, Any]]) -> None:
    import json

    rows = sorted(rows, key=lambda r: r["flow"])
    suspects = FakeTable([{}] * 3, rows)
    sig = signature(f"expect: {json.dumps({f'c{i}': c for i, c in enumerate(clauses)})}")
    assert {m.flow: m.packets for m in first_pass(database(sig), suspects)} == naive(sig, suspects)


@settings(max_examples=200, deadline=None)
@given(st.lists(row_strategy, max_size=12), st.lists(clause_strategy, min_size=1, max_size=3))
def test_what_is_left_out_early_changes_nothing(rows: list[dict[str, Any]], clauses: list[dict[str, Any]]) -> None:
    import json

    suspects = FakeTable([{}] * 3, sorted(rows, key=lambda r: r["flow"]))
    sig = signature(f"expect: {json.dumps({f'c{i}': c for i, c in enumerate(clauses)})}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predicates, "MANY", 0)
        for module in (predicates, evaluate):
            patch.setattr(module, "FEWER", 1)
        assert {m.flow: m.packets for m in first_pass(database(sig), suspects)} == naive(sig, suspects)


@settings(max_examples=100, deadline=None)
@given(st.lists(row_strategy, max_size=10), st.lists(row_strategy, max_size=10))
def test_a_flow_matches_the_same_among_other_flows(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    sig = database(signature("expect: {a: {from: server, flags: R, same: [ipid], count: at least 2}, b: {from: server, flags: RA}}"))
    own = [{**r, "flow": 0} for r in rows]
    alone = {m.flow: m.packets for m in first_pass(sig, FakeTable([{}], own))}
    among = {m.flow: m.packets for m in first_pass(sig, FakeTable([{}, {}], [*own, *({**r, "flow": 1} for r in others)]))}
    assert among.get(0) == alone.get(0)


@settings(max_examples=100, deadline=None)
@given(st.lists(row_strategy, max_size=12))
def test_no_packet_is_claimed_twice(rows: list[dict[str, Any]]) -> None:
    several = database(
        signature("expect: {a: {from: server, flags: R}}", "a"),
        signature("expect: {a: {from: [server, stray], has: [R], ipid: 1}}", "b"),
        signature("expect: {a: {from: [server, stray], has: [R, F]}}", "c", generic=True),
    )
    suspects = FakeTable([{}] * 3, sorted(rows, key=lambda r: r["flow"]))
    claimed = [row for m in first_pass(several, suspects) for row in m.rows]
    assert len(claimed) == len(set(claimed))
    assert not any(suspects.origin[row] == CLIENT for row in claimed)


def test_tests_are_hashable_so_that_equal_questions_are_asked_once() -> None:
    assert hash(number_test("2 to 4")) == hash(number_test("2 to 4"))
    assert dataclasses.is_dataclass(read_value(0, PACKET_FEATURES["window"])) and np.True_


def test_numbers_of_questions_stay_in_their_process() -> None:
    asked = signature("expect: {a: {from: server, flags: R, ipid: 1}}")
    assert asked.asked.packets["a"].number == signature("expect: {b: {from: server, flags: R, ipid: 1}}", "other").asked.packets["b"].number
    assert "asked" in asked.__dict__ and "asked" not in pickle.loads(pickle.dumps(asked)).__dict__
