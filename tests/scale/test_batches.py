"""Inputs cut into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.scale.batches import FILES, MOST_BYTES, Task, batches
from dpiprobe.scale.inputs import Input

SIZES = st.lists(st.integers(0, 3 * MOST_BYTES), max_size=300)


def inputs(sizes: list[int]) -> list[Input]:
    return [Input(f"{place}.pcap", f"/{place}.pcap", size, str(size)) for place, size in enumerate(sizes)]


@given(SIZES)
def test_every_input_is_in_one_batch_and_in_order(sizes: list[int]) -> None:
    tasks = batches(inputs(sizes))
    assert [place for task in tasks for place, _ in task.inputs] == list(range(len(sizes)))
    assert len({task.id for task in tasks}) == len(tasks)


@given(SIZES)
def test_a_batch_is_full_by_files_or_by_bytes(sizes: list[int]) -> None:
    for task in batches(inputs(sizes))[:-1]:
        held = [one.size for _, one in task.inputs]
        assert len(held) == FILES or sum(held) >= min(MOST_BYTES, sum(sizes) // 16)
        assert sum(held[:-1]) < MOST_BYTES


@given(SIZES, st.data())
def test_what_is_left_out_does_not_move_the_cuts(sizes: list[int], data: st.DataObject) -> None:
    everything = batches(inputs(sizes))
    skip = data.draw(st.sets(st.sampled_from(range(len(sizes))))) if sizes else set()
    left = [[place for place, _ in task.inputs if place not in skip] for task in everything]
    found = batches(inputs(sizes), skip={f"/{place}.pcap" for place in skip})
    assert [[place for place, _ in task.inputs] for task in found] == [places for places in left if places]


def test_a_run_of_middling_captures_is_cut_into_enough_batches_for_a_few_workers() -> None:
    assert len(batches(inputs([1 << 20] * 64))) == 16


def test_small_captures_go_fifty_to_a_batch() -> None:
    assert [len(task.inputs) for task in batches(inputs([1000] * 120))] == [50, 50, 20]


def test_a_million_captures_are_some_thousand_batches() -> None:
    assert len(batches(inputs([1000] * 1_000_000))) == 4000


def test_a_batch_is_tried_twice_then_file_by_file_then_given_up() -> None:
    (batch,) = batches(inputs([1, 2]))
    (again,) = batch.after_a_death()
    assert again.inputs == batch.inputs and again.id == batch.id
    first, second = again.after_a_death()
    assert [len(first.inputs), len(second.inputs)] == [1, 1]
    (once_more,) = second.after_a_death()
    assert isinstance(once_more, Task) and once_more.after_a_death() == []
