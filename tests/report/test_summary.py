"""Records in short: the rows, in the order a person wants, with what they rest on."""

from __future__ import annotations

from dpiprobe.report.summary import losses, summaries, summary_of
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
    assert summary_of(whole.flows, whole.signatures, iter([records[0]]), iter(records[2:])) == whole
