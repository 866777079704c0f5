"""Records in short: the rows, in the order a person wants, with what they rest on."""

from __future__ import annotations

import io
import json

from dpiprobe.report.summary import MOST_OK, MOST_ROWS, losses, summaries, summary_of
from dpiprobe.report.terminal import write_summary
from tests.report.fixtures import OK_FLOW, capture, flow, name


def test_a_name_s_row_takes_what_its_record_leaves_out_from_its_telling_flow() -> None:
    (summary,) = summaries([flow(12), name([12]), capture()])
    row = summary.names[0]
    assert (row.verdict, row.technique, row.signature, row.position, row.flow) == ("blocked", "rst.on-path", "some-box", "on-path", 12)
    assert row.why.startswith("3 resets 20.6 ms") and row.evidence == [64, 65, 66]


def test_the_telling_flow_has_the_name_s_verdict() -> None:
    flows = [flow(1, **OK_FLOW), flow(2, verdict="down", technique=None, reasons=["server policy"]), flow(3)]
    (summary,) = summaries([*flows, name([1, 2, 3]), capture()])
    assert summary.names[0].flow == 3


def test_blocked_comes_first_and_ok_last() -> None:
    records = [
        flow(1, **OK_FLOW), flow(2), flow(3, verdict="insufficient", because="no-control", technique=None),
        name([1], verdict="ok", server_name="a"), name([2], server_name="b"), name([3], verdict="insufficient", server_name="c"), capture(),
    ]
    (summary,) = summaries(records)
    assert [row.server_name for row in summary.names] == ["b", "c", "a"]
    assert summary.names[1].why.startswith("no-control")


def test_each_capture_has_its_own_summary() -> None:
    records = [flow(1), name([1]), capture(), flow(1, capture="b", **OK_FLOW), capture(capture="b")]
    first, second = summaries(records)
    assert first.flows == {"blocked": 1} and second.flows == {"ok": 1} and second.capture == "b"


def test_what_was_lost_is_said() -> None:
    assert losses(capture(damage=["the file ends inside packet 413"], undecoded=2)) == [
        "the file ends inside packet 413", "2 packets could not be decoded"]


def test_a_summary_of_telling_flows_is_that_of_all() -> None:
    records = [flow(1), flow(2, **OK_FLOW), name([2, 1]), name([2], verdict="ok", server_name="a"), capture()]
    whole = next(summaries(records))
    assert summary_of(whole.flows, whole.signatures, {1: ("blocked", json.dumps(records[0]).encode())}, iter(records[2:])) == whole


def test_a_table_of_more_names_than_are_shown_is_that_of_all() -> None:
    wrong, right = MOST_ROWS + 3, MOST_OK + 2
    flows = [flow(i + 1) for i in range(wrong)]
    fine = [name([], verdict="ok", server_name=f"a{i}") for i in range(right)]
    records = [*flows, *fine, *(name([i + 1], server_name=f"b{i}") for i in range(wrong)), capture()]
    whole = next(summaries(records))
    telling = {i + 1: ("blocked", json.dumps(one).encode()) for i, one in enumerate(flows)}
    short = summary_of(whole.flows, whole.signatures, telling, iter(records[wrong:]))
    assert short.unshown == {"blocked": 3, "ok": 2} and len(short.names) == MOST_ROWS + MOST_OK
    tables = io.StringIO(), io.StringIO()
    for summary, out in zip((whole, short), tables, strict=True):
        write_summary(summary, out)
    assert tables[0].getvalue() == tables[1].getvalue() and "3 more that" in tables[0].getvalue()
