"""The `emulate:` block: what it says is what the model holds; what is wrong in it is said, all at once, each at its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.signature.emulation import Draw, Residual, Send, Then, Throttle, duration_ns, parse_emulation, rate_bytes


def test_an_empty_block_is_a_device_that_does_nothing() -> None:
    emulation, problems = parse_emulation({})
    assert emulation is not None
    assert (problems, emulation.trigger.kind, emulation.hello, emulation.send, emulation.proxy) == ([], "client_hello", "pass", (), None)


def test_a_full_block() -> None:
    block = {
        "trigger": "client_hello", "hello": "drop", "delay": "2 ms", "then": {"to_server": "drop", "after": {"bytes": 18000}},
        "send": [{
            "to": "both", "flags": "RA", "copies": 3, "spacing": "100 us", "seq": "expected", "seq_offsets": [0, 1460], "ack": {"hello_end": 1},
            "ipid": "random_same", "df": "clear", "ttl": {"random": [39, 238]}, "window": {"ttl_plus": 1375}, "tos": 8, "options": "copy",
            "payload": {"hex": "01 02"}, "reserved_bits": 1,
        }],
        "throttle": {"rate": "8 kB/s", "how": "police"}, "residual": {"what": "rst", "for": "8 s", "same": ["client", "server"]},
    }  # fmt: skip
    emulation, problems = parse_emulation(block)
    assert problems == []
    assert emulation is not None
    assert emulation.delay == Draw(2_000_000, 2_000_000)
    assert emulation.then == Then("drop", "pass", 18000, None)
    assert emulation.send == (
        Send(("client", "server"), 0x14, 3, 100_000, "expected", (0, 1460), None, "hello_end", 1, "random_same", False,
             Draw(39, 238), 0, 1375, 8, True, b"\1\2", 1),
    )
    assert emulation.throttle == Throttle(8000.0, "police")
    assert emulation.residual == Residual("rst", 8_000_000_000, ("client", "server"))
    assert emulation.node == block


def test_every_problem_is_reported_at_its_place() -> None:
    emulation, problems = parse_emulation({
        "hallo": "drop", "delay": 2, "then": {"after": {"bytes": 1, "packets": 2}}, "throttle": {"rate": "fast"}, "residual": {"what": "drop"},
        "send": [{"to": "moon", "flags": "RX", "ttl": 0, "ipid": "odd", "window": {"x": 1}, "payload": {"zeros": -1}, "seq_offsets": [], "copies": True}],
    })  # fmt: skip
    assert emulation is None
    assert {path for path, _ in problems} == {
        ("hallo",), ("delay",), ("then", "after"), ("throttle", "rate"), ("residual", "for"), ("send", 0, "to"), ("send", 0, "flags"), ("send", 0, "ttl"),
        ("send", 0, "ipid"), ("send", 0, "window"), ("send", 0, "payload"), ("send", 0, "seq_offsets"), ("send", 0, "copies"),
    }  # fmt: skip
    assert "did you mean `hello`?" in dict(problems)[("hallo",)]


def test_a_proxy_excludes_what_only_a_passing_box_can_do() -> None:
    _, problems = parse_emulation({"proxy": {"answer": "close"}, "hello": "drop"})
    assert [path for path, _ in problems] == [("hello",)]


def test_times_and_rates() -> None:
    assert [duration_ns(v) for v in ("2 ms", "100 us", "1.5 s", "7ns", 0)] == [2_000_000, 100_000, 1_500_000_000, 7, 0]
    assert [duration_ns(v) for v in (5, "5", "2 m", True, None)] == [None] * 5
    assert [rate_bytes(v) for v in ("8 kB/s", "64 kbit/s", "1 Mbit/s", "0 B/s", 8)] == [8000, 8000, 125_000, None, None]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
)
KEYS = ["trigger", "hello", "then", "delay", "send", "throttle", "proxy", "residual", "random", "after"]


@given(ANY | st.dictionaries(st.sampled_from(KEYS), ANY))
def test_no_value_upsets_the_parser(node: object) -> None:
    emulation, problems = parse_emulation(node)
    assert (emulation is None) == bool(problems)


SEND_KEYS = ["to", "flags", "copies", "spacing", "seq", "seq_offsets", "windows", "ack", "ipid", "df", "ttl", "window", "payload", "options"]


@given(st.dictionaries(st.sampled_from(SEND_KEYS), ANY))
def test_no_packet_upsets_the_parser(entry: dict[str, object]) -> None:
    parse_emulation({"send": [entry]})
