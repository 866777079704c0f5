"""Flows by their keys and starts: the same as a dictionary of lists would say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.signature.history import History, Keys
from dpiprobe.signature.ledger import Key, Shown

flow_strategy = st.tuples(st.integers(0, 1), st.sampled_from(["a", "b", None]), st.integers(0, 9))


@settings(max_examples=300, deadline=None)
@given(st.lists(flow_strategy, max_size=14), st.sets(st.integers(0, 13)), st.sets(st.integers(0, 13)), st.integers(0, 9))
def test_places_and_what_tells_enough(flows: list[tuple[int, str | None, int]], left: set[int], bearing: set[int], within: int) -> None:
    keys = Keys({"client": np.array([c for c, _, _ in flows], np.int64), "name": [n for _, n, _ in flows], "start": [s for _, _, s in flows]})
    given_flows = [f for f in range(len(flows)) if f not in left]
    packets = {f: (f + 1,) for f in given_flows if f in bearing}
    history = History(keys, ("client", "name"), given_flows, packets)
    expected: dict[Key, list[int]] = defaultdict(list)
    for f in sorted(given_flows, key=lambda f: flows[f][2]):
        expected[flows[f][:2]].append(f)
    for key in [(c, n) for c in (0, 1) for n in ("a", "b", None)]:
        begin, end = history.places(key)
        assert history.flows[begin:end] == expected.get(key, [])
        assert history.starts[begin:end] == [flows[f][2] for f in expected.get(key, [])]
    told: dict[Key, list[Shown]] = defaultdict(list)
    for other, one in history.told(within, np.arange(len(flows)) + 100).entries():
        told[other].append(one)
    assert told == {
        key: [(flows[f][2], f + 100, packets.get(f, ())) for f in kept(of_key, flows, packets, within)] for key, of_key in expected.items()
    }


def kept(of_key: list[int], flows: list[tuple[int, str | None, int]], packets: Mapping[int, tuple[int, ...]], within: int) -> list[int]:
    out: list[int] = []
    for f in of_key:
        if len(out) > 1 and not {f, *out[-2:]} & set(packets) and flows[f][2] - flows[out[-2]][2] <= within:
            out.pop()
        out.append(f)
    return out
