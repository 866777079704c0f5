"""How far a long run is, in words."""

from __future__ import annotations

from dpiprobe.scale.progress import Progress, duration
from dpiprobe.scale.tally import Tally


def test_it_says_captures_bytes_and_what_is_left() -> None:
    progress = Progress(2000, 4_000_000, began=100.0)
    progress.step([2000] * 500)
    assert progress.text(now=110.0) == "500 of 2,000 captures, 25 % of the bytes, about 30 s left"


def test_it_guesses_nothing_before_it_has_seen_something() -> None:
    progress = Progress(2000, 4_000_000, began=100.0)
    progress.step([2000])
    assert progress.text(now=110.0) == "1 of 2,000 captures, 0 % of the bytes"


def test_without_sizes_it_counts_captures() -> None:
    progress = Progress(10, 0, began=0.0)
    progress.step([0] * 5)
    assert progress.text(now=10.0) == "5 of 10 captures, about 10 s left"


def test_durations_are_as_long_as_they_need_be() -> None:
    assert [duration(s) for s in (8.4, 89, 600, 7800)] == ["8 s", "89 s", "10 min", "2 h 10 min"]


def test_tallies_add_up_in_any_order_and_survive_json() -> None:
    flow = {"kind": "flow", "verdict": "blocked", "technique": "rst", "signature": "x"}
    one, other = Tally(), Tally()
    list(one.watch([flow, flow, {"kind": "name", "verdict": "blocked"}, {"kind": "capture", "packets": 7, "complete": False}]))
    list(other.watch([{"kind": "flow", "verdict": "ok"}, {"kind": "capture", "packets": 1, "complete": True}]))
    left, right = Tally(), Tally()
    for tally in (one, other):
        left.add(tally)
    for tally in (other, one):
        right.add(tally)
    assert left == right == Tally.from_plain(left.plain())
    assert (left.captures, left.packets, left.incomplete, left.flows["blocked"]) == (2, 8, 1, 2)
