"""The bytes of a hello come out of a capture as they were sent, however TLS and TCP carried them; and its name is the flow's trigger."""

from __future__ import annotations

import io
from functools import cache

import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.flow.flows import CLIENT_HELLO, Flows
from dpiprobe.flow.hello_streams import HelloStream, hello_streams
from dpiprobe.flow.settle import settle
from dpiprobe.report.hello_capture import write_hello_capture
from dpiprobe.tls.vary.catalogue import CATALOGUE
from dpiprobe.tls.vary.variation import Varied, apply
from tests.tls.vary.wire import base

BEYOND = ("decoy-", "faked-", "urgent-", "overlap-disorder-")
"""What only the server's own view tells: which copy it read, which bytes were urgent, which packet never reached it"""
NAMES = [name for name in CATALOGUE if name != "ech-none" and not name.startswith(BEYOND)]


@cache
def captured() -> tuple[list[Varied], Flows, dict[int, HelloStream]]:
    """One capture with a connection for each variation."""
    made = [apply(base(), [CATALOGUE[name]]) for name in NAMES]
    file = io.BytesIO()
    write_hello_capture(file, [m.sending for m in made])
    flows = settle(read_capture("made.pcap", data=file.getvalue()).packets)
    return made, flows, {found.flow: found for found in hello_streams(flows)}


@pytest.mark.parametrize("name", NAMES)
def test_every_variation_is_found(name: str) -> None:
    made, flows, streams = captured()
    at = NAMES.index(name)
    assert streams[at + 1].stream == made[at].sending.stream
    trigger = flows.triggers[at]
    assert trigger is not None
    assert (trigger.kind, trigger.server_name, trigger.complete) == (CLIENT_HELLO, made[at].hello.server_name or None, True)


def test_packets_are_numbered_from_one() -> None:
    assert captured()[2][1].packet == 4
