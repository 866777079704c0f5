"""Packets for the tests of this folder and of tests/capture: a client, a server and what they send."""

from __future__ import annotations

from hypothesis import strategies as st

from dpiprobe.wire.build import address

CLIENT, SERVER, ROUTER = address("192.0.2.10"), address("198.51.100.20"), address("203.0.113.1")
CLIENT6, SERVER6, ROUTER6 = address("2001:db8::10"), address("2001:db8:1::20"), address("2001:db8:2::1")

byte, word, quad = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


def addresses() -> st.SearchStrategy[tuple[bytes, bytes]]:
    """Two addresses of the same version."""
    return st.one_of(*(st.tuples(st.binary(min_size=n, max_size=n), st.binary(min_size=n, max_size=n)) for n in (4, 16)))
